//! Sends events to standard output, whole lines only.

use super::context::IngestContext;
use super::convert::{ConvertError, Converted};
use super::options::Destination;
use crate::store::Payload;
use std::io::{self, BufRead};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Sends the events to the stream, if that is the destination.
pub(super) async fn send_events(
    ctx: &IngestContext,
    mut converted: Converted,
) -> Result<Converted, ConvertError> {
    let Destination::Stream(stream) = &ctx.options.to else { return Ok(converted) };
    let Some(events) = converted.events.take() else { return Ok(converted) };
    let (stream, stop) = (Arc::clone(stream), Arc::clone(&ctx.options.normalize.stop));
    let send = move || {
        let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = match events {
            Payload::Bytes(bytes) => send_lines(&bytes[..], &mut *stream, &stop),
            Payload::File(file, _) => {
                send_lines(io::BufReader::with_capacity(CHUNK, file), &mut *stream, &stop)
            }
        };
        if whole.map_err(ConvertError::Output)? { Ok(()) } else { Err(ConvertError::Stopped) }
    };
    let outcome = tokio::task::spawn_blocking(send).await;
    outcome.unwrap_or_else(|died| Err(ConvertError::Output(io::Error::other(died)))).map(|()| converted)
}

/// Bytes that are sent between checks for a stop.
const CHUNK: usize = 64 << 10;

/// Sends lines; after a stop, up to the end of a line. Returns whether everything was sent.
fn send_lines(
    mut events: impl BufRead,
    stream: &mut (dyn io::Write + Send),
    stop: &AtomicBool,
) -> io::Result<bool> {
    let mut within = false;
    loop {
        let buffer = events.fill_buf()?;
        let stopped = stop.load(Ordering::Relaxed);
        if buffer.is_empty() || (stopped && !within) {
            let whole = buffer.is_empty();
            return stream.flush().map(|()| whole);
        }
        let mut piece = &buffer[..buffer.len().min(CHUNK)];
        let end = if stopped { memchr::memchr(b'\n', piece) } else { None };
        piece = end.map_or(piece, |end| &piece[..=end]);
        stream.write_all(piece)?;
        within = !piece.ends_with(b"\n");
        let length = piece.len();
        events.consume(length);
    }
}

/// Waits briefly for the current line to be sent completely; the reader may have stopped reading.
pub(super) async fn wait_for_line_end(ctx: &IngestContext) {
    let Destination::Stream(stream) = &ctx.options.to else { return };
    let stream = Arc::clone(stream);
    let free = tokio::task::spawn_blocking(move || drop(stream.lock()));
    let _ = tokio::time::timeout(LINE_END_TIMEOUT, free).await;
}

/// How long to wait for that.
const LINE_END_TIMEOUT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::{CHUNK, send_lines};
    use std::io::{self, Write};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A writer that requests a stop after this many bytes.
    struct Enough<'s>(Vec<u8>, usize, &'s AtomicBool);

    impl Write for Enough<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.extend_from_slice(bytes);
            self.2.fetch_or(self.0.len() >= self.1, Ordering::Relaxed);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn stopped_stream_ends_at_a_line_end() {
        let text = format!("{}\n{}\nlast\n", "a".repeat(100), "b".repeat(3 * CHUNK));
        for (enough, lines) in [(1, 2), (CHUNK + 1, 2), (2 * CHUNK, 2), (text.len() + 1, 3)] {
            let stop = AtomicBool::new(false);
            let mut to = Enough(Vec::new(), enough, &stop);
            let whole = send_lines(text.as_bytes(), &mut to, &stop).unwrap();
            let poured = String::from_utf8(to.0).unwrap();
            assert!(poured.ends_with('\n') && text.starts_with(&poured), "{enough}");
            assert_eq!((poured.lines().count(), whole), (lines, lines == 3), "{enough}");
        }
        let mut none = Vec::new();
        assert!(!send_lines(text.as_bytes(), &mut none, &AtomicBool::new(true)).unwrap() && none.is_empty());
    }
}
