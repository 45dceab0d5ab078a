//! The table compiled to text: the JSON of an event as fragments between its values.
//!
//! Rows fill an event in table order, and their paths never change. So the text between the value of one row and the
//! value of a later one (quotes, closers, openers, names) is known in advance, and writing an event alternates between
//! copying a fragment and a value. The typed [`Event`](crate::udm::Event) and its writer define the result.

use super::row::{Row, Setter, Source};
use super::row_lookup::{self, KindRows, MAX_COUNT};
use super::row_values::{MappedValues, OperationValues};
use super::table::ROWS;
use super::table_enriched::APPLICATION;
use crate::timestamp::Timestamp;
use crate::udm::{Case, EventType, OutputShape, Writer};

/// The fragments between values, for one spelling of names and one set of added values.
#[derive(Debug)]
pub(crate) struct Template {
    /// The text before the time, and between the time and the event type.
    pub(super) head: [Fragment; 2],
    pub(super) case: Case,
    /// The starts of `src` and `target`, up to the members that not every event has.
    pub(super) src: Fragment,
    pub(super) target: Fragment,
    pub(super) operation: KindTemplate,
    pub(super) sign_in: KindTemplate,
}

/// The fragments between the values of the rows of one kind of records, numbered as in [`KindRows`].
#[derive(Debug)]
pub(super) struct KindTemplate {
    /// The text between the value of row `from` and that of a later row `to`, at `[from][to]`. From [`FIRST`]: after
    /// the event type. To [`END`]: the end of the event.
    between: Vec<[Fragment; END + 1]>,
    /// The text from the value of each row to the next member of the event.
    to_event: Vec<Fragment>,
    /// The maximum size of an event without its texts: each text and each fragment may be copied as a whole block.
    room: usize,
}

/// A fragment of text. Short fragments, which are the rule, are stored in a block of fixed size, so that copying one
/// needs no function call.
#[derive(Debug, Clone)]
pub(super) enum Fragment {
    Short(u8, [u8; SHORT]),
    Long(Box<str>),
}

/// The maximum length of a short fragment: four vectors. The names of event types are shorter.
pub(super) const SHORT: usize = 64;

impl Fragment {
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

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Short(..) => SHORT,
            Self::Long(text) => text.len(),
        }
    }
}

/// Events as JSON lines.
///
/// The buffer always has initialized bytes after the last event, so that blocks of a fixed size can be written with a
/// few instructions, where a vector would first have to grow.
#[derive(Debug, Default)]
pub(crate) struct EventBuffer {
    bytes: Vec<u8>,
    /// The number of bytes written.
    length: usize,
    /// A vector for writers that need one.
    spare: Vec<u8>,
}

impl EventBuffer {
    /// Returns everything that was written.
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

    /// Empties the buffer.
    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }

    /// Appends what `write` writes; returns its length.
    pub(crate) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.spare.clear();
        write(&mut self.spare);
        self.reserve(self.spare.len());
        self.bytes[self.length..self.length + self.spare.len()].copy_from_slice(&self.spare);
        self.length += self.spare.len();
        self.spare.len()
    }

    /// Moves the contents out, for callers that append so much that it should not be copied; they put it back.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.bytes.truncate(std::mem::take(&mut self.length));
        std::mem::take(&mut self.bytes)
    }

    /// Replaces the contents.
    pub(crate) fn put(&mut self, bytes: Vec<u8>) {
        self.length = bytes.len();
        self.bytes = bytes;
    }

    /// Appends the event that `write` writes, which takes at most `room` bytes.
    #[inline]
    pub(super) fn write(&mut self, room: usize, write: impl FnOnce(EventCursor<'_>) -> usize) {
        self.reserve(room);
        self.length += write(EventCursor { bytes: &mut self.bytes[self.length..], length: 0 });
    }

    /// Reserves space for additional bytes.
    #[inline]
    fn reserve(&mut self, room: usize) {
        if self.bytes.len() - self.length < room {
            self.bytes.resize(self.length + room, 0);
        }
    }
}

/// Writes one event into the space that is reserved for it.
pub(super) struct EventCursor<'e> {
    bytes: &'e mut [u8],
    /// The number of bytes written.
    pub(super) length: usize,
}

impl EventCursor<'_> {
    /// Appends the start of an event, up to its type.
    #[inline]
    fn head(&mut self, head: &[Fragment; 2], time: &Timestamp, event_type: EventType) {
        self.piece(&head[0]);
        let (time, length) = time.padded();
        self.block(time, length);
        self.piece(&head[1]);
        self.text(event_type.name());
    }

    /// Appends the first bytes of a block, by copying all of it.
    #[inline]
    fn block<const N: usize>(&mut self, block: &[u8; N], length: usize) {
        self.bytes[self.length..self.length + N].copy_from_slice(block);
        self.length += length;
    }

    #[inline]
    pub(super) fn piece(&mut self, piece: &Fragment) {
        match piece {
            Fragment::Short(length, block) => self.block(block, usize::from(*length)),
            Fragment::Long(text) => self.text(text),
        }
    }

    #[inline]
    pub(super) fn text(&mut self, text: &str) {
        self.raw(text.as_bytes());
    }

    #[inline]
    pub(super) fn raw(&mut self, text: &[u8]) {
        self.bytes[self.length..self.length + text.len()].copy_from_slice(text);
        self.length += text.len();
    }

    /// Appends a text in place of the last byte.
    #[inline]
    pub(super) fn replace_last(&mut self, text: &str) {
        self.length -= 1;
        self.text(text);
    }

    /// Appends a text that is probably a short slice of `source`: then a whole block that starts with it is copied.
    #[inline]
    pub(super) fn text_of(&mut self, source: &[u8], text: &str) {
        let start = text.as_ptr().addr().wrapping_sub(source.as_ptr().addr());
        match source.get(start..).and_then(<[u8]>::first_chunk::<SHORT>) {
            Some(block) if text.len() <= SHORT => self.block(block, text.len()),
            _ => self.text(text),
        }
    }
}

