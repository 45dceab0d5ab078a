//! Normalizes bytes in memory.

use super::input::Input;
use super::options::Options;
use super::pipeline::run;
use super::reject_file::Reject;
use super::sink::Sink;
use super::summary::Summary;
use std::io;

/// Normalizes bytes in memory. Returns the events, one per line, and the summary. Rejects are counted and dropped.
///
/// ```
/// let record = br#"{"time":"2019-08-20T19:09:01Z","operator":"a@b.com","operation_detail":"Add User x@y.com "}"#;
/// let (events, summary) = zoom_udm::normalize::slice(record, &Default::default());
/// assert_eq!(summary.events, 1);
/// assert!(String::from_utf8(events)?.starts_with(r#"{"metadata":{"eventTimestamp":"2019-08-20T19:09:01Z""#));
/// # Ok::<(), std::string::FromUtf8Error>(())
/// ```
#[must_use]
pub fn slice(bytes: &[u8], options: &Options) -> (Vec<u8>, Summary) {
    struct Events(Vec<u8>);
    impl Sink for Events {
        fn events(&mut self, events: &[u8]) -> io::Result<()> {
            self.0.extend_from_slice(events);
            Ok(())
        }
        fn reject(&mut self, _: &Reject<'_>) -> io::Result<()> {
            Ok(())
        }
    }
    // An event is usually two to four times as long as its record; growing copies what is there.
    let mut sink = Events(Vec::with_capacity(bytes.len().saturating_mul(4)));
    let options = Options { threads: 1, ..options.clone() };
    let input = Input::new("memory", bytes);
    // A sink in memory never fails, and one thread needs no pool.
    let summary = run(std::iter::once(input), &options, &mut sink).unwrap_or_default();
    (sink.0, summary)
}
