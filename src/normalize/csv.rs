//! Zoom's export of operation logs as CSV: rows become records.
//!
//! A row is converted to the JSON object that Zoom's API gives, so that everything after this reads one form. Its place
//! in the input and its bytes are kept, because rejects carry those.

use super::block::{BLOCK, Block, Content, OverlongRowPart, Row, Rows};
use super::line_errors::{not_utf8, too_long};
use crate::json::escape_into;
use crate::record::Field;
use crate::reject::{RejectReason, Rejection};
use csv_core::{ReadRecordResult, Reader};
use memchr::memchr_iter;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// The names of the column of each field, in lower case. Zoom renamed some of them over the years.
const COLUMNS: [(Field, &[&str]); 5] = [
    (Field::Time, &["time"]),
    (Field::Operator, &["operator", "admin"]),
    (Field::CategoryType, &["category", "category type"]),
    (Field::Action, &["action", "action type"]),
    (Field::OperationDetail, &["operation detail", "operation details"]),
];

/// The header of an export: which column holds which field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Its line, without the end.
    text: Arc<str>,
    /// The field of each column; `None` for a column that is ignored.
    fields: Vec<Option<Field>>,
}

impl Header {
    /// Reads a header from its line.
    ///
    /// # Errors
    /// The fields that no column holds, by the first name that a column may have.
    pub(super) fn read(line: &[u8]) -> Result<Self, Vec<&'static str>> {
        let text = String::from_utf8_lossy(line).into_owned();
        let fields: Vec<_> = names(&text).iter().map(|name| field(name)).collect();
        let missing = COLUMNS.iter().filter(|(field, _)| !fields.contains(&Some(*field)));
        let missing: Vec<_> = missing.map(|(_, names)| names[0]).collect();
        if missing.is_empty() { Ok(Self { text: text.into(), fields }) } else { Err(missing) }
    }

    /// Appends the record of a row as a JSON object.
    fn write_record(&self, row: &Parser, out: &mut Vec<u8>) {
        let mut separator = b'{';
        for (field, text) in self.fields.iter().zip(row.fields()) {
            let (Some(field), Ok(text)) = (field, std::str::from_utf8(text)) else { continue };
            out.push(separator);
            out.push(b'"');
            out.extend_from_slice(field.name().as_bytes());
            out.extend_from_slice(b"\":\"");
            escape_into(out, text);
            out.push(b'"');
            separator = b',';
        }
        out.push(b'}');
    }
}

fn field(name: &str) -> Option<Field> {
    let name = name.trim().to_lowercase().replace('_', " ");
    COLUMNS.iter().find(|(_, names)| names.contains(&&*name)).map(|(field, _)| *field)
}

/// The names in a header, or the texts of one row; nothing where a quoted field is not closed.
pub(super) fn names(line: &str) -> Vec<String> {
    let mut parser = Parser::default();
    parser.begin();
    let (ended, _) = parser.parse(line.as_bytes());
    if !ended && !parser.parse(b"\n").0 {
        return Vec::new();
    }
    parser.fields().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Splits bytes into fields, row by row.
#[derive(Debug)]
struct Parser {
    reader: Reader,
    /// The texts of the fields, one after the other, then room for more.
    text: Vec<u8>,
    length: usize,
    /// Where each field ends in `text`, then room for more.
    ends: Vec<usize>,
    count: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self { reader: Reader::new(), text: vec![0; 1024], length: 0, ends: vec![0; 16], count: 0 }
    }
}

impl Parser {
    /// Gets ready for a row. A line end comes first, because the reader skips a byte-order mark at its very start, but
    /// only if it comes in one piece.
    fn begin(&mut self) {
        self.reader.reset();
        self.reader.read_record(b"\n", &mut self.text, &mut self.ends);
        (self.length, self.count) = (0, 0);
    }

    /// Parses to the end of a row, or of the bytes: whether the row ended, and how many bytes that took.
    fn parse(&mut self, bytes: &[u8]) -> (bool, usize) {
        let mut at = 0;
        // To the reader no bytes mean the end of the input.
        while at < bytes.len() {
            let (text, ends) = (&mut self.text[self.length..], &mut self.ends[self.count..]);
            let (result, read, written, ended) = self.reader.read_record(&bytes[at..], text, ends);
            (at, self.length, self.count) = (at + read, self.length + written, self.count + ended);
            match result {
                ReadRecordResult::Record => return (true, at),
                ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            }
        }
        (false, at)
    }

    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends[..self.count].iter().map(move |&end| {
            let field = self.text.get(start..end).unwrap_or_default();
            start = end;
            field
        })
    }
}

/// An export on its way into blocks.
#[derive(Debug)]
pub(super) struct Csv {
    header: Header,
    parser: Parser,
    /// The longest row.
    max: usize,
    /// How much is read for a block, and of a row before it comes in parts.
    enough: usize,
    split: usize,
    /// Whether rows are handed on as they come.
    prompt: bool,
    /// Where in the block that comes next its first row may begin: after the header in the first one.
    begin: usize,
    /// The line of the input on which the next block begins.
    line: u64,
    /// Whether the block that comes next begins within a row that is too long.
    in_long_row: bool,
    /// Whether the end that comes is an error's: what is not a whole row then is not a reject of its own.
    pub(super) cut: bool,
}

