//! Transfers one local file: finds it done by its content, or reads what is not done.

use super::content_id::{HashingReader, ProcessedPrefix, longest_done_prefix};
use super::context::IngestContext;
use super::convert::{ConvertError, ConvertOptions, convert_on_thread};
use super::filter::Selected;
use super::growing_file::extent;
use super::outcome::{DonePart, Outcome, ReadPart, Remainder};
use super::output_name;
use super::output_stream::send_events;
use super::read_range::ReadRange;
use super::upload::upload;
use crate::progress::Skip;
use crate::store::{self, Location};
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::sync::{Arc, Mutex, PoisonError};

/// An open file, as it was when it was opened.
pub(super) struct LocalFile {
    pub(super) file: File,
    /// The version as a listing shows it.
    pub(super) tag: String,
    pub(super) size: u64,
    pub(super) modified: i64,
}

/// How to process a file.
enum Plan {
    Skip(Skip),
    /// All there is to read of it is done.
    Known {
        base: DonePart,
        rest: Remainder,
    },
    Read(Box<PartReader>),
}

/// A part of a file that is to be read.
struct PartReader {
    part: HashingReader,
    start: u64,
    /// How many unpacked bytes from there are done.
    skip: u64,
    base: Option<DonePart>,
    /// The stem that a killed run gave its outputs.
    stem: Option<String>,
    rest: Remainder,
}

/// Takes the part of a file that is not done to the destination.
pub(super) async fn transfer(
    ctx: &Arc<IngestContext>,
    object: &Selected,
    opened: LocalFile,
    options: ConvertOptions,
) -> Outcome {
    // The semaphore is never closed. Held until the events are sent, because they take the memory.
    let _room = ctx.threads.acquire().await;
    match read(ctx, object, opened, options).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let url = ctx.from.location().url(&object.listed.name);
            Outcome::not_converted(&url, &object.listed, String::new(), error)
        }
    }
}

async fn read(
    ctx: &Arc<IngestContext>,
    object: &Selected,
    opened: LocalFile,
    options: ConvertOptions,
) -> Result<Outcome, ConvertError> {
    let (listed, tag, size) = (&object.listed, opened.tag.clone(), opened.size);
    let PartReader { part, start, skip, base, stem, rest } = match open_and_plan(ctx, object, opened).await? {
        Plan::Skip(skip) => return Ok(Outcome::Skipped(skip)),
        Plan::Known { base, rest } => return Ok(Outcome::Known { base, rest }),
        Plan::Read(reading) => *reading,
    };
    let url = ctx.from.location().url(&listed.name);
    // Positions in rejects count from the beginning of the part.
    let name = match (start, skip) {
        (0, 0) => url.clone(),
        (_, 0) => format!("{url} (from byte {start})"),
        _ => format!("{url} (from byte {start}, unpacked byte {skip} after it)"),
    };
    let options = ConvertOptions { skip, ..options };
    let failed = |error: io::Error| ConvertError::Fetch(store::Error::io(&*url, error));
    let part = Arc::new(Mutex::new(Some(part)));
    let source = SharedPart { part: Arc::clone(&part), url: url.clone() };
    let converted = convert_on_thread(name, source, options).await?;
    let part = part.lock().unwrap_or_else(PoisonError::into_inner).take();
    let finished = tokio::task::spawn_blocking(move || part.map(HashingReader::finish).transpose()).await;
    let content = finished.unwrap_or_else(|died| Err(io::Error::other(died))).map_err(failed)?;
    // A file that is written to while it is read is read again once it is stable. Nothing of it is uploaded before.
    match ctx.from.head(&listed.name).await {
        Ok(Some(now)) if now.tag == tag => {}
        Ok(_) => return Err(ConvertError::Changed),
        Err(error) => return Err(ConvertError::Fetch(error)),
    }
    let Some(content) = content else { return Err(ConvertError::Changed) };
    let converted = send_events(ctx, converted).await?;
    let generation = content.sha256.clone();
    let stem = stem.unwrap_or_else(|| output_name::content_stem(&listed.name, &content));
    if rest == Remainder::More
        && let Some(contents) = &ctx.contents
    {
        contents.insert(&content, &listed.name);
    }
    let part = ReadPart { content, base, stem, rest };
    Ok(upload(ctx, listed, generation, size, converted, Some(part)).await)
}

