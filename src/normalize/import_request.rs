//! Groups events into requests for Google's import endpoints.

use std::io::{self, Write};

/// The format of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFormat {
    /// `{"inlineSource":{"events":[{"udm":…}]}}`, for `events:import`.
    Import,
    /// `{"customer_id":"…","events":[…]}`, for `udmevents:batchCreate`.
    BatchCreate {
        /// The SecOps customer ID.
        customer_id: String,
    },
}

/// The maximum size of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The number of events, at least 1.
    pub events: usize,
    /// The bytes of the request. A larger event gets a request of its own.
    pub bytes: usize,
}

impl Default for Limits {
    /// 1,000 events and 2,000,000 bytes: the recommended size for `events:import`, which refuses more than 4 MB.
    fn default() -> Self {
        Self { events: 1000, bytes: 2_000_000 }
    }
}

/// Writes events alone, or grouped into requests.
#[derive(Debug)]
pub struct EventWriter<W>(Events<W>);

#[derive(Debug)]
enum Events<W> {
    Bare(W),
    Requests(RequestWriter<W>),
}

impl<W: Write> EventWriter<W> {
    /// Creates a writer to `out`, with requests of this format and size, if any.
    pub fn new(out: W, requests: Option<&(RequestFormat, Limits)>) -> Self {
        Self(match requests {
            None => Events::Bare(out),
            Some((kind, limits)) => Events::Requests(RequestWriter::new(out, kind, *limits)),
        })
    }

    /// Writes events, each up to its newline; an event may arrive in several parts.
    ///
    /// # Errors
    /// The errors of the underlying writer.
    pub fn write(&mut self, events: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Events::Bare(out) => out.write_all(events),
            Events::Requests(requests) => requests.write_events(events),
        }
    }

    /// The number of the request at hand, counted from 0; `None` while it has no event, and for bare events.
    #[must_use]
    pub fn pending(&self) -> Option<u64> {
        match &self.0 {
            Events::Bare(_) => None,
            Events::Requests(requests) => (requests.events > 0).then_some(requests.sent),
        }
    }

    /// Writes the request at hand, full or not: for a live input, whose next event may be hours away.
    ///
    /// # Errors
    /// The errors of the underlying writer.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Events::Bare(out) => out.flush(),
            Events::Requests(requests) => requests.send().and_then(|()| requests.out.flush()),
        }
    }

    /// Writes what is buffered, and returns the underlying writer.
    ///
    /// # Errors
    /// Those of the underlying writer.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Events::Bare(mut out) => out.flush().map(|()| out),
            Events::Requests(requests) => requests.finish(),
        }
    }
}

/// Groups the events that are written to it into requests, one per line.
#[derive(Debug)]
pub struct RequestWriter<W> {
    out: W,
    limits: Limits,
    /// The text before the first event, around each event, and after the last one.
    head: String,
    around: (&'static str, &'static str),
    tail: &'static str,
    /// The current request, without its end.
    request: Vec<u8>,
    events: usize,
    /// How many requests were written before it.
    sent: u64,
    /// The received parts of an incomplete event.
    part: Vec<u8>,
    /// Whether the incomplete event exceeds the limit, so that its parts were written in a request of their own.
    alone: bool,
}

impl<W: Write> RequestWriter<W> {
    /// Creates a writer of requests of one format to `out`.
    pub fn new(out: W, kind: &RequestFormat, limits: Limits) -> Self {
        let (head, around, tail) = match kind {
            RequestFormat::Import => {
                ("{\"inlineSource\":{\"events\":[".to_owned(), ("{\"udm\":", "}"), "]}}\n")
            }
            RequestFormat::BatchCreate { customer_id } => {
                let customer_id = serde_json::Value::from(customer_id.as_str());
                (format!("{{\"customer_id\":{customer_id},\"events\":["), ("", ""), "]}\n")
            }
        };
        let (request, part) = Default::default();
        Self { out, limits, head, around, tail, request, events: 0, sent: 0, part, alone: false }
    }

    /// Adds events, each up to its newline; an event may arrive in several parts.
    ///
    /// # Errors
    /// The errors of the underlying writer.
    pub fn write_events(&mut self, events: &[u8]) -> io::Result<()> {
        let mut rest = events;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.end_event(&rest[..end])?;
            rest = &rest[end + 1..];
        }
        self.partial(rest)
    }

    /// Adds the end of an event, or a whole event.
    fn end_event(&mut self, end: &[u8]) -> io::Result<()> {
        if self.spill_oversized(end.len())? {
            self.alone = false;
            return [end, self.around.1.as_bytes(), self.tail.as_bytes()]
                .into_iter()
                .try_for_each(|part| self.out.write_all(part));
        }
        if self.part.is_empty() {
            return self.push(end);
        }
        let mut event = std::mem::take(&mut self.part);
        event.extend_from_slice(end);
        self.push(&event)
    }

    /// Adds a part of an event.
    fn partial(&mut self, part: &[u8]) -> io::Result<()> {
        if self.spill_oversized(part.len())? {
            return self.out.write_all(part);
        }
        self.part.extend_from_slice(part);
        Ok(())
    }

    /// Returns whether the incomplete event would exceed the limit with this many more bytes. If so, it is not
    /// buffered: its parts are written in a request of their own.
    fn spill_oversized(&mut self, more: usize) -> io::Result<bool> {
        if self.alone || self.part.len() + more <= self.limits.bytes {
            return Ok(self.alone);
        }
        self.send()?;
        self.alone = true;
        self.out.write_all(self.head.as_bytes())?;
        self.out.write_all(self.around.0.as_bytes())?;
        self.out.write_all(&std::mem::take(&mut self.part))?;
        Ok(true)
    }

    fn push(&mut self, event: &[u8]) -> io::Result<()> {
        let (before, after) = self.around;
        let more = 1 + before.len() + event.len() + after.len();
        // The limit excludes the newline.
        let full = self.request.len() + more + self.tail.len() - 1 > self.limits.bytes;
        if full || self.events >= self.limits.events {
            self.send()?;
        }
        if self.events == 0 {
            self.request.extend_from_slice(self.head.as_bytes());
        } else {
            self.request.push(b',');
        }
        for part in [before.as_bytes(), event, after.as_bytes()] {
            self.request.extend_from_slice(part);
        }
        self.events += 1;
        Ok(())
    }

    /// Writes the current request, if there is one.
    fn send(&mut self) -> io::Result<()> {
        if self.events == 0 {
            return Ok(());
        }
        self.request.extend_from_slice(self.tail.as_bytes());
        self.out.write_all(&self.request)?;
        self.request.clear();
        self.events = 0;
        self.sent += 1;
        Ok(())
    }

    /// Writes the last request and returns the underlying writer. An incomplete event is dropped.
    ///
    /// # Errors
    /// The errors of the underlying writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.send()?;
        self.out.flush()?;
        Ok(self.out)
    }
}
