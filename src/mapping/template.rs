//! The table compiled to text: an event's JSON as what stands between its values.
//!
//! Rows fill an event in the table's order, and their paths never change. So what stands between the value of one row
//! and that of another (quotes, closers, openers, names) is known before any record is read: writing an event is
//! copying a piece and a value in turn. The typed [`Event`](crate::udm::Event) and its writer are the twin that
//! defines what must come out.

use super::table::{Put, row};
use super::{Found, ROWS, Row, Source};
use crate::time::Timestamp;
use crate::udm::{Case, EventType, Shape, Writer};

/// The pieces between values, for one spelling of names and one feed.
#[derive(Debug)]
pub(crate) struct Template {
    /// What stands before the time, between it and the type.
    head: [Piece; 2],
    /// What stands between the value of a row and that of a later one: at `[from][to]`. From [`FIRST`]: between the
    /// event's type and the first value. To [`END`]: the event's end.
    between: Vec<[Piece; END + 1]>,
    /// The room that an event takes at most, but for its texts: each text and each piece may be copied as a whole block.
    room: usize,
}

/// A piece of text. Nearly all are short: those are kept where copying them takes no call, as a block of a fixed size
/// of which only the start counts.
#[derive(Debug, Clone)]
enum Piece {
    Short(u8, [u8; SHORT]),
    Long(Box<str>),
}

/// The length of a short piece at most: four vectors. An event type's name is shorter.
const SHORT: usize = 64;

impl Piece {
    fn new(text: &str) -> Self {
        let mut block = [0; SHORT];
        match (u8::try_from(text.len()), block.get_mut(..text.len())) {
            (Ok(length), Some(start)) => {
                start.copy_from_slice(text.as_bytes());
                Self::Short(length, block)
            }
            _ => Self::Long(text.into()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Short(..) => SHORT,
            Self::Long(text) => text.len(),
        }
    }
}

/// Events as JSON, each with its newline.
///
/// Behind the last there is room that is there already: bytes of a known size are written there in a few instructions,
/// where a vector would first have to grow.
#[derive(Debug, Default)]
pub(crate) struct Events {
    bytes: Vec<u8>,
    /// How many of the bytes are written.
    length: usize,
    /// Where a writer writes that knows vectors only.
    spare: Vec<u8>,
}

impl Events {
    /// All that was written.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Returns the length of the last event, without its newline.
    pub(crate) fn last_len(&self) -> usize {
        let end = self.length.saturating_sub(1);
        end - memchr::memrchr(b'\n', &self.bytes[..end]).map_or(0, |before| before + 1)
    }

    /// Removes the last event.
    pub(crate) fn drop_last(&mut self) {
        self.length = self.length.saturating_sub(self.last_len() + 1);
    }

    /// Begins again.
    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }

    /// Appends what `write` writes.
    pub(crate) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.spare.clear();
        write(&mut self.spare);
        self.reserve(self.spare.len());
        self.bytes[self.length..self.length + self.spare.len()].copy_from_slice(&self.spare);
        self.length += self.spare.len();
    }

    /// Takes all out: for whoever appends so much that it should not be there twice, and puts it back.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.bytes.truncate(std::mem::take(&mut self.length));
        std::mem::take(&mut self.bytes)
    }

    /// Has these bytes, and no others.
    pub(crate) fn put(&mut self, bytes: Vec<u8>) {
        self.length = bytes.len();
        self.bytes = bytes;
    }

    /// Makes room for so many bytes.
    #[inline]
    fn reserve(&mut self, room: usize) {
        if self.bytes.len() - self.length < room {
            self.bytes.resize(self.length + room, 0);
        }
    }

    /// Appends the first bytes of a block, at the cost of all.
    #[inline]
    fn block<const N: usize>(&mut self, block: &[u8; N], length: usize) {
        self.bytes[self.length..self.length + N].copy_from_slice(block);
        self.length += length;
    }

    #[inline]
    fn piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Short(length, block) => self.block(block, usize::from(*length)),
            Piece::Long(text) => self.text(text),
        }
    }

    #[inline]
    fn text(&mut self, text: &str) {
        self.bytes[self.length..self.length + text.len()].copy_from_slice(text.as_bytes());
        self.length += text.len();
    }

    /// Appends a text that is most likely a short part of `source`: then it is the start of a block of it.
    #[inline]
    fn text_of(&mut self, source: &[u8], text: &str) {
        let start = text.as_ptr().addr().wrapping_sub(source.as_ptr().addr());
        match source.get(start..).and_then(<[u8]>::first_chunk::<SHORT>) {
            Some(block) if text.len() <= SHORT => self.block(block, text.len()),
            _ => self.text(text),
        }
    }
}

/// Where an event is written by a template: behind what is there already.
pub(crate) struct Sheet<'s> {
    pub(crate) template: &'s Template,
    /// What the record was read from: most of its texts are parts of it.
    pub(crate) source: &'s [u8],
    pub(crate) events: &'s mut Events,
}

/// One past the last row: the end of the event.
const END: usize = ROWS.len();
/// The row whose value is the last that every event has.
const FIRST: usize = row::CONSTANTS.end - 1;