async fn open_and_plan(
    ctx: &Arc<IngestContext>,
    object: &Selected,
    opened: LocalFile,
) -> Result<Plan, ConvertError> {
    let (listed, class) = (&object.listed, object.class);
    let url = ctx.from.location().url(&listed.name);
    let settled = ctx.options.settle.is_settled(opened.modified, ctx.options.clock.now());
    let (ctx, name, format) = (Arc::clone(ctx), listed.name.clone(), ctx.options.normalize.format);
    let LocalFile { mut file, size, .. } = opened;
    let plan = move || -> io::Result<Plan> {
        if class.needs_content() {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            if class.is_collector_state(&bytes) {
                return Ok(Plan::Skip(Skip::CollectorState));
            }
            file.rewind()?;
        }
        plan(&ctx, (file, size), &name, &|file, done| extent(file, size, done, format, settled))
    };
    let planned = tokio::task::spawn_blocking(plan).await.unwrap_or_else(|died| Err(io::Error::other(died)));
    planned.map_err(|error| ConvertError::Fetch(store::Error::io(url, error)))
}

fn plan(
    ctx: &IngestContext,
    (mut file, size): (File, u64),
    name: &str,
    extent: &dyn Fn(&mut File, u64) -> io::Result<ReadRange>,
) -> io::Result<Plan> {
    let (done, head) = match (&ctx.contents, &ctx.options.from) {
        (Some(contents), Location::File(root)) => longest_done_prefix(&mut file, size, contents, name, root)?,
        _ => (None, 0),
    };
    let length = done.as_ref().map_or(0, |done| done.content.length);
    let ReadRange { start, skip, end, unfinished } = if length == size && done.is_some() {
        ReadRange { start: size, skip: 0, end: size, unfinished: false }
    } else {
        extent(&mut file, length)?
    };
    // A file that does not continue what is done is another version: all of it is read.
    let done = done.filter(|_| start > 0 || skip > 0 || size == 0);
    let killed =
        ctx.recovered.get().map(|killed| killed.next_part_end(&mut file, done.as_ref(), size)).transpose()?;
    let (end, stem, rest) = match killed.flatten() {
        Some((end, stem)) => (end, Some(stem), if end < size { Remainder::More } else { Remainder::None }),
        None => (end, None, if unfinished { Remainder::UnfinishedLine } else { Remainder::None }),
    };
    let base = done.as_ref().map(|ProcessedPrefix { content, origin, .. }| DonePart {
        content: content.clone(),
        name: origin.clone(),
    });
    if let (Some(base), Some(contents)) = (&base, &ctx.contents)
        && base.name != name
    {
        // The file has this name now: no other is taken for it.
        contents.remove(&base.content, &base.name);
        contents.insert(&base.content, name);
    }
    match base {
        Some(base) if end <= base.content.length => Ok(Plan::Known { base, rest }),
        None if end == 0 && unfinished => Ok(Plan::Skip(Skip::Settling)),
        base => {
            let part = HashingReader::new(file, done, head, start, end)?;
            Ok(Plan::Read(Box::new(PartReader { part, start, skip, base, stem, rest })))
        }
    }
}

/// A part that is read on another thread, and taken back after that.
struct SharedPart {
    part: Arc<Mutex<Option<HashingReader>>>,
    url: String,
}

impl Read for SharedPart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut part = self.part.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(part) = &mut *part else { return Ok(0) };
        part.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => io::Error::other(store::Error::io(&*self.url, error)),
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::{HashingReader, SharedPart};
    use crate::store::Error;
    use std::io::Read as _;
    use std::sync::{Arc, Mutex};

    #[test]
    fn unreadable_file_is_a_fetch_failure() {
        // A directory can be opened, but not read.
        let directory = std::fs::File::open(env!("CARGO_MANIFEST_DIR")).unwrap();
        let part = HashingReader::new(directory, None, 0, 0, 8).unwrap();
        let mut reader = SharedPart { part: Arc::new(Mutex::new(Some(part))), url: "file:///x".into() };
        let error = reader.read(&mut [0; 8]).unwrap_err().downcast::<Error>().unwrap();
        assert!(error.to_string().starts_with("file:///x: "), "{error}");
    }
}
