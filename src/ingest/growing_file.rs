//! Where to begin and to end in a local file, part of which may be done: at line ends, so that no record is split.

use super::gzip_tail;
use super::read_range::{MAX_LINE, ReadRange, is_blank, is_complete_json};
use crate::normalize::{Format, is_gzip};
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};

/// How a file may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// A record a line: lines are appended.
    Lines,
    /// Gzip members: whole ones are appended.
    Members,
    /// One document, or what is not understood: whatever changes it makes another version of it.
    Whole,
}

/// Returns what to read of a file of `size` bytes whose first `done` bytes are done. `settled` means that nobody
/// writes to it any more: its last line is then read even if it has no end.
pub(super) fn extent(
    file: &mut File,
    size: u64,
    done: u64,
    format: Format,
    settled: bool,
) -> io::Result<ReadRange> {
    if done == 0 && settled {
        return Ok(ReadRange { start: 0, skip: 0, end: size, unfinished: false });
    }
    let framing = framing(file, size, format)?;
    let start = match framing {
        Framing::Whole => 0,
        Framing::Members => return gzip_tail::extent(file, size, done, format, settled),
        Framing::Lines => resume_offset(file, done)?,
    };
    let all = ReadRange { start, skip: 0, end: size, unfinished: false };
    if settled {
        return Ok(all);
    }
    let unfinished = unfinished_line(file, size)?;
    if framing == Framing::Whole {
        // A document is read in one piece, or later.
        let whole = size > MAX_LINE || is_whole_document(&read_range(file, 0, size)?, unfinished.is_none());
        return Ok(if whole { all } else { ReadRange { start: 0, skip: 0, end: 0, unfinished: true } });
    }
    Ok(match unfinished {
        Some(line) => ReadRange { start: start.min(line), skip: 0, end: line, unfinished: true },
        None => all,
    })
}

fn framing(file: &mut File, size: u64, format: Format) -> io::Result<Framing> {
    let first = read_range(file, 0, size.min(MAX_LINE))?;
    if is_gzip(&first) {
        return Ok(Framing::Members);
    }
    let line = match memchr::memchr(b'\n', &first) {
        Some(end) => &first[..end],
        None => &first,
    };
    Ok(match format {
        Format::Ndjson => Framing::Lines,
        Format::Auto if is_complete_json(line) => Framing::Lines,
        _ => Framing::Whole,
    })
}

/// Returns where to continue after what is done: there, or at the beginning of the line if only a part of it was read.
fn resume_offset(file: &mut File, done: u64) -> io::Result<u64> {
    if matches!(read_range(file, done, done + 1)?[..], [b'\n' | b'\r']) {
        return Ok(done);
    }
    Ok(unfinished_line(file, done)?.unwrap_or(done))
}

/// Returns where the last line before `end` begins, if it has no end and is not a whole record.
fn unfinished_line(file: &mut File, end: u64) -> io::Result<Option<u64>> {
    let from = end.saturating_sub(MAX_LINE);
    let tail = read_range(file, from, end)?;
    let begin = match memchr::memrchr(b'\n', &tail) {
        Some(newline) => newline + 1,
        None if from == 0 => 0,
        None => return Ok(None),
    };
    let line = &tail[begin..];
    let whole = is_blank(line) || is_complete_json(line);
    Ok((!whole).then_some(from + begin as u64))
}

/// Returns whether nothing is missing at the end of a document. JSON needs no last newline; other documents do.
fn is_whole_document(document: &[u8], ends_with_line: bool) -> bool {
    match document.trim_ascii_start().first() {
        Some(b'[' | b'{') => is_complete_json(document),
        _ => ends_with_line,
    }
}

fn read_range(file: &mut File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    (&mut *file).take(to - from).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Format, ReadRange, extent};
    use std::io::Write as _;

    fn read(bytes: &[u8], done: u64, settled: bool) -> (u64, u64, bool) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let ReadRange { start, end, unfinished, .. } =
            extent(&mut file, bytes.len() as u64, done, Format::Auto, settled).unwrap();
        (start, end, unfinished)
    }

    #[test]
    fn appended_lines_are_read_from_the_last_offset() {
        assert_eq!(read(b"{}\n{}\n", 3, true), (3, 6, false));
        // The last record that was read had no end of line, and was whole.
        assert_eq!(read(b"{}\n{}\n{}", 5, true), (5, 8, false));
        assert_eq!(read(b"{}\n{}{}\n", 5, true), (5, 8, false));
        // It was not whole: its line is read again.
        assert_eq!(read(b"{}\n{\"a\":1}\n", 6, true), (3, 11, false));
    }

    #[test]
    fn unfinished_line_waits_until_file_is_settled() {
        for (settled, extent) in [(false, (0, 3, true)), (true, (0, 6, false))] {
            assert_eq!(read(b"{}\n{\"a", 0, settled), extent);
        }
        assert_eq!(read(b"{}\n{\"a", 3, false), (3, 3, true));
        for whole in [&b"{}\n{}"[..], b"{}\n{}\n", b"{}\n  "] {
            assert_eq!(read(whole, 3, false), (3, whole.len() as u64, false));
        }
        assert_eq!(read(b"{\"a", 0, false), (0, 0, true));
    }

    #[test]
    fn grown_document_is_read_from_its_start() {
        assert_eq!(read(b"[\n{},\n{}\n]", 6, true), (0, 10, false));
        assert_eq!(read(b"no record\n{}\n", 10, true), (0, 13, false));
        assert_eq!(read(&[0x1f, 0x8b, 8, 0, 0x1f, 0x8b, 8], 4, true), (4, 7, false));
    }

    #[test]
    fn unsettled_document_is_read_whole_or_not_at_all() {
        for whole in [&b"[\n{},\n{}\n]"[..], b"{\n\"a\":1}", b"time,action\na,b\n"] {
            assert_eq!(read(whole, 0, false), (0, whole.len() as u64, false));
        }
        for part in [&b"[\n{},\n{}"[..], b"time,action\na,b\nc"] {
            assert_eq!(read(part, 0, false), (0, 0, true));
            assert_eq!(read(part, 5, false), (0, 0, true));
            assert_eq!(read(part, 5, true), (0, part.len() as u64, false));
        }
    }
}
