//! Transfers one object: fetch, convert, upload. Nothing becomes visible before the whole object is known to be valid.

use super::context::IngestContext;
use super::convert::{ConvertError, ConvertOptions, Converted, convert_on_thread};
use super::filter::Selected;
use super::local_file::{self, LocalFile};
use super::outcome::Outcome;
use super::output_stream::send_events;
use super::source_reader::source_reader;
use super::upload::upload;
use crate::progress::Skip;
use crate::store::{self, Body, GetResult, read_to_end};
use std::io::{self, Read};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Objects up to this size are fetched whole before a thread converts them, so that threads never wait for the network
/// and all objects in flight have open requests. Larger ones are streamed, a few at a time.
const FETCH_WHOLE: u64 = 4 << 20;

/// Takes one object from its source to its destination. One that did not arrive as it is stored is read again: it has
/// no outputs yet, because only the end of its bytes shows whether they are right.
pub(super) async fn transfer(ctx: &Arc<IngestContext>, object: &Selected) -> Outcome {
    let attempt = || attempt(ctx, object);
    let tried = ctx.options.retry.retry(attempt, store::Error::is_corrupt).await;
    let url = ctx.from.location().url(&object.listed.name);
    tried.unwrap_or_else(|error| Outcome::not_fetched(&url, &object.listed, error))
}

async fn attempt(ctx: &Arc<IngestContext>, object: &Selected) -> Result<Outcome, store::Error> {
    let listed = &object.listed;
    let GetResult { generation, size, modified, body } = ctx.from.get(&listed.name).await?;
    let options = ctx.convert_options(modified);
    let url = ctx.from.location().url(&listed.name);
    // The answer's own length says nothing if a proxy made it. A local file may have grown since.
    if matches!(body, Body::Stream(_)) && size != listed.size {
        let now = ctx.from.head(&listed.name).await?.map_or(size, |now| now.size);
        if now != size {
            return Err(store::Error::Corrupt { url, message: format!("received {size} of {now} bytes") });
        }
    }
    let converted = match body {
        Body::File(file) => {
            let opened = LocalFile { file, tag: generation, size, modified };
            return Ok(local_file::transfer(ctx, object, opened, options).await);
        }
        Body::Stream(stream) if size <= FETCH_WHOLE => {
            let bytes = read_to_end(stream).await?;
            if object.class.is_collector_state(&bytes) {
                Err(ConvertError::CollectorState)
            } else {
                convert(ctx, url.clone(), io::Cursor::new(bytes), options, &ctx.threads).await
            }
        }
        Body::Stream(stream) => {
            let source = source_reader(stream, url.clone());
            convert(ctx, url.clone(), source, options, &ctx.streams).await
        }
    };
    Ok(match converted {
        Ok(converted) => upload(ctx, listed, generation, size, converted, None).await,
        Err(ConvertError::Fetch(error)) => return Err(error),
        Err(error) => Outcome::not_converted(&url, listed, generation, error),
    })
}

/// Converts an object, and sends its events if the destination is a stream.
async fn convert(
    ctx: &IngestContext,
    name: String,
    source: impl Read + Send + 'static,
    options: ConvertOptions,
    room: &Semaphore,
) -> Result<Converted, ConvertError> {
    // The semaphore is never closed. Held until the events are sent, because they take the memory.
    let _room = room.acquire().await;
    let converted = convert_on_thread(name, source, options).await?;
    send_events(ctx, converted).await
}

/// In a dry run: checks whether an object is a log.
pub(super) async fn probe(ctx: &IngestContext, object: &Selected) -> Outcome {
    let url = ctx.from.location().url(&object.listed.name);
    match ctx.from.read(&object.listed.name).await {
        Ok(Some((bytes, _))) if object.class.is_collector_state(&bytes) => {
            Outcome::Skipped(Skip::CollectorState)
        }
        Ok(Some(_)) => Outcome::Selected,
        Ok(None) => Outcome::Skipped(Skip::Gone),
        Err(error) => Outcome::not_fetched(&url, &object.listed, error),
    }
}
