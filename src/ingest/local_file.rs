//! One local file on its way: found done by its content, or read from where it is done.

use super::content_id::{ContentId, HashedPart, Prefix, longest_done_prefix};
use super::convert::{ConvertError, ConvertOptions, Failure};
use super::extent::{Extent, extent};
use super::filter::{Skip, is_collector_state, may_be_collector_state};
use super::output_name;
use super::transfer::{IngestContext, Outcome, not_converted, on_thread, stream_events, upload};
use crate::store::{self, Location, ObjectMeta};
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

/// What was done of a local file before: a content, and the name of the file that had it.
pub(super) struct DonePart {
    pub(super) content: ContentId,
    pub(super) name: String,
}

/// What was read of a local file.
pub(super) struct ReadPart {
    /// All of the file up to the end of the part.
    pub(super) content: ContentId,
    /// What was done before.
    pub(super) base: Option<DonePart>,
    /// What names of its outputs begin with.
    pub(super) stem: String,
    /// What was left of the file.
    pub(super) rest: Remainder,
}

/// What was left of a local file that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remainder {
    None,
    /// A line that has no end yet.
    UnfinishedLine,
    /// What a killed run had not read.
    More,
}

/// What to do about a file.
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
    part: HashedPart,
    start: u64,
    /// How many unpacked bytes from there are done.
    skip: u64,
    base: Option<DonePart>,
    /// The stem that a killed run gave its outputs.
    stem: Option<String>,
    rest: Remainder,
}

/// Takes a file to the destination, or what of it is not done.
pub(super) async fn transfer(
    job: &Arc<IngestContext>,
    listed: &ObjectMeta,
    opened: LocalFile,
    recipe: ConvertOptions,
) -> Outcome {
    // The semaphore is never closed. Held until the events are sent, because they take the memory.
    let _room = job.threads.acquire().await;
    match read(job, listed, opened, recipe).await {
        Ok(outcome) => outcome,
        Err(trouble) => not_converted(listed, String::new(), trouble),
    }
}

async fn read(
    job: &Arc<IngestContext>,
    listed: &ObjectMeta,
    opened: LocalFile,
    recipe: ConvertOptions,
) -> Result<Outcome, ConvertError> {
    let (tag, size) = (opened.tag.clone(), opened.size);
    let PartReader { part, start, skip, base, stem, rest } = match open_and_plan(job, listed, opened).await? {
        Plan::Skip(skip) => return Ok(Outcome::Skipped(skip)),
        Plan::Known { base, rest } => return Ok(Outcome::Known { base, rest }),
        Plan::Read(reading) => *reading,
    };
    let url = job.from.location().url(&listed.name);
    // Positions in rejects count from the beginning of the part.
    let name = match (start, skip) {
        (0, 0) => url.clone(),
        (_, 0) => format!("{url} (from byte {start})"),
        _ => format!("{url} (from byte {start}, unpacked byte {skip} after it)"),
    };
    let recipe = ConvertOptions { skip, ..recipe };
    let failed = |error: &io::Error| ConvertError::Fetch(store::Error::io(&*url, error));
    let part = Arc::new(Mutex::new(Some(part)));
    let source = Shared { part: Arc::clone(&part), url: url.clone(), failure: Failure::default() };
    let failure = Arc::clone(&source.failure);
    let converted = on_thread(name, recipe, (source, failure)).await?;
    let part = part.lock().unwrap_or_else(PoisonError::into_inner).take();
    let finished = tokio::task::spawn_blocking(move || part.map(HashedPart::finish).transpose()).await;
    let content =
        finished.unwrap_or_else(|died| Err(io::Error::other(died))).map_err(|error| failed(&error))?;
    // A file that is written to while it is read is read again once it rests. Nothing of it is put or poured before.
    match job.from.head(&listed.name).await {
        Ok(Some(now)) if now.tag == tag => {}
        Ok(_) => return Err(ConvertError::Changed),
        Err(error) => return Err(ConvertError::Fetch(error)),
    }
    let Some(content) = content else { return Err(ConvertError::Changed) };
    let converted = stream_events(job, converted).await?;
    let generation = content.sha256.clone();
    let stem = stem.unwrap_or_else(|| output_name::content_stem(&listed.name, &content));
    if rest == Remainder::More
        && let Some(contents) = &job.contents
    {
        contents.insert(&content, &listed.name);
    }
    let part = ReadPart { content, base, stem, rest };
    Ok(upload(job, listed, generation, size, converted, Some(part)).await)
}

