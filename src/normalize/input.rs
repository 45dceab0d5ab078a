//! Inputs: named readers, decompressed if they are gzip.

use flate2::{Decompress, FlushDecompress, Status};
use std::fmt;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One input: a reader with the name that rejects and errors use.
pub struct Input<'r> {
    pub(super) name: Arc<str>,
    pub(super) reader: io::Result<BoxReader<'r>>,
    pub(super) prompt: bool,
    /// Bytes after the last gzip member that were ignored, once all was read.
    pub(super) ignored: TrailingByteCount,
}

/// A reader of any kind, which may borrow what it reads.
pub(crate) type BoxReader<'r> = Box<dyn Read + Send + 'r>;

/// How many bytes after the last gzip member were ignored.
pub(crate) type TrailingByteCount = Arc<AtomicU64>;

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'r> Input<'r> {
    /// Creates an input from a reader, plain or gzip.
    pub fn new(name: impl Into<Arc<str>>, reader: impl Read + Send + 'r) -> Self {
        Self { name: name.into(), reader: Ok(Box::new(reader)), prompt: false, ignored: Arc::default() }
    }

    /// Creates an input that could not be opened; the error is reported in its turn.
    pub fn failed(name: impl Into<Arc<str>>, error: io::Error) -> Self {
        Self { name: name.into(), reader: Err(error), prompt: false, ignored: Arc::default() }
    }

    /// Passes lines on as they arrive instead of waiting for a block of them, for pipes that are written slowly.
    #[must_use]
    pub fn line_buffered(self) -> Self {
        Self { prompt: true, ..self }
    }
}

impl Input<'static> {
    /// An input that was decompressed already.
    #[cfg(feature = "cloud")]
    pub(crate) fn from_decompressed(name: impl Into<Arc<str>>, decompressed: Decompressed<'static>) -> Self {
        Self { ignored: decompressed.ignored, ..Self::new(name, decompressed.reader) }
    }
}

/// The start of gzip data (RFC 1952): two magic bytes, and deflate, its only method.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Returns whether bytes begin like gzip data.
#[must_use]
pub fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

/// Compressed bytes to read at once; larger values gave no speed-up for objects of 2 MB.
const PACKED_BLOCK: usize = 128 << 10;

/// Bytes that are not gzip, or not any more.
pub(crate) struct Decompressed<'r> {
    pub(crate) reader: BoxReader<'r>,
    /// Known once the reader has reached its end.
    pub(crate) ignored: TrailingByteCount,
}

/// The bytes of `reader`, decompressed if they are gzip.
pub(crate) fn decompress(reader: BoxReader<'_>) -> io::Result<Decompressed<'_>> {
    decompress_with(reader, &|reader| reader)
}

/// The same, where `limit` wraps what each level of gzip unpacks to.
///
/// Unpacks at most twice: files that were compressed again on upload (`gsutil cp -Z` of a `.gz`) are common. Three levels
/// are an error, because nobody stores logs like that and each level multiplies what a bomb may unpack to.
pub(crate) fn decompress_with<'r>(
    reader: BoxReader<'r>,
    limit: &dyn Fn(BoxReader<'r>) -> BoxReader<'r>,
) -> io::Result<Decompressed<'r>> {
    let ignored = TrailingByteCount::default();
    let (reader, packed) = decompress_once(reader, &ignored)?;
    let (reader, packed) =
        if packed { decompress_once(limit(reader), &ignored)? } else { (limit(reader), false) };
    let reader = if packed { not_gzip(limit(reader))? } else { reader };
    Ok(Decompressed { reader, ignored })
}

