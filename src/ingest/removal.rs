//! Deletes processed sources, if everything that they became is stored.

use super::content::{Content, is_all_of};
use super::ledger::{Entry, Ledger, OutputPart};
use super::object::Job;
use super::{Delete, Error, Observer, Report, name};
use crate::store::{self, Body, Fetched, Listed};
use futures::StreamExt as _;
use std::io;

/// Why a source is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    /// It has another version by now, or is gone.
    Changed,
    /// Some of its records were rejected, and the rejects are stored nowhere.
    Rejects,
    /// All records of it were rejected: it may be another log, or flags may be wrong.
    NoEvents,
    /// An earlier run processed it for another destination, or one that was emptied since.
    Output,
    /// It was deleted, but an empty directory above it could not be.
    Above,
}

impl Stay {
    /// Returns the message.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Changed => "it has changed",
            Self::Rejects => "some of its records were rejected and stored nowhere else",
            Self::NoEvents => "all records of it were rejected",
            Self::Output => "the output of an earlier run is not at --to",
            Self::Above => "it was deleted, but its empty parent directory was not",
        }
    }
}

/// A source that is done.
pub(super) struct Source {
    pub(super) listed: Listed,
    pub(super) entry: Entry,
    /// Whether an earlier run did it: what that made is looked for.
    pub(super) is_earlier: bool,
}

/// Returns the ledger entries of sources that an earlier run processed. A source without an entry is omitted, because
/// somebody had it forgotten to be read again.
pub(super) async fn recall(ledger: &Ledger, root: &str, known: Vec<Listed>) -> Result<Vec<Source>, Error> {
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let url = |listed: &Listed| format!("{root}{}", listed.name);
    let mut entries = ledger.recall(known.iter().map(url).collect()).await?;
    let known = known.into_iter().filter_map(|listed| {
        let entry = entries.remove(&url(&listed)).filter(|entry| entry.tag == listed.tag)?;
        Some(Source { listed, entry, is_earlier: true })
    });
    Ok(known.collect())
}

/// Removes sources, so many at once, and tells the report what became of each. Returns entries to mark: those of local
/// files that are gone, without their contents.
pub(super) async fn remove_all(
    job: &Job,
    report: &mut Report,
    sources: impl Iterator<Item = Source>,
) -> Vec<Entry> {
    let removed: Vec<_> = futures::stream::iter(sources)
        .map(|source| async move { (remove(job, &source).await, source) })
        .buffer_unordered(job.options.concurrency.max(1))
        .collect()
        .await;
    let mut gone = Vec::new();
    for (removed, Source { listed, entry, .. }) in removed {
        let object = job.from.location().url(&listed.name);
        match removed {
            Ok(None) => {
                report.deleted += 1;
                if entry.content.is_some() {
                    gone.push(Entry { content: None, ..entry });
                }
            }
            Ok(Some(stay)) => report.stay(&object, stay),
            Err(error) => {
                tracing::warn!(object, %error, "not removed");
                report.leave(&object, &error.to_string());
            }
        }
    }
    gone
}

/// Removes a source, or says why it stays.
async fn remove(job: &Job, source: &Source) -> Result<Option<Stay>, store::Error> {
    let Source { listed, entry, is_earlier } = source;
    if *is_earlier && let Some(stay) = lacks(job, listed, entry).await? {
        return Ok(Some(stay));
    }
    if let Some(content) = &entry.content {
        if !is_unchanged(job, listed, content).await? {
            return Ok(Some(Stay::Changed));
        }
        // A file that comes later is not this one by another name.
        if let Some(contents) = &job.contents {
            contents.remove(content, &listed.name);
        }
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

/// Whether nothing of a source became an event. It is then kept though rejects hold its records: a wrong source, or wrong
/// flags, must not cost the originals.
pub(super) fn all_rejected(entry: &Entry) -> bool {
    entry.rejects > 0 && entry.events == 0
}

/// Whether a local file is still what was read, by its bytes: times can be set, and have a resolution.
async fn is_unchanged(job: &Job, listed: &Listed, content: &Content) -> Result<bool, store::Error> {
    let mut file = match job.from.get(&listed.name).await {
        Ok(Fetched { body: Body::File(file), .. }) => file,
        Ok(_) | Err(store::Error::NotFound { .. }) => return Ok(false),
        Err(error) => return Err(error),
    };
    let (url, content) = (job.from.location().url(&listed.name), content.clone());
    let read = tokio::task::spawn_blocking(move || is_all_of(&mut file, &content)).await;
    read.unwrap_or_else(|died| Err(io::Error::other(died))).map_err(|error| store::Error::io(url, &error))
}

/// Whether all that the parts of a local file became is there.
async fn lacks_parts(job: &Job, entry: &Entry) -> Result<Option<Stay>, store::Error> {
    for OutputPart { stem, events, rejects, streamed } in &entry.parts {
        let stands = match &job.to {
            _ if *events == 0 => true,
            Some(to) => !streamed && to.exists(&format!("{stem}{}", name::EVENTS)).await?,
            None => *streamed,
        };
        if !stands {
            return Ok(Some(Stay::Output));
        }
        let kept = match &job.rejects {
            _ if *rejects == 0 => true,
            Some(place) => place.exists(&format!("{stem}{}", name::REJECTS)).await?,
            None => false,
        };
        if !kept {
            return Ok(Some(Stay::Rejects));
        }
    }
    Ok(all_rejected(entry).then_some(Stay::NoEvents))
}

async fn lacks(job: &Job, listed: &Listed, entry: &Entry) -> Result<Option<Stay>, store::Error> {
    if !entry.parts.is_empty() {
        return lacks_parts(job, entry).await;
    }
    let stands = match &job.to {
        Some(to) if !entry.output.is_empty() => to.exists(&entry.output).await?,
        // Its events, if there were any, went to a stream.
        Some(_) => entry.events == 0,
        None => entry.output.is_empty(),
    };
    if !stands {
        return Ok(Some(Stay::Output));
    }
    if all_rejected(entry) {
        return Ok(Some(Stay::NoEvents));
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

/// Warns about sources that were kept, and says what to do.
pub(super) fn say_what_stays(report: &Report, observer: &dyn Observer) {
    if report.all_rejected > 0 {
        observer.warned(&format!(
            "{} sources stay: {}; check whether they are operation logs (--include, --exclude), and remove them yourself \
             if they are not wanted",
            report.all_rejected,
            Stay::NoEvents.reason()
        ));
    }
    if report.unfinished > 0 {
        observer.warned(&format!(
            "{} files end in a line without an end; it is read once it has one, or once they are not written to any more",
            report.unfinished
        ));
    }
    let again = "have them read again with zoom-udm ledger forget";
    for (count, stay, cure) in [
        (report.without_rejects, Stay::Rejects, "with --rejects URL"),
        (report.without_output, Stay::Output, "or name the --to of that run"),
    ] {
        if count > 0 {
            observer.warned(&format!("{count} sources kept: {}; {again}, {cure}", stay.reason()));
        }
    }
}
