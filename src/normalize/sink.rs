//! The receiver of events and rejects.

use super::reject_file::Reject;
use std::io;

/// Receives events and rejects. Called by one thread at a time, in input order.
///
/// A sink of your own receives both as they are produced:
///
/// ```
/// use std::io::{self, Write};
/// use zoom_udm::normalize::{self, Input, Reject, RejectWriter, Sink};
///
/// struct Files<E, R> {
///     events: E,
///     rejects: RejectWriter<R>,
/// }
///
/// impl<E: Write + Send, R: Write + Send> Sink for Files<E, R> {
///     fn events(&mut self, events: &[u8]) -> io::Result<()> {
///         self.events.write_all(events)
///     }
///     fn reject(&mut self, reject: &Reject<'_>) -> io::Result<()> {
///         self.rejects.write(reject)
///     }
/// }
///
/// let mut files = Files { events: Vec::new(), rejects: RejectWriter::new(Vec::new()) };
/// let input = Input::new("two lines", &b"{\"time\":\"2024-01-31T23:59:59Z\",\"action\":\"Add\"}\nno record\n"[..]);
/// let summary = normalize::run(std::iter::once(input), &Default::default(), &mut files)?;
/// assert_eq!((summary.events, summary.rejects), (1, 1));
/// let rejects = String::from_utf8(files.rejects.finish()?)?;
/// assert!(rejects.starts_with(r#"{"input":"two lines","line":2,"offset":47,"reason":"not_json""#));
/// assert!(rejects.ends_with("\"raw\":\"no record\"}\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Sink: Send {
    /// Receives events, each with its newline. An event over 1 MiB may arrive in parts, in consecutive calls; only the
    /// last part ends in a newline.
    ///
    /// # Errors
    /// An error ends the run as [`Error::Output`](super::Error::Output).
    fn events(&mut self, events: &[u8]) -> io::Result<()>;

    /// Receives one reject, or a part of one that is too long to be held whole.
    ///
    /// # Errors
    /// An error ends the run as [`Error::Rejects`](super::Error::Rejects).
    fn reject(&mut self, reject: &Reject<'_>) -> io::Result<()>;
}