impl Template {
    /// The template of a writer, if its shape is one that a template can have: a bare event.
    pub(crate) fn new(writer: &Writer) -> Option<Self> {
        let Shape::Udm(case) = writer.shape() else { return None };
        let paths: Vec<_> = ROWS.iter().map(|row| Path::of(row, case, writer)).collect();
        let [time, event_type] =
            [0, 1].map(|row| case.spelled(ROWS[row].path.trim_start_matches("metadata.")));
        let head =
            [format!("{{{}\"{time}\":\"", paths[0].containers[0].0), format!("\",\"{event_type}\":\"")];
        let between = |from: usize, to: usize| {
            let constants = if from == FIRST { constants(case) } else { String::new() };
            if FIRST <= from && from < to {
                constants + &paths[from].to(paths.get(to))
            } else {
                String::new()
            }
        };
        let between = (0..END).map(|from| std::array::from_fn(|to| Piece::new(&between(from, to))));
        let (head, between): (_, Vec<[_; _]>) = (head.map(|text| Piece::new(&text)), between.collect());
        let behind = |pieces: &[Piece; END + 1]| pieces.iter().map(Piece::len).max().unwrap_or(0) + SHORT;
        let room = head.iter().map(|piece| piece.len() + SHORT).chain(between.iter().map(behind)).sum();
        Some(Self { head, between, room })
    }

    /// Appends the event of what was found, and a newline. No text may need an escape; most are parts of `source`.
    #[inline]
    pub(super) fn write(time: &Timestamp, event_type: EventType, found: &Found<'_>, sheet: Sheet<'_>) {
        let Sheet { template, source, events } = sheet;
        events.reserve(template.room + found.length);
        events.piece(&template.head[0]);
        let (time, length) = time.padded();
        events.block(time, length);
        events.piece(&template.head[1]);
        events.text(event_type.name());
        let mut from = FIRST;
        for (row, text) in found.each() {
            events.piece(&template.between[from][row]);
            events.text_of(source, text);
            from = row;
        }
        events.piece(&template.between[from][END]);
    }
}

/// The members whose values are the same for each record, from the end of the event's type on, but for the last quote.
fn constants(case: Case) -> String {
    let members = ROWS[row::CONSTANTS].iter().map(|row| match row.put {
        Put::Constant(value, _) => {
            format!("\",\"{}\":\"{value}", case.spelled(row.path.trim_start_matches("metadata.")))
        }
        _ => String::new(),
    });
    members.collect()
}

/// A row's path as JSON opens and closes it.
struct Path {
    /// Objects and lists, outermost first: what opens each, what closes it, and whether it may hold more than one row.
    containers: Vec<(String, String, bool)>,
    /// What stands before the value, up to its first quote.
    leaf: String,
}

impl Path {
    fn of(row: &Row, case: Case, writer: &Writer) -> Self {
        let mut path = Self { containers: Vec::new(), leaf: "\"".to_owned() };
        let mut names = row.path.split('.').peekable();
        while let Some(name) = names.next() {
            let spelling = case.spelled(name.trim_end_matches("[]"));
            if name.ends_with("[]") {
                path.open(format!("\"{spelling}\":["), "]", true);
                let key = if let Source::Key(key) = row.source { key } else { "" };
                let element = if names.peek().is_some() {
                    "{".to_owned()
                } else {
                    format!("{{\"key\":\"{key}\",\"value\":")
                };
                path.open(element, "}", false);
            } else if names.peek().is_none() && row.is_element() {
                path.open(format!("\"{spelling}\":["), "]", true);
            } else if names.peek().is_some() {
                let (inside, behind) = match name {
                    "principal" | "target" | "about" => (writer.namespace(), String::new()),
                    "metadata" => (
                        "",
                        writer
                            .labels()
                            .strip_suffix(',')
                            .map(|labels| format!(",{labels}"))
                            .unwrap_or_default(),
                    ),
                    _ => ("", String::new()),
                };
                path.open(format!("\"{spelling}\":{{{inside}"), &format!("{behind}}}"), true);
            } else {
                path.leaf = format!("\"{spelling}\":\"");
            }
        }
        path
    }

    fn open(&mut self, opener: String, closer: &str, shared: bool) {
        self.containers.push((opener, closer.to_owned(), shared));
    }

    /// What stands between the text of this row and that of a later one, or the end of the event.
    fn to(&self, later: Option<&Self>) -> String {
        let later_containers = later.map_or(&[][..], |later| &later.containers);
        let both = self.containers.iter().zip(later_containers);
        let common = both.take_while(|(one, other)| one.2 && one.0 == other.0).count();
        let closers: String =
            self.containers[common..].iter().rev().map(|(_, closer, _)| closer.as_str()).collect();
        let openers: String = later_containers[common..].iter().map(|(opener, ..)| opener.as_str()).collect();
        match later {
            Some(later) => format!("\"{closers},{openers}{}", later.leaf),
            None => format!("\"{closers}}}\n"),
        }
    }
}