/// Writes an event with a template, after the previous contents.
pub(crate) struct TemplateWriter<'s> {
    pub(crate) template: &'s Template,
    /// The text that the record was read from; most values are slices of it.
    pub(crate) source: &'s [u8],
    pub(crate) events: &'s mut EventBuffer,
}

/// The index after the last row: the end of the event.
const END: usize = MAX_COUNT;
/// The last row whose value every event has.
const FIRST: usize = row_lookup::CONSTANTS.end - 1;

impl Template {
    /// Compiles the template of a writer, if its output shape allows one: events without a wrapper.
    pub(crate) fn new(writer: &Writer) -> Option<Self> {
        let OutputShape::Udm(case) = writer.shape() else { return None };
        let metadata = JsonPath::of(&ROWS[row_lookup::TIME], case, writer);
        let [time, event_type] = [row_lookup::TIME, row_lookup::EVENT_TYPE]
            .map(|row| case.spelled(ROWS[row].path.trim_start_matches("metadata.")));
        let head =
            [format!("{{{}\"{time}\":\"", metadata.containers[0].0), format!("\",\"{event_type}\":\"")];
        let head = head.map(|text| Fragment::new(&text));
        let [operation, sign_in] = [KindRows::OPERATION, KindRows::SIGN_IN]
            .map(|rows| KindTemplate::new(rows, case, writer, head.iter().map(room_of).sum()));
        let src = format!("\"src\":{{{}", writer.namespace());
        let target = format!("\"target\":{{{}\"application\":\"{APPLICATION}\",", writer.namespace());
        let [src, target] = [src, target].map(|text| Fragment::new(&text));
        Some(Self { head, case, src, target, operation, sign_in })
    }

    /// Appends the event of the collected values, and a newline. No text may need an escape; most are slices of
    /// `source`.
    #[inline]
    pub(super) fn write<const COUNT: usize>(
        kind: &KindTemplate,
        time: &Timestamp,
        event_type: EventType,
        found: &MappedValues<'_, COUNT>,
        sheet: TemplateWriter<'_>,
    ) {
        let TemplateWriter { template, source, events } = sheet;
        events.write(kind.room + found.length, |mut out| {
            out.head(&template.head, time, event_type);
            let mut from = FIRST;
            for (row, text) in found.each() {
                out.piece(&kind.between[from][row]);
                out.text_of(source, text);
                from = row;
            }
            out.piece(&kind.between[from][END]);
            out.length
        });
    }
}

impl KindTemplate {
    /// Compiles the fragments between the rows of one kind; `head` is the room for what precedes them.
    fn new(rows: KindRows, case: Case, writer: &Writer, head: usize) -> Self {
        let paths = (0..rows.count).map(|row| JsonPath::of(&ROWS[rows.in_table(row)], case, writer));
        let paths: Vec<_> = paths.collect();
        let between = |from: usize, to: usize| {
            let constants = if from == FIRST { constants(case) } else { String::new() };
            if FIRST <= from && from < to {
                constants + &paths[from].to(paths.get(to))
            } else {
                String::new()
            }
        };
        let to_event = (0..rows.count).map(|from| {
            let end = between(from, END);
            Fragment::new(&end.strip_suffix("}\n").map(|end| format!("{end},")).unwrap_or_default())
        });
        let to_event = to_event.collect();
        let between = (0..rows.count).map(|from| std::array::from_fn(|to| Fragment::new(&between(from, to))));
        let between: Vec<[_; _]> = between.collect();
        let behind = |pieces: &[Fragment; END + 1]| pieces.iter().map(room_of).max().unwrap_or(0);
        let room = head + between.iter().map(behind).sum::<usize>();
        Self { between, to_event, room }
    }

    /// Returns the maximum size of an event without its texts.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// Appends the members of an event of an operation log before its target, each with a comma.
    pub(super) fn write_until_target(
        &self,
        source: &[u8],
        (time, event_type): (&Timestamp, EventType),
        head: &[Fragment; 2],
        found: &OperationValues<'_>,
        out: &mut EventCursor<'_>,
    ) {
        out.head(head, time, event_type);
        let mut from = FIRST;
        for (row, text) in found.each_of(row_lookup::BEFORE_TARGET) {
            out.piece(&self.between[from][row]);
            out.text_of(source, text);
            from = row;
        }
        out.piece(&self.to_event[from]);
    }
}

/// Returns the room for a fragment and a text that is copied as a block.
fn room_of(piece: &Fragment) -> usize {
    piece.len() + SHORT
}

/// Returns the members that are the same for every record, from the end of the event type on, except for the last
/// quote.
fn constants(case: Case) -> String {
    let members = ROWS[row_lookup::CONSTANTS].iter().map(|row| match row.put {
        Setter::Constant(value, _) => {
            format!("\",\"{}\":\"{value}", case.spelled(row.path.trim_start_matches("metadata.")))
        }
        _ => String::new(),
    });
    members.collect()
}

/// The path of a row as JSON openers and closers.
struct JsonPath {
    /// Objects and lists, outermost first: opener, closer, and whether several rows may fill it.
    containers: Vec<(String, String, bool)>,
    /// The text before the value, up to its first quote.
    leaf: String,
}

impl JsonPath {
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

    /// Returns the text between the value of this row and that of a later one, or the end of the event.
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
