//! Lines that are cut between the gzip members of a growing file.
//!
//! Writers that flush by size end a member in the middle of a line. What was read up to there is done, so the line is
//! read again, from its beginning in the unpacked bytes, once its rest is appended.

use super::read_range::{MAX_LINE, ReadRange, is_blank, is_complete_json};
use crate::normalize::Format;
use flate2::bufread::{GzDecoder, MultiGzDecoder};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};

/// A last line that has no end and is not a whole record.
struct OpenLine {
    /// Where the member begins in which the line begins.
    member: u64,
    /// Unpacked bytes of that member before the line.
    skip: u64,
    /// Whether no other member holds a part of the line, and the member itself begins with a line.
    held_alone: bool,
}

/// Returns what to read of a file of gzip members; see [`super::growing_file::extent`].
pub(super) fn extent(
    file: &mut File,
    size: u64,
    done: u64,
    format: Format,
    settled: bool,
) -> io::Result<ReadRange> {
    let again = if begins_with_record(file, done)? { None } else { open_line(file, done, format)? };
    let (start, skip) = again.map_or((done, 0), |line| (line.member, line.skip));
    let open = if settled { None } else { open_line(file, size, format)? };
    // A member is read in whole. If every member cuts a line, waiting for one that does not could last forever.
    Ok(match open.filter(|line| line.held_alone && line.member >= done) {
        Some(line) => ReadRange { start, skip, end: line.member, unfinished: true },
        None => ReadRange { start, skip, end: size, unfinished: false },
    })
}

/// Returns whether the member at `start` begins with a whole record, so that no line before it continues in it.
fn begins_with_record(file: &mut File, start: u64) -> io::Result<bool> {
    if start == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::Start(start))?;
    let unpacked = MultiGzDecoder::new(BufReader::new(file));
    let mut line = Vec::new();
    // Damaged bytes are reported by the conversion.
    let read = BufReader::new(unpacked).take(MAX_LINE).read_until(b'\n', &mut line);
    Ok(read.is_ok() && (is_blank(&line) || is_complete_json(&line)))
}

/// Returns the open line after the members before `end`; `None` if there is none, if it is too long to look at, or if the
/// bytes are not lines in gzip members.
fn open_line(file: &mut File, end: u64, format: Format) -> io::Result<Option<OpenLine>> {
    file.rewind()?;
    let mut packed = BufReader::new(file);
    let mut lines = Lines { first: Some(format), line: Vec::new(), begin: (0, 0) };
    let (mut at, mut last) = (0, (0, true));
    while at < end {
        last = (at, lines.line.is_empty());
        let mut member = GzDecoder::new(&mut packed);
        let (mut piece, mut unpacked) = (vec![0; 64 << 10], 0);
        loop {
            // Damaged bytes are reported by the conversion.
            let Ok(length) = member.read(&mut piece) else { return Ok(None) };
            if length == 0 {
                break;
            }
            if !lines.add(&piece[..length], (at, unpacked)) {
                return Ok(None);
            }
            unpacked += length as u64;
        }
        at = packed.stream_position()?;
    }
    if at != end || is_blank(&lines.line) || is_complete_json(&lines.line) {
        return Ok(None);
    }
    let (member, skip) = lines.begin;
    Ok(Some(OpenLine { member, skip, held_alone: last == (member, true) }))
}

/// The lines of unpacked bytes that arrive in pieces.
struct Lines {
    /// The format, until the first line was seen.
    first: Option<Format>,
    /// The last line, as far as it has arrived.
    line: Vec<u8>,
    /// Where it begins: the member, and how many bytes of that come before it.
    begin: (u64, u64),
}

impl Lines {
    /// Adds a piece from so many bytes into a member; returns whether these are lines of a usual length.
    fn add(&mut self, piece: &[u8], (member, at): (u64, u64)) -> bool {
        if let (Some(format), Some(end)) = (self.first, memchr::memchr(b'\n', piece)) {
            self.line.extend_from_slice(&piece[..end]);
            let lines = match format {
                Format::Ndjson => true,
                Format::Auto => is_complete_json(&self.line),
                _ => false,
            };
            if !lines {
                return false;
            }
            self.first = None;
        }
        let rest = match memchr::memrchr(b'\n', piece) {
            Some(end) => {
                self.line.clear();
                &piece[end + 1..]
            }
            None => piece,
        };
        if self.line.is_empty() {
            self.begin = (member, at + (piece.len() - rest.len()) as u64);
        }
        self.line.extend_from_slice(rest);
        self.line.len() as u64 <= MAX_LINE
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, extent};
    use std::io::Write as _;

    /// Start, skip, end and whether a line is left, in members, of a file whose members unpack to `members`.
    fn read(members: &[&str], done: usize, settled: bool) -> (usize, u64, usize, bool) {
        let mut file = tempfile::tempfile().unwrap();
        let mut ends = vec![0];
        for text in members {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(text.as_bytes()).unwrap();
            let packed = packed.finish().unwrap();
            file.write_all(&packed).unwrap();
            ends.push(ends.last().unwrap() + packed.len() as u64);
        }
        let size = *ends.last().unwrap();
        let extent = extent(&mut file, size, ends[done], Format::Auto, settled).unwrap();
        let member = |at: u64| ends.iter().position(|end| *end == at).unwrap();
        (member(extent.start), extent.skip, member(extent.end), extent.unfinished)
    }

    #[test]
    fn cut_line_is_read_again_from_its_beginning() {
        for settled in [false, true] {
            assert_eq!(read(&["{}\n{\"a", "\":1}\n"], 1, settled), (0, 3, 2, false));
            assert_eq!(read(&["{}\n", "{}\n{\"a", "\":", "1}\n{}\n"], 3, settled), (1, 3, 4, false));
            // Where a line ends with its member, or lacks nothing but its end, nothing is read again.
            for first in ["{}\n", "{}\n{}", "no\n[1\n"] {
                assert_eq!(read(&[first, "{}\n"], 1, settled), (1, 0, 2, false), "{first:?}");
                assert_eq!(read(&[first, "\n{}\n"], 1, settled), (1, 0, 2, false), "{first:?}");
            }
        }
    }

    #[test]
    fn member_with_unfinished_line_waits_until_settled() {
        assert_eq!(read(&["{}\n{\"a"], 0, false), (0, 0, 0, true));
        assert_eq!(read(&["{\"a"], 0, false), (0, 0, 0, true));
        assert_eq!(read(&["{}\n", "{}\n{\"a"], 0, false), (0, 0, 1, true));
        assert_eq!(read(&["{}\n", "{}\n{\"a"], 1, false), (1, 0, 1, true));
        assert_eq!(read(&["{}\n", "{}\n{\"a"], 1, true), (1, 0, 2, false));
        // Each member cuts a line: not to wait forever, all are read.
        assert_eq!(read(&["{}\n{\"a", "\":1}\n{"], 0, false), (0, 0, 2, false));
        assert_eq!(read(&["{}\n{\"a", "\":1}\n{"], 1, false), (0, 3, 2, false));
        // A document is not lines: it has no unfinished one.
        assert_eq!(read(&["[\n{}\n]"], 0, false), (0, 0, 1, false));
    }
}
