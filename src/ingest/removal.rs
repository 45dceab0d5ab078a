//! What becomes of sources that are done: one is removed where all that it became stands where this run keeps it.

use super::ledger::{Entry, Ledger};
use super::object::Job;
use super::{Delete, Error, Observer, Report, name};
use crate::store::{self, Listed};
use futures::StreamExt as _;

/// Why a source stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    /// It is another version by now, or gone.
    Changed,
    /// Records of it were rejected and kept nowhere: they are nowhere else.
    Rejects,
    /// An earlier run has done it, for another destination or one that was emptied.
    Output,
    /// It does not: only what is empty above it does, for the removal of that failed.
    Above,
}

impl Stay {
    /// What is said of it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Changed => "it has changed",
            Self::Rejects => "records of it were rejected, and are kept nowhere else",
            Self::Output => "what an earlier run made of it is not at --to",
            Self::Above => "it was removed, but not what is empty above it",
        }
    }
}

/// The entries of sources that an earlier run has done, as the ledger has them. One that it has not any more is left out:
/// somebody had it forgotten, to be read again.
pub(super) async fn recall(
    ledger: &Ledger,
    root: &str,
    known: Vec<Listed>,
) -> Result<Vec<(Listed, Option<Entry>)>, Error> {
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let url = |listed: &Listed| format!("{root}{}", listed.name);
    let mut entries = ledger.recall(known.iter().map(url).collect()).await?;
    let known = known.into_iter().filter_map(|listed| {
        let entry = entries.remove(&url(&listed)).filter(|entry| entry.tag == listed.tag)?;
        Some((listed, Some(entry)))
    });
    Ok(known.collect())
}

/// Removes sources, so many at once, and tells the report what became of each.
pub(super) async fn remove_all(
    job: &Job,
    report: &mut Report,
    sources: impl Iterator<Item = (Listed, Option<Entry>)>,
) {
    let removed: Vec<_> = futures::stream::iter(sources)
        .map(|(listed, entry)| async move { (remove(job, &listed, entry.as_ref()).await, listed) })
        .buffer_unordered(job.options.concurrency.max(1))
        .collect()
        .await;
    for (removed, listed) in removed {
        let object = job.from.location().url(&listed.name);
        match removed {
            Ok(None) => report.deleted += 1,
            Ok(Some(stay)) => report.stay(&object, stay),
            Err(error) => {
                tracing::warn!(object, %error, "not removed");
                report.leave(&object, &error.to_string());
            }
        }
    }
}

/// Removes a source, or says why it stays. An entry is an earlier run's: what that made is looked for.
async fn remove(job: &Job, listed: &Listed, entry: Option<&Entry>) -> Result<Option<Stay>, store::Error> {
    if let Some(entry) = entry
        && let Some(stay) = lacks(job, listed, entry).await?
    {
        return Ok(Some(stay));
    }
    if !job.from.delete_version(listed).await? {
        return Ok(Some(Stay::Changed));
    }
    if job.options.delete == Delete::TransferredAndEmptyDirs
        && let Err(error) = job.from.delete_empty_above(&listed.name).await
    {
        let object = job.from.location().url(&listed.name);
        tracing::warn!(object, %error, "what is empty above it was not removed");
        return Ok(Some(Stay::Above));
    }
    Ok(None)
}

async fn lacks(job: &Job, listed: &Listed, entry: &Entry) -> Result<Option<Stay>, store::Error> {
    let stands = match &job.to {
        Some(to) if !entry.output.is_empty() => to.exists(&entry.output).await?,
        // Its events, if there were any, went to a stream.
        Some(_) => entry.events == 0,
        None => entry.output.is_empty(),
    };
    if !stands {
        return Ok(Some(Stay::Output));
    }
    let kept = match &job.rejects {
        _ if entry.rejects == 0 => true,
        Some(place) => {
            let stem = match entry.output.strip_suffix(name::EVENTS) {
                Some(stem) => stem.to_owned(),
                None => name::stem(&listed.name, &entry.generation),
            };
            place.exists(&format!("{stem}{}", name::REJECTS)).await?
        }
        None => false,
    };
    Ok((!kept).then_some(Stay::Rejects))
}

/// Says how many sources stay, and what to do about it.
pub(super) fn say_what_stays(report: &Report, observer: &dyn Observer) {
    let again = "have them read again (zoom-udm ledger forget)";
    for (count, stay, cure) in [
        (report.without_rejects, Stay::Rejects, "with --rejects URL"),
        (report.without_output, Stay::Output, "or name the --to that it went to"),
    ] {
        if count > 0 {
            observer.warned(&format!("{count} sources stay: {}; {again}, {cure}", stay.reason()));
        }
    }
}