impl Csv {
    /// Rows after a header that ends at `begin`.
    pub(super) fn new(header: Header, begin: usize, max: usize, prompt: bool) -> Self {
        Self {
            header,
            parser: Parser::default(),
            max,
            enough: BLOCK,
            split: max + 2,
            prompt,
            begin,
            line: 1,
            in_long_row: false,
            cut: false,
        }
    }

    /// Returns the rows in a block that holds a whole reject, which began on `line` of its input.
    pub(super) fn rows_of_reject(header: Header, block: &mut Block, line: u64, max: usize) -> Content {
        let csv = Self::new(header, 0, max, false);
        let mut csv = Self { enough: usize::MAX, split: usize::MAX, line, ..csv };
        // All of it is there: nothing is read.
        csv.next(block, &mut |_| Ok(false)).map_or(Content::Lines, |(_, content)| content)
    }

    /// Finds the rows of a block, reading `more` (`false` at the end) as needed: where they end, and they.
    pub(super) fn next(
        &mut self,
        block: &mut Block,
        more: &mut dyn FnMut(&mut Block) -> io::Result<bool>,
    ) -> io::Result<(usize, Content)> {
        block.line = Some(self.line);
        let (end, content) =
            if self.in_long_row { self.rest_of_row(block, more)? } else { self.rows(block, more)? };
        self.begin = 0;
        self.line += memchr_iter(b'\n', &block.bytes()[..end]).count() as u64;
        Ok((end, content))
    }

    fn rows(
        &mut self,
        block: &mut Block,
        more: &mut dyn FnMut(&mut Block) -> io::Result<bool>,
    ) -> io::Result<(usize, Content)> {
        let mut found = ParsedRows::new(self);
        let (mut at, mut start) = (self.begin, self.begin);
        self.parser.begin();
        loop {
            let (is_row, length) = self.parser.parse(&block.bytes()[at..]);
            at += length;
            start += blank_prefix_len(&block.bytes()[start..at]);
            if is_row {
                found.push(self, block.bytes(), start..at - 1, true);
                start = at;
                self.parser.begin();
                if at >= self.enough {
                    break;
                }
                continue;
            }
            // What there is goes first.
            let is_enough = self.prompt && !found.rows.is_empty() || at >= self.enough || at > self.split;
            if start > 0 && is_enough {
                break;
            }
            if at > self.split {
                self.in_long_row = true;
                return Ok((at, self.long_row(true, false)));
            }
            if !more(block)? {
                if start < at && !self.cut {
                    let is_closed = self.parser.parse(b"\n").0;
                    found.push(self, block.bytes(), start..at, is_closed);
                }
                start = at;
                break;
            }
        }
        let ParsedRows { json, rows, .. } = found;
        Ok((start, Content::Rows(Rows { header: Arc::clone(&self.header.text), json, rows })))
    }

    /// Goes on with a row that is too long, up to its end.
    fn rest_of_row(
        &mut self,
        block: &mut Block,
        more: &mut dyn FnMut(&mut Block) -> io::Result<bool>,
    ) -> io::Result<(usize, Content)> {
        let ended = block.bytes().is_empty() && !more(block)?;
        // Its fields are not wanted: the room of those that came is used again.
        (self.parser.length, self.parser.count) = (0, 0);
        let (is_row, length) = self.parser.parse(block.bytes());
        self.in_long_row = !is_row && !ended;
        Ok((length - usize::from(is_row), self.long_row(false, !self.in_long_row)))
    }

    fn long_row(&self, first: bool, last: bool) -> Content {
        Content::OverlongRowPart(OverlongRowPart { header: Arc::clone(&self.header.text), first, last })
    }
}

/// How many line ends bytes begin with.
fn blank_prefix_len(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// The rows that were found in a block.
struct ParsedRows {
    json: Vec<u8>,
    rows: Vec<Row>,
    /// A place in the block, and its line.
    at: usize,
    line: u64,
}

impl ParsedRows {
    fn new(csv: &Csv) -> Self {
        Self { json: Vec::new(), rows: Vec::new(), at: 0, line: csv.line }
    }

    /// Adds the row that was parsed last.
    fn push(&mut self, csv: &Csv, bytes: &[u8], raw: Range<usize>, is_closed: bool) {
        self.line += memchr_iter(b'\n', &bytes[self.at..raw.start]).count() as u64;
        self.at = raw.start;
        let fault = row_error(csv, &bytes[raw.clone()], is_closed);
        let start = self.json.len();
        if fault.is_none() {
            csv.header.write_record(&csv.parser, &mut self.json);
        }
        self.rows.push(Row { json: start..self.json.len(), raw, line: self.line, fault });
        self.json.push(b'\n');
    }
}

/// Why the row that was parsed last does not make a record.
fn row_error(csv: &Csv, raw: &[u8], is_closed: bool) -> Option<Rejection> {
    if raw.len() > csv.max {
        return Some(too_long(csv.max));
    }
    if let Err(error) = std::str::from_utf8(raw) {
        return Some(not_utf8(raw, error.valid_up_to()));
    }
    if !is_closed {
        let advice = ", expected a quote at its end; was the file cut short?";
        let message = format!("a quoted field of the row is not closed{advice}");
        return Some(Rejection::new(RejectReason::NotObject, message, advice));
    }
    let (fields, columns) = (csv.parser.count, csv.header.fields.len());
    (fields != columns).then(|| {
        let advice = format!(
            ", expected {columns} as in the header; quote fields that contain commas, or add the missing fields"
        );
        let message = format!("the row has {fields} fields{advice}");
        Rejection::new(RejectReason::NotObject, message, &advice)
    })
}