/// The reader unless it is gzip.
fn not_gzip(reader: BoxReader<'_>) -> io::Result<BoxReader<'_>> {
    let (whole, packed) = begins_as_gzip(reader)?;
    if packed {
        let message = "triple-compressed gzip; decompress it once first";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(Box::new(whole))
}

/// Unpacks one level of gzip, and says whether there was one.
pub(super) fn decompress_once<'r>(
    reader: BoxReader<'r>,
    ignored: &TrailingByteCount,
) -> io::Result<(BoxReader<'r>, bool)> {
    let (whole, packed) = begins_as_gzip(reader)?;
    if !packed {
        return Ok((Box::new(whole), false));
    }
    let packed = BufReader::with_capacity(PACKED_BLOCK, whole);
    let gunzip = MultiGzReader {
        packed,
        member: Some(member()),
        filled: false,
        fault: None,
        ignored: Arc::clone(ignored),
    };
    Ok((Box::new(gunzip), true))
}

type CompleteReads<'r> = Chain<io::Take<Cursor<[u8; 3]>>, BoxReader<'r>>;

/// The reader from its first byte again, and whether it begins as gzip does.
fn begins_as_gzip(mut reader: BoxReader<'_>) -> io::Result<(CompleteReads<'_>, bool)> {
    let mut start = [0; 3];
    let (length, fault) = read_magic(&mut reader, &mut start);
    if let Some(fault) = fault {
        if length == 0 {
            return Err(fault);
        }
        // What came before the fault is handed on, then the fault.
        reader = Box::new(Failing(Some(fault)));
    }
    Ok((Cursor::new(start).take(length as u64).chain(reader), is_gzip(&start[..length])))
}

/// A reader that fails once.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Decompresses member after member.
///
/// The readers of flate2 lose what they decompressed in the call that finds damage, so how much precedes the damage
/// would depend on the buffer of the caller.
struct MultiGzReader<'r> {
    packed: BufReader<CompleteReads<'r>>,
    /// The current member; `None` between members.
    member: Option<Decompress>,
    /// Whether the caller's buffer was filled: more may have been decompressed than there was room for.
    filled: bool,
    /// An error to report after the preceding bytes were taken.
    fault: Option<io::Error>,
    ignored: TrailingByteCount,
}

/// Decompresses one member, and checks its header, checksum and length.
fn member() -> Decompress {
    Decompress::new_gzip(15)
}

impl Read for MultiGzReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            if let Some(fault) = self.fault.take() {
                return Err(describe(fault));
            }
            if self.member.is_none() && !self.next_member()? {
                break;
            }
            let length = self.unpack(buffer)?;
            if length > 0 {
                return Ok(length);
            }
        }
        Ok(0)
    }
}

