//! Decides when to retry parsing an incomplete JSON value: each attempt rescans from its start, so retries are spaced.

use super::block::Block;
use crate::json::skip_space;
use memchr::{memchr, memchr2};
use std::io;

/// What may complete the value, so that a retry is worthwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RescanTrigger {
    /// The end of the first non-blank line.
    Line,
    /// The end of a value.
    Value,
    /// Nothing that a few bytes could show.
    Nothing,
}

/// Reads `more` (`false` at the end) after the incomplete value at `start`; returns whether the input has ended.
///
/// Returns when a retry is worthwhile: at the end, at more than `max` bytes, when the awaited byte may have arrived, or
/// when the length has doubled. So all retries together scan a few times what arrives, however small the pieces.
pub(super) fn read_until_rescan(
    block: &mut Block,
    start: usize,
    max: usize,
    until: RescanTrigger,
    more: &mut dyn FnMut(&mut Block) -> io::Result<bool>,
) -> io::Result<bool> {
    let seen = block.bytes().len();
    #[cfg(test)]
    tests::LOOKED.set(tests::LOOKED.get() + seen - start);
    let (mut searched, mut detector) = (seen, None);
    loop {
        let ended = !more(block)?;
        let length = block.bytes().len() - start;
        if ended || length > max || length >= 2 * (seen - start) {
            return Ok(ended);
        }
        let detector = detector.get_or_insert_with(|| EndDetector::after(&block.bytes()[start..seen], until));
        if detector.feed(&block.bytes()[searched..]) {
            return Ok(false);
        }
        searched = start + length;
    }
}

/// Scans bytes once, piece by piece, for what may end a value. This is not a parser: for invalid JSON it may report too
/// many or too few ends.
struct EndDetector {
    until: RescanTrigger,
    /// Whether anything but whitespace was seen.
    begun: bool,
    /// The number of open arrays and objects.
    depth: usize,
    in_string: bool,
    /// Whether the previous byte was a backslash in a string.
    escaped: bool,
}

impl EndDetector {
    /// Starts after the given bytes.
    fn after(bytes: &[u8], until: RescanTrigger) -> Self {
        let mut detector = Self { until, begun: false, depth: 0, in_string: false, escaped: false };
        detector.feed(bytes);
        detector
    }

    /// Returns whether the end may be in these bytes.
    fn feed(&mut self, bytes: &[u8]) -> bool {
        match self.until {
            RescanTrigger::Line => self.line(bytes),
            RescanTrigger::Value => self.value(bytes),
            RescanTrigger::Nothing => false,
        }
    }

    fn line(&mut self, bytes: &[u8]) -> bool {
        let start = if self.begun { 0 } else { skip_space(bytes, 0) };
        self.begun |= start < bytes.len();
        memchr(b'\n', &bytes[start..]).is_some()
    }