async fn open_and_plan(
    job: &Arc<IngestContext>,
    listed: &ObjectMeta,
    opened: LocalFile,
) -> Result<Plan, ConvertError> {
    let url = job.from.location().url(&listed.name);
    let settled = job.options.settle.is_settled(opened.modified, job.options.clock.now());
    let (name, may_be_state) = (listed.name.clone(), may_be_collector_state(listed));
    let (job, format) = (Arc::clone(job), job.options.normalize.format);
    let LocalFile { mut file, size, .. } = opened;
    let plan = move || -> io::Result<Plan> {
        if may_be_state {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            if is_collector_state(&name, &bytes) {
                return Ok(Plan::Skip(Skip::CollectorState));
            }
            file.rewind()?;
        }
        plan(&job, (file, size), &name, &|file, done| extent(file, size, done, format, settled))
    };
    let planned = tokio::task::spawn_blocking(plan).await.unwrap_or_else(|died| Err(io::Error::other(died)));
    planned.map_err(|error| ConvertError::Fetch(store::Error::io(url, &error)))
}

fn plan(
    job: &IngestContext,
    (mut file, size): (File, u64),
    name: &str,
    extent: &dyn Fn(&mut File, u64) -> io::Result<Extent>,
) -> io::Result<Plan> {
    let (done, head) = match (&job.contents, &job.options.from) {
        (Some(contents), Location::File(root)) => longest_done_prefix(&mut file, size, contents, name, root)?,
        _ => (None, 0),
    };
    let length = done.as_ref().map_or(0, |done| done.content.length);
    let Extent { start, skip, end, unfinished } = if length == size && done.is_some() {
        Extent { start: size, skip: 0, end: size, unfinished: false }
    } else {
        extent(&mut file, length)?
    };
    // What does not go on where it is done is another version: all of it.
    let done = done.filter(|_| start > 0 || skip > 0 || size == 0);
    let killed =
        job.recovered.get().map(|killed| killed.next_part_end(&mut file, done.as_ref(), size)).transpose()?;
    let (end, stem, rest) = match killed.flatten() {
        Some((end, stem)) => (end, Some(stem), if end < size { Remainder::More } else { Remainder::None }),
        None => (end, None, if unfinished { Remainder::UnfinishedLine } else { Remainder::None }),
    };
    let base = done
        .as_ref()
        .map(|Prefix { content, origin, .. }| DonePart { content: content.clone(), name: origin.clone() });
    if let (Some(base), Some(contents)) = (&base, &job.contents)
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
            let part = HashedPart::new(file, done, head, start, end)?;
            Ok(Plan::Read(Box::new(PartReader { part, start, skip, base, stem, rest })))
        }
    }
}

/// A part that is read on another thread, and taken back after that.
struct Shared {
    part: Arc<Mutex<Option<HashedPart>>>,
    url: String,
    failure: Failure,
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut part = self.part.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(part) = &mut *part else { return Ok(0) };
        part.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => super::source_reader::noted(&self.failure, store::Error::io(&*self.url, &error)),
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::{Failure, HashedPart, Shared};
    use std::io::Read as _;
    use std::sync::{Arc, Mutex};

    #[test]
    fn unreadable_file_is_a_fetch_failure() {
        // A directory can be opened, but not read.
        let directory = std::fs::File::open(env!("CARGO_MANIFEST_DIR")).unwrap();
        let part = HashedPart::new(directory, None, 0, 0, 8).unwrap();
        let failure = Failure::default();
        let part = Arc::new(Mutex::new(Some(part)));
        let mut reader = Shared { part, url: "file:///x".into(), failure: Arc::clone(&failure) };
        assert!(reader.read(&mut [0; 8]).is_err());
        assert!(failure.lock().unwrap().take().unwrap().to_string().starts_with("file:///x: "));
    }
}
