//! Deletes processed sources, if all of their outputs are stored.

use super::content_id::{ContentId, matches_file};
use super::context::IngestContext;
use super::ledger::{Entry, FilePart, Ledger};
use super::options::Delete;
use super::output_name;
use super::report::{KeepReason, Report};
use crate::error::RunError;
use crate::progress::Observer;
use crate::store::{self, Body, GetResult, Location, ObjectMeta};
use futures::StreamExt as _;
use std::io;

/// A source that is done.
pub(super) struct Source {
    pub(super) listed: ObjectMeta,
    pub(super) entry: Entry,
    /// Whether an earlier run did it: what that made is looked for.
    pub(super) is_earlier: bool,
}

/// Returns the ledger entries of sources that an earlier run processed. A source without an entry is omitted, because
/// `ledger forget` removed it, so that the source is read again.
pub(super) async fn fetch_entries(
    ledger: &Ledger,
    from: &Location,
    known: Vec<ObjectMeta>,
) -> Result<Vec<Source>, RunError> {
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let url = |listed: &ObjectMeta| from.url(&listed.name);
    let mut entries = ledger.fetch_entries(known.iter().map(url).collect()).await?;
    let known = known.into_iter().filter_map(|listed| {
        let entry = entries.remove(&url(&listed)).filter(|entry| entry.tag == listed.tag)?;
        Some(Source { listed, entry, is_earlier: true })
    });
    Ok(known.collect())
}

/// Removes sources, so many at once, and tells the report what became of each. Returns entries to mark: those of local
/// files that are gone, without their contents.
pub(super) async fn delete_sources(
    ctx: &IngestContext,
    report: &mut Report,
    sources: impl Iterator<Item = Source>,
) -> Vec<Entry> {
    let removed: Vec<_> = futures::stream::iter(sources)
        .map(|source| async move { (remove(ctx, &source).await, source) })
        .buffer_unordered(ctx.options.concurrency.max(1))
        .collect()
        .await;
    let mut gone = Vec::new();
    for (removed, Source { listed, entry, .. }) in removed {
        let object = ctx.from.location().url(&listed.name);
        match removed {
            Ok(None) => {
                report.deleted += 1;
                if entry.content.is_some() {
                    gone.push(Entry { content: None, ..entry });
                }
            }
            Ok(Some(reason)) => report.record_kept(&object, reason),
            Err(error) => {
                tracing::warn!(object, %error, "not removed");
                report.record_undeleted(&object, &error.to_string());
            }
        }
    }
    gone
}

/// Deletes a source; returns why it is kept, if it is.
async fn remove(ctx: &IngestContext, source: &Source) -> Result<Option<KeepReason>, store::Error> {
    let Source { listed, entry, is_earlier } = source;
    if entry.rules < Entry::RULES {
        return Ok(Some(KeepReason::OldRules));
    }
    if *is_earlier && let Some(reason) = missing_output(ctx, listed, entry).await? {
        return Ok(Some(reason));
    }
    if let Some(content) = &entry.content {
        if !is_unchanged(ctx, listed, content).await? {
            return Ok(Some(KeepReason::Changed));
        }
        // A file that appears later is not this one under another name.
        if let Some(contents) = &ctx.contents {
            contents.remove(content, &listed.name);
        }
    }
    if !ctx.from.delete_version(listed).await? {
        return Ok(Some(KeepReason::Changed));
    }
    if ctx.options.delete == Delete::TransferredAndEmptyDirs
        && let Err(error) = ctx.from.prune_empty_parents(&listed.name).await
    {
        let object = ctx.from.location().url(&listed.name);
        tracing::warn!(object, %error, "empty parent directories were not removed");
        return Ok(Some(KeepReason::Above));
    }
    Ok(None)
}

/// Returns whether nothing of a source became an event. It is then kept though rejects hold its records: a wrong source, or wrong
/// flags, must not cost the originals.
pub(super) fn all_rejected(entry: &Entry) -> bool {
    entry.rejects > 0 && entry.events == 0
}