impl MultiGzReader<'_> {
    /// Decompresses as much as fits; returns how much that was.
    fn unpack(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(member) = &mut self.member else { return Ok(0) };
        // Reading may wait, so what is decompressed already comes first.
        let held = std::mem::take(&mut self.filled) && self.packed.buffer().is_empty();
        let packed = if held { &[] } else { self.packed.fill_buf().map_err(describe)? };
        let (before, ended) = ((member.total_in(), member.total_out()), !held && packed.is_empty());
        let outcome = member.decompress(packed, buffer, FlushDecompress::None);
        let [taken, given] = [member.total_in() - before.0, member.total_out() - before.1]
            .map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        self.packed.consume(taken);
        self.filled = given == buffer.len();
        match outcome {
            Ok(Status::StreamEnd) => self.member = None,
            Ok(_) if ended && given == 0 => self.fault = Some(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) => self.fault = Some(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
        Ok(given)
    }

    /// Goes on with the member after the last one, if there is one. Zero bytes are padding, as tape blocks have it. What
    /// else does not begin as a member does is ignored to the end, as gzip(1) does, and counted.
    fn next_member(&mut self) -> io::Result<bool> {
        loop {
            let buffered = self.packed.fill_buf().map_err(describe)?;
            let (length, padding) = (buffered.len(), buffered.iter().take_while(|&&byte| byte == 0).count());
            let first = buffered.get(padding).copied();
            self.packed.consume(padding);
            match first {
                None if length == 0 => return Ok(false),
                None => {}
                Some(byte) if byte == MAGIC[0] => return self.begin_member(),
                Some(_) => return self.ignore_rest().map(|()| false),
            }
        }
    }

    /// Begins a member if the second byte is that of one. The first is taken alone, because a buffer may end after it and
    /// the answer must not depend on how the bytes were read.
    fn begin_member(&mut self) -> io::Result<bool> {
        self.packed.consume(1);
        match self.packed.fill_buf().map_err(describe)?.first() {
            // A first byte alone is what is left of a member that was cut off.
            None => self.fault = Some(io::ErrorKind::UnexpectedEof.into()),
            Some(&byte) if byte == MAGIC[1] => {
                let mut member = member();
                if let Err(error) = member.decompress(&MAGIC[..1], &mut [0], FlushDecompress::None) {
                    self.fault = Some(io::Error::new(io::ErrorKind::InvalidData, error));
                }
                self.member = Some(member);
            }
            Some(_) => {
                self.ignored.fetch_add(1, Ordering::Relaxed);
                self.ignore_rest()?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads to the end all the same: only there is it known whether all bytes arrived.
    fn ignore_rest(&mut self) -> io::Result<()> {
        loop {
            let length = self.packed.fill_buf().map_err(describe)?.len();
            if length == 0 {
                return Ok(());
            }
            self.packed.consume(length);
            self.ignored.fetch_add(length as u64, Ordering::Relaxed);
        }
    }
}

/// Describes an error in gzip data and what to do.
fn describe(error: io::Error) -> io::Error {
    let message = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the gzip data is truncated; fetch the file again".to_owned(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            format!("the gzip data is corrupt ({error}); fetch the file again")
        }
        // The source of other errors is kept for the caller.
        _ => return error,
    };
    io::Error::new(error.kind(), message)
}

/// Reads as many of gzip's magic bytes as are needed to decide, so that a short line need not wait.
fn read_magic(reader: &mut dyn Read, start: &mut [u8; 3]) -> (usize, Option<io::Error>) {
    let mut length = 0;
    while length < start.len() && MAGIC.starts_with(&start[..length]) {
        match reader.read(&mut start[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (length, Some(error)),
        }
    }
    (length, None)
}

#[cfg(test)]
mod tests {
    use super::{BufReader, Read, decompress};
    use flate2::{Compression, write::GzEncoder};
    use std::io::{self, Cursor, Write as _};
    use std::sync::atomic::Ordering;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A reader that gives a byte at a time, or as much as is asked for.
    struct Slow(Cursor<Vec<u8>>, bool);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = if self.1 { buffer.len().min(1) } else { buffer.len() };
            self.0.read(&mut buffer[..length])
        }
    }

    /// What is decompressed, how many bytes were ignored, and whether there was an error, however it is read.
    fn read(bytes: &[u8]) -> (Vec<u8>, u64, bool) {
        let [one, other] = [true, false].map(|slow| {
            let Ok(decompressed) = decompress(Box::new(Slow(Cursor::new(bytes.to_vec()), slow))) else {
                return (Vec::new(), 0, true);
            };
            let mut all = Vec::new();
            let failed = BufReader::new(decompressed.reader).read_to_end(&mut all).is_err();
            (all, decompressed.ignored.load(Ordering::Relaxed), failed)
        });
        assert_eq!(one, other, "the answer depends on how the bytes are read");
        one
    }

    #[test]
    fn bytes_after_gzip_members_are_ignored() {
        let members = [gzip(b"a\n"), gzip(b"b\n")].concat();
        for (rest, ignored) in [
            (&b"garbage"[..], 7),
            (b"\0\0\0garbage \x1f\x8b", 10),
            (b"\x1fgarbage", 8),
            (b"\0\0\x1f\0", 2),
            (b"\0\0\0", 0),
        ] {
            assert_eq!(read(&[&members, rest].concat()), (b"a\nb\n".to_vec(), ignored, false), "{rest:?}");
        }
    }

    #[test]
    fn damaged_gzip_member_is_an_error() {
        let member = gzip(b"b\n");
        for rest in [&b"\x1f"[..], b"\x1f\x8b", b"\x1f\x8bgarbage", &member[..member.len() - 1]] {
            let (bytes, ignored, failed) = read(&[&gzip(b"a\n"), rest].concat());
            assert!(bytes.starts_with(b"a\n") && ignored == 0 && failed, "{rest:?}");
        }
    }

    #[test]
    fn nested_gzip_is_decompressed_twice() {
        let twice = gzip(&[gzip(b"a\n"), b"inner".to_vec()].concat());
        assert_eq!(read(&[&twice[..], b"outer"].concat()), (b"a\n".to_vec(), 10, false));
        assert!(read(&gzip(&twice)).2, "three levels are refused");
        // What begins like gzip and ends with an error keeps what came before it.
        let cut = gzip(b"\x1f");
        assert_eq!(read(&cut[..cut.len() - 1]), (b"\x1f".to_vec(), 0, true));
    }

    /// Packed bytes of which no more come.
    struct Idle(Cursor<Vec<u8>>);

    impl Read for Idle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::ErrorKind::TimedOut.into()),
                read => Ok(read),
            }
        }
    }

    #[test]
    fn live_gzip_yields_all_flushed_bytes() {
        for length in 1..700 {
            let mut packer = GzEncoder::new(Vec::new(), Compression::best());
            packer.write_all(&vec![b'x'; length]).and_then(|()| packer.flush()).unwrap();
            let flushed = packer.get_ref().clone();
            let mut reader = decompress(Box::new(Idle(Cursor::new(flushed)))).unwrap().reader;
            let (mut buffer, mut came) = ([0; 64], 0);
            let end = loop {
                match reader.read(&mut buffer) {
                    Ok(read) => came += read,
                    Err(error) => break error.kind(),
                }
            };
            assert_eq!((came, end), (length, io::ErrorKind::TimedOut));
        }
    }
}
