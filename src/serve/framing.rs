//! Checks how each request is framed, from the bytes of its connection.
//!
//! hyper resolves ambiguous requests in silence: of `Content-Length` beside `Transfer-Encoding` it drops the former. A
//! proxy in front may resolve them otherwise, so that both see different requests (request smuggling, RFC 9112, section
//! 11.2). Here such a request is answered 400, and its connection closed. What cannot be followed counts as ambiguous.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Why a request is refused, for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FramingError(pub(super) &'static str);

/// What was found of the requests of a connection that were not handled yet, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct FramingVerdicts(Arc<Mutex<VecDeque<Result<(), FramingError>>>>);

impl FramingVerdicts {
    /// The verdict on the next request.
    pub(super) fn next(&self) -> Result<(), FramingError> {
        let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        next.unwrap_or(Err(FramingError("an earlier request on this connection was malformed")))
    }

    fn add(&self, verdict: Result<(), FramingError>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(verdict);
    }
}

/// Follows the requests of one connection.
#[derive(Debug)]
pub(super) struct FramingParser {
    state: State,
    /// The most bytes of a head.
    max_head: usize,
    verdicts: FramingVerdicts,
}

#[derive(Debug)]
enum State {
    Head(Vec<u8>),
    /// Bytes of a body that are still to come.
    Body(u64),
    /// The line with the size of a chunk.
    ChunkSize(Vec<u8>),
    /// Bytes of a chunk and of the line end after it.
    Chunk(u64),
    /// How many bytes a line of the trailers has.
    Trailers(usize),
    /// Nothing more is known of this connection.
    Lost,
}

/// The most bytes of a line with the size of a chunk. hyper takes longer ones; nobody sends them.
const MAX_SIZE_LINE: usize = 1024;

impl FramingParser {
    pub(super) fn new(max_head: usize, verdicts: FramingVerdicts) -> Self {
        Self { state: State::Head(Vec::new()), max_head, verdicts }
    }

    /// Takes the bytes that came next.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let length = match &mut self.state {
                State::Lost => return,
                State::Body(left) | State::Chunk(left) => {
                    let length = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= length as u64;
                    length
                }
                State::Head(line) | State::ChunkSize(line) => take_line(line, bytes),
                State::Trailers(length) => take_trailer(length, bytes),
            };
            bytes = &bytes[length..];
            self.step();
        }
    }

    /// Goes on to the next state where one is complete.
    fn step(&mut self) {
        match &self.state {
            State::Body(0) | State::Trailers(END_OF_TRAILERS) => self.state = State::Head(Vec::new()),
            State::Chunk(0) => self.state = State::ChunkSize(Vec::new()),
            State::ChunkSize(line) if line.ends_with(b"\n") => {
                self.state = match chunk_size(line) {
                    None => State::Lost,
                    Some(0) => State::Trailers(0),
                    Some(size) => size.checked_add(2).map_or(State::Lost, State::Chunk),
                };
            }
            State::ChunkSize(line) if line.len() > MAX_SIZE_LINE => self.state = State::Lost,
            // Empty lines before a request are skipped.
            State::Head(head) if head == b"\r\n" || head == b"\n" => self.state = State::Head(Vec::new()),
            State::Head(head) if head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n") => {
                let checked = check(head);
                self.verdicts.add(checked.map(drop));
                self.state = checked.unwrap_or(BodyLength::Unknown).into();
            }
            State::Head(head) if head.len() > self.max_head => self.state = State::Lost,
            _ => {}
        }
    }
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyLength {
    Known(u64),
    Chunked,
    Unknown,
}

impl From<BodyLength> for State {
    fn from(length: BodyLength) -> Self {
        match length {
            BodyLength::Known(0) => Self::Head(Vec::new()),
            BodyLength::Known(length) => Self::Body(length),
            BodyLength::Chunked => Self::ChunkSize(Vec::new()),
            BodyLength::Unknown => Self::Lost,
        }
    }
}

/// Appends bytes to a line, up to its end; how many.
fn take_line(line: &mut Vec<u8>, bytes: &[u8]) -> usize {
    let length = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    line.extend_from_slice(&bytes[..length]);
    length
}

/// What [`take_trailer`] sets after the empty line that ends trailers.
const END_OF_TRAILERS: usize = usize::MAX;

/// Passes over bytes of a line of trailers, up to its end; how many.
fn take_trailer(line: &mut usize, bytes: &[u8]) -> usize {
    let end = memchr::memchr(b'\n', bytes);
    let length = end.map_or(bytes.len(), |end| end + 1);
    let content = bytes[..length].iter().filter(|byte| !b"\r\n".contains(byte)).count();
    *line = match end {
        Some(_) if *line + content == 0 => END_OF_TRAILERS,
        Some(_) => 0,
        None => *line + content,
    };
    length
}

/// The size that begins a chunk: hexadecimal digits, and extensions after `;`.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let digits = line.split(';').next()?.trim_end_matches([' ', '\t']);
    let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| sound)
}

/// The length of the body after a head that can be read in only one way.
fn check(head: &[u8]) -> Result<BodyLength, FramingError> {
    let lines: Option<Vec<&[u8]>> =
        head.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r\n")).collect();
    let lines = lines.ok_or(FramingError("a header line does not end with CRLF"))?;
    let [request, fields @ .., _] = &lines[..] else { return Err(FramingError("the head is empty")) };
    let mut found = FramingHeaders::default();
    for field in fields {
        found.add(field)?;
    }
    found.check_host(request)?;
    found.length()
}

