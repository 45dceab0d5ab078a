//! Requests: events put together as Google's import endpoints take them.

use std::io::{self, Write};

/// What a request looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// `{"inlineSource":{"events":[{"udm":…}]}}`, for `events:import`.
    Import,
    /// `{"customer_id":"…","events":[…]}`, for `udmevents:batchCreate`.
    BatchCreate {
        /// The SecOps customer's id.
        customer_id: String,
    },
}

/// How much goes into one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Events: 1 or more.
    pub events: usize,
    /// Bytes of the request's line. An event that is longer goes alone.
    pub bytes: usize,
}

impl Default for Limits {
    /// 1,000 events and 2,000,000 bytes: the size advised for `events:import`, which refuses more than 4 MB.
    fn default() -> Self {
        Self { events: 1000, bytes: 2_000_000 }
    }
}

/// Writes events as they are, or put together in requests.
#[derive(Debug)]
pub struct EventWriter<W>(Events<W>);

#[derive(Debug)]
enum Events<W> {
    Bare(W),
    Requests(Requests<W>),
}

impl<W: Write> EventWriter<W> {
    /// To `out`, in requests of this kind and size, if any.
    pub fn new(out: W, requests: Option<&(Request, Limits)>) -> Self {
        Self(match requests {
            None => Events::Bare(out),
            Some((kind, limits)) => Events::Requests(Requests::new(out, kind, *limits)),
        })
    }

    /// Writes events, each up to its newline; one may come in several parts.
    ///
    /// # Errors
    /// Those of the underlying writer.
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
    /// Those of the underlying writer.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Events::Bare(out) => out.flush(),
            Events::Requests(requests) => requests.send().and_then(|()| requests.out.flush()),
        }
    }

    /// Writes what is held back, and hands the underlying writer over.
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

/// Writes requests, one a line, of the events that are written to it.
#[derive(Debug)]
pub struct Requests<W> {
    out: W,
    limits: Limits,
    /// What stands before the first event, around each, and behind the last.
    head: String,
    around: (&'static str, &'static str),
    tail: &'static str,
    /// The request at hand, without its tail.
    request: Vec<u8>,
    events: usize,
    /// How many requests were written before it.
    sent: u64,
    /// What has come of an event that comes in parts.
    part: Vec<u8>,
    /// Whether it is longer than any request, and went out, alone, as far as it came.
    alone: bool,
}

impl<W: Write> Requests<W> {
    /// Requests of one kind to `out`.
    pub fn new(out: W, kind: &Request, limits: Limits) -> Self {
        let (head, around, tail) = match kind {
            Request::Import => ("{\"inlineSource\":{\"events\":[".to_owned(), ("{\"udm\":", "}"), "]}}\n"),
            Request::BatchCreate { customer_id } => {
                let customer_id = serde_json::Value::from(customer_id.as_str());
                (format!("{{\"customer_id\":{customer_id},\"events\":["), ("", ""), "]}\n")
            }
        };
        let (request, part) = Default::default();
        Self { out, limits, head, around, tail, request, events: 0, sent: 0, part, alone: false }
    }

    /// Adds events, each up to its newline; one may come in several parts.
    ///
    /// # Errors
    /// Those of the underlying writer.
    pub fn write_events(&mut self, events: &[u8]) -> io::Result<()> {
        let mut rest = events;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.end_event(&rest[..end])?;
            rest = &rest[end + 1..];
        }
        self.part(rest)
    }

    /// Adds an event of which this is the end, or all.
    fn end_event(&mut self, end: &[u8]) -> io::Result<()> {
        if self.goes_alone(end.len())? {
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

    /// Takes what has come of an event.
    fn part(&mut self, part: &[u8]) -> io::Result<()> {
        if self.goes_alone(part.len())? {
            return self.out.write_all(part);
        }
        self.part.extend_from_slice(part);
        Ok(())
    }

    /// Whether the event that so many more bytes have come of is longer than any request may be. Then it is not held: it
    /// goes out, alone, as far as it came.
    fn goes_alone(&mut self, more: usize) -> io::Result<bool> {
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
        // The limit is for the line without its newline.
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

    /// Writes the request at hand, if there is one.
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

    /// Writes the last request and hands the underlying writer over. An event of which the end has not come is not in it.
    ///
    /// # Errors
    /// Those of the underlying writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.send()?;
        self.out.flush()?;
        Ok(self.out)
    }
}