    fn value(&mut self, mut bytes: &[u8]) -> bool {
        let mut ended = false;
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.in_string {
                bytes = self.string(bytes);
                ended |= !self.in_string && self.depth == 0;
                continue;
            }
            bytes = rest;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            ended |= self.depth == 0 && matches!(byte, b'}' | b']' | b',');
        }
        ended
    }

    /// Returns the rest after the next quote or backslash of a string; not empty.
    fn string<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if std::mem::take(&mut self.escaped) {
            return &bytes[1..];
        }
        let Some(at) = memchr2(b'"', b'\\', bytes) else { return &[] };
        self.escaped = bytes[at] == b'\\';
        self.in_string = self.escaped;
        &bytes[at + 1..]
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::Content;
    use super::super::framer::Framer;
    use super::super::{Input, Options};
    use std::cell::Cell;
    use std::io::{self, Read};

    thread_local! {
        /// Bytes scanned in vain on this thread.
        pub(super) static LOOKED: Cell<usize> = const { Cell::new(0) };
    }

    /// Pieces, one per read, followed by an error or the end.
    struct Pieces(Vec<Vec<u8>>, bool);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return if self.1 { Err(io::Error::other("read on")) } else { Ok(0) };
            }
            let length = self.0[0].len().min(buffer.len());
            buffer[..length].copy_from_slice(&self.0[0][..length]);
            self.0[0].drain(..length);
            self.0.retain(|piece| !piece.is_empty());
            Ok(length)
        }
    }

    /// Returns how many bytes are scanned in vain if the input arrives in pieces of a size, and how many values there
    /// are.
    fn looked(bytes: &[u8], piece: usize, max: usize) -> (usize, usize) {
        LOOKED.set(0);
        let pieces = Pieces(bytes.chunks(piece).map(<[u8]>::to_vec).collect(), false);
        let options = Options { max_line_bytes: max, ..Options::default() };
        let mut framer = Framer::new(Input::new("in", pieces), &options).unwrap();
        let (mut block, mut values) = (super::Block::default(), 0);
        while framer.next(&mut block).unwrap() {
            values += if let Content::Values(places) = &block.content { places.len() } else { 0 };
        }
        (LOOKED.get(), values)
    }

    #[test]
    fn small_chunks_cause_few_rescans() {
        let record = "\n  {\n    \"time\": \"2024-01-31T23:59:59Z\",\n    \"action\": \"A \\\" [\"\n  }";
        let array = format!("[{}\n]\n", vec![record; 4000].join(","));
        let page = format!("{{\n \"operation_logs\": {array}, \"page_size\": 30\n}}\n");
        for (text, max, values) in [
            (array.clone(), 4 << 20, 1),
            (page.clone(), 4 << 20, 1),
            // Element by element.
            (array.clone(), 10_000, 4000),
            (page, 10_000, 4000),
            // The beginning and the first element are rejects.
            (array.replacen("\"time\":", "\"time\"", 1), 4 << 20, 4001),
            // Not a value, and none follows.
            (format!("{{\n \"b\": 1,\n \"a\": x{}", "\n   {}, 1".repeat(40_000)), 4 << 20, 1),
            (format!("{{\n \"b\": 1,\n \"a\": {}", "1".repeat(400_000)), 4 << 20, 1),
            ("[".to_owned() + &"x".repeat(400_000), 4 << 20, 0),
            (" \n".repeat(200_000) + &array, 4 << 20, 1),
        ] {
            for piece in [500, 7000] {
                let (looked, found) = looked(text.as_bytes(), piece, max);
                let start = &text[..30];
                assert_eq!(found, values, "{start:?} of {}", text.len());
                assert!(
                    looked < 4 * text.len(),
                    "{start:?}: {looked} of {} in pieces of {piece}",
                    text.len()
                );
            }
        }
    }

    #[test]
    fn complete_value_is_emitted_before_more_is_read() {
        let long = "x".repeat(1000);
        for pieces in [
            vec![format!("{{\n\"a\": \"{long}"), "\"}".into()],
            vec![format!("{{\n\"a\": [{{\"b\": \"{long}\\"), "\"".into(), "\"}]\n}".into()],
            vec![format!("[\n{{\"a\": \"{long}"), "\"}".into(), "]".into()],
            vec![format!("{{\n\"a\": 1}}\n{{\n\"a\": \"{long}"), "\\".into(), "\"\"}".into()],
            vec![format!("\u{feff}\n{{\n\"a\": {{\"{long}"), "\": 1}".into(), "  }".into()],
        ] {
            let whole: String = pieces.concat();
            let pieces = pieces.into_iter().map(String::into_bytes).collect();
            let input = Input::new("in", Pieces(pieces, true));
            let mut framer = Framer::new(input, &Options::default()).unwrap();
            let (mut block, mut end) = (super::Block::default(), 0);
            while end < whole.len() {
                assert!(framer.next(&mut block).unwrap(), "{whole}");
                assert!(matches!(&block.content, Content::Values(places) if places.len() == 1), "{whole}");
                end += block.bytes().len();
            }
            assert!(framer.next(&mut block).is_err());
        }
    }
}