/// The fields that decide where a request ends and whom it is for.
#[derive(Default)]
struct FramingHeaders<'a> {
    hosts: Vec<&'a str>,
    lengths: Vec<&'a str>,
    encodings: Vec<&'a str>,
}

impl<'a> FramingHeaders<'a> {
    fn add(&mut self, field: &'a [u8]) -> Result<(), FramingError> {
        if field.starts_with(b" ") || field.starts_with(b"\t") {
            return Err(FramingError("obsolete line folding in a header; send each header on one line"));
        }
        let colon = memchr::memchr(b':', field).ok_or(FramingError("a header has no colon"))?;
        let (name, value) = (&field[..colon], std::str::from_utf8(&field[colon + 1..]));
        let list = match name {
            name if name.eq_ignore_ascii_case(b"host") => &mut self.hosts,
            name if name.eq_ignore_ascii_case(b"content-length") => &mut self.lengths,
            name if name.eq_ignore_ascii_case(b"transfer-encoding") => &mut self.encodings,
            name if name.iter().any(u8::is_ascii_whitespace) => {
                return Err(FramingError("there is a space before the colon of a header"));
            }
            _ => return Ok(()),
        };
        let value = value.map_err(|_| FramingError("a header is not UTF-8"))?;
        list.push(value.trim_matches([' ', '\t']));
        Ok(())
    }

    /// One host, which can be one, and no other in the target.
    fn check_host(&self, request: &[u8]) -> Result<(), FramingError> {
        let host = match self.hosts[..] {
            [host] => host,
            [] if request.ends_with(b" HTTP/1.0") => return Ok(()),
            [] => return Err(FramingError("the Host header is missing")),
            _ => return Err(FramingError("there is more than one Host header")),
        };
        // Of the characters that RFC 3986 allows in names, proxies take a comma for the start of another host.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%:[]".contains(&byte);
        let is_port = |host: &str| match host.rsplit_once(':') {
            // What stands after a colon within brackets is a part of an address.
            Some((_, port)) => port.is_empty() || port.ends_with(']') || port.parse::<u16>().is_ok(),
            None => true,
        };
        if host.parse::<axum::http::uri::Authority>().is_err() || !host.bytes().all(plain) || !is_port(host) {
            return Err(FramingError("the Host header is not a host and port"));
        }
        let target = request.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
        let Some(scheme) = memchr::memmem::find(target, b"://") else { return Ok(()) };
        let elsewhere = target[scheme + 3..].split(|byte| b"/?#".contains(byte)).next().unwrap_or_default();
        if target.starts_with(b"/") || elsewhere.eq_ignore_ascii_case(host.as_bytes()) {
            return Ok(());
        }
        Err(FramingError("the target names another host than the Host header"))
    }

    fn length(&self) -> Result<BodyLength, FramingError> {
        match (&self.lengths[..], &self.encodings[..]) {
            ([], []) => Ok(BodyLength::Known(0)),
            ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => length
                .parse()
                .map(BodyLength::Known)
                .map_err(|_| FramingError("Content-Length is not a number")),
            ([_], []) => Err(FramingError("Content-Length is not a number")),
            ([], [encoding]) if encoding.eq_ignore_ascii_case("chunked") => Ok(BodyLength::Chunked),
            ([], [_]) => Err(FramingError("unsupported Transfer-Encoding; only chunked is accepted")),
            ([..], []) => Err(FramingError("duplicate Content-Length")),
            ([], [..]) => Err(FramingError("duplicate Transfer-Encoding")),
            _ => Err(FramingError("both Content-Length and Transfer-Encoding are present")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FramingError, FramingParser, FramingVerdicts};

    /// The verdicts on what comes in pieces of a size.
    fn verdicts(bytes: &[u8], piece: usize) -> Vec<Option<&'static str>> {
        let verdicts = FramingVerdicts::default();
        let mut framing = FramingParser::new(1000, verdicts.clone());
        bytes.chunks(piece).for_each(|piece| framing.feed(piece));
        let all = std::mem::take(&mut *verdicts.0.lock().unwrap());
        all.into_iter().map(|verdict| verdict.err().map(|FramingError(why)| why)).collect()
    }

    #[test]
    fn pipelined_requests_are_tracked_in_any_chunks() {
        let requests = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 34\r\n\r\nGET / HTTP/1.1\r\nHost:a\r\nHost:b\r\n\r\
            \r\nPOST /b HTTP/1.1\r\nhost: h:80\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nab\r\n\r\r\n20;x=y\r\n\
            GET / HTTP/1.1\r\nHost:a\r\nHost:b\r\n\r\n0\r\nA: b\r\n\r\nGET http://H:80/?x HTTP/1.1\r\nHost: h:80\r\n\r\n\
            GET /health HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\n\r\nGET /lost HTTP/1.1\r\nHost: h\r\n\r\n";
        for piece in [1, 2, 3, 7, 50, 10_000] {
            let found = verdicts(requests.as_bytes(), piece);
            assert_eq!(found[..4], [None; 4], "{piece}");
            assert_eq!((found.len(), found[4]), (5, Some("the Host header is missing")), "{piece}");
        }
    }

    #[test]
    fn unparsable_request_stops_tracking() {
        let after = "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
        for size in ["-1", "+1", "0x1", "1 1", "", "g", "fffffffffffffffff", "ffffffffffffffff", "1\n"] {
            let request =
                format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n{after}");
            assert_eq!(verdicts(request.as_bytes(), 9), [None], "{size:?}");
        }
        let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(2000));
        assert_eq!(verdicts(long.as_bytes(), 100), []);
        assert!(FramingVerdicts::default().next().is_err());
    }
}