/// Returns whether a local file is still what was read, by its bytes: times can be set, and have a resolution.
async fn is_unchanged(
    ctx: &IngestContext,
    listed: &ObjectMeta,
    content: &ContentId,
) -> Result<bool, store::Error> {
    let mut file = match ctx.from.get(&listed.name).await {
        Ok(GetResult { body: Body::File(file), .. }) => file,
        Ok(_) | Err(store::Error::NotFound { .. }) => return Ok(false),
        Err(error) => return Err(error),
    };
    let (url, content) = (ctx.from.location().url(&listed.name), content.clone());
    let read = tokio::task::spawn_blocking(move || matches_file(&mut file, &content)).await;
    read.unwrap_or_else(|died| Err(io::Error::other(died))).map_err(|error| store::Error::io(url, error))
}

/// Returns which outputs of the parts of a local file are missing.
async fn missing_parts(ctx: &IngestContext, entry: &Entry) -> Result<Option<KeepReason>, store::Error> {
    for FilePart { stem, events, rejects, streamed } in &entry.parts {
        let exists = match &ctx.to {
            _ if *events == 0 => true,
            Some(to) => !streamed && to.exists(&format!("{stem}{}", output_name::EVENTS)).await?,
            None => *streamed,
        };
        if !exists {
            return Ok(Some(KeepReason::Output));
        }
        let kept = match &ctx.rejects {
            _ if *rejects == 0 => true,
            Some(store) => store.exists(&format!("{stem}{}", output_name::REJECTS)).await?,
            None => false,
        };
        if !kept {
            return Ok(Some(KeepReason::Rejects));
        }
    }
    Ok(all_rejected(entry).then_some(KeepReason::NoEvents))
}

async fn missing_output(
    ctx: &IngestContext,
    listed: &ObjectMeta,
    entry: &Entry,
) -> Result<Option<KeepReason>, store::Error> {
    if !entry.parts.is_empty() {
        return missing_parts(ctx, entry).await;
    }
    let exists = match &ctx.to {
        Some(to) if !entry.output.is_empty() => to.exists(&entry.output).await?,
        // Its events, if there were any, went to a stream.
        Some(_) => entry.events == 0,
        None => entry.output.is_empty(),
    };
    if !exists {
        return Ok(Some(KeepReason::Output));
    }
    if all_rejected(entry) {
        return Ok(Some(KeepReason::NoEvents));
    }
    let kept = match &ctx.rejects {
        _ if entry.rejects == 0 => true,
        Some(store) => {
            let stem = match entry.output.strip_suffix(output_name::EVENTS) {
                Some(stem) => stem.to_owned(),
                None => output_name::stem(&listed.name, &entry.generation),
            };
            store.exists(&format!("{stem}{}", output_name::REJECTS)).await?
        }
        None => false,
    };
    Ok((!kept).then_some(KeepReason::Rejects))
}

/// Warns about sources that were kept, with what to do.
pub(super) fn warn_undeleted(report: &Report, observer: &dyn Observer) {
    if report.all_rejected > 0 {
        observer.warn(&format!(
            "{} sources kept: {}; check that they contain Zoom records, and delete unwanted ones yourself or filter them with --include or --exclude",
            report.all_rejected,
            KeepReason::NoEvents.message()
        ));
    }
    if report.unfinished > 0 {
        observer.warn(&format!(
            "{} files end in an incomplete line; it is read when it is complete or the file stops changing",
            report.unfinished
        ));
    }
    let again = "re-read them with zoom-udm ledger forget";
    for (count, reason, hint) in [
        (report.without_rejects, KeepReason::Rejects, "with --rejects URL"),
        (report.without_output, KeepReason::Output, "or name the --to of that run"),
        (report.old_rules, KeepReason::OldRules, "or delete them yourself"),
    ] {
        if count > 0 {
            observer.warn(&format!("{count} sources kept: {}; {again}, {hint}", reason.message()));
        }
    }
}
