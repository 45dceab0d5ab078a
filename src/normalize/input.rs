//! Inputs: a name and bytes, unpacked where they are gzip.

use flate2::{Decompress, FlushDecompress, Status};
use std::fmt;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::sync::Arc;

/// One input: bytes with the name that rejects and errors call it by.
pub struct Input {
    pub(super) name: Arc<str>,
    pub(super) reader: io::Result<Box<dyn Read + Send>>,
    pub(super) prompt: bool,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Input {
    /// An input of bytes, plain or gzip.
    pub fn new(name: impl Into<Arc<str>>, reader: impl Read + Send + 'static) -> Self {
        Self { name: name.into(), reader: Ok(Box::new(reader)), prompt: false }
    }

    /// An input that could not be opened: it is reported in its turn.
    pub fn failed(name: impl Into<Arc<str>>, error: io::Error) -> Self {
        Self { name: name.into(), reader: Err(error), prompt: false }
    }

    /// Passes lines on as they arrive instead of waiting for a block of them: for a pipe that somebody writes to
    /// slowly.
    #[must_use]
    pub fn prompt(self) -> Self {
        Self { prompt: true, ..self }
    }
}

/// How gzip begins (RFC 1952): two magic bytes, and deflate, the one method there is.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Whether bytes begin as gzip does.
#[must_use]
pub fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

/// How much packed input is read at once: beyond this nothing was gained when unpacking 2 MB objects.
const PACKED_BLOCK: usize = 128 << 10;

/// The bytes of `reader`, unpacked if they are gzip: every member of it, and zero bytes behind the last (padding).
pub(crate) fn unpacked(mut reader: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut start = [0; 3];
    let length = read_magic(&mut reader, &mut start)?;
    let whole = Cursor::new(start).take(length as u64).chain(reader);
    if !is_gzip(&start[..length]) {
        return Ok(Box::new(whole));
    }
    let packed = BufReader::with_capacity(PACKED_BLOCK, whole);
    Ok(Box::new(Gunzip { packed, member: Some(member()), filled: false, fault: None }))
}

type Whole = Chain<io::Take<Cursor<[u8; 3]>>, Box<dyn Read + Send>>;

/// Unpacks member after member.
///
/// Not by flate2's readers: what one of them unpacks in a call that meets damage is lost, so how much comes before the
/// damage would be the caller's buffer's to say.
struct Gunzip {
    packed: BufReader<Whole>,
    /// The member at hand; `None` between members.
    member: Option<Decompress>,
    /// Whether the caller's buffer was filled: more may have been unpacked than there was room for.
    filled: bool,
    /// Told once what came before it was taken.
    fault: Option<io::Error>,
}

/// Unpacks one member, and checks its head, sum and length.
fn member() -> Decompress {
    Decompress::new_gzip(15)
}

impl Read for Gunzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            if let Some(fault) = self.fault.take() {
                return Err(describe(&fault));
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

impl Gunzip {
    /// Unpacks what there is room for; how much that was.
    fn unpack(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(member) = &mut self.member else { return Ok(0) };
        // Reading may wait, so what is unpacked already comes first.
        let held = std::mem::take(&mut self.filled) && self.packed.buffer().is_empty();
        let packed = if held { &[] } else { self.packed.fill_buf().map_err(|error| describe(&error))? };
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

    /// Goes on with the member behind the last one, if there is one. Zero bytes are padding, as tape blocks have it.
    fn next_member(&mut self) -> io::Result<bool> {
        loop {
            let buffered = self.packed.fill_buf().map_err(|error| describe(&error))?;
            let (length, padding) = (buffered.len(), buffered.iter().take_while(|&&byte| byte == 0).count());
            self.packed.consume(padding);
            if padding < length {
                self.member = Some(member());
                return Ok(true);
            }
            if length == 0 {
                return Ok(false);
            }
        }
    }
}

/// Says of a fault in gzip what it is and what to do.
fn describe(error: &io::Error) -> io::Error {
    let message = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the gzip data is cut short: fetch it again".to_owned(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            format!("the gzip data is damaged ({error}): fetch it again")
        }
        _ => return io::Error::new(error.kind(), error.to_string()),
    };
    io::Error::new(error.kind(), message)
}

/// Reads what there is of gzip's magic bytes: no more than it takes to tell, so that a short line need not wait.
fn read_magic(reader: &mut dyn Read, start: &mut [u8; 3]) -> io::Result<usize> {
    let mut length = 0;
    while length < start.len() && MAGIC.starts_with(&start[..length]) {
        match reader.read(&mut start[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::unpacked;
    use flate2::{Compression, write::GzEncoder};
    use std::io::{self, Read, Write as _};

    /// Packed bytes of which no more come.
    struct Idle(io::Cursor<Vec<u8>>);

    impl Read for Idle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::ErrorKind::TimedOut.into()),
                read => Ok(read),
            }
        }
    }

    #[test]
    fn live_gzip_gives_all_that_has_come() {
        for length in 1..700 {
            let mut packer = GzEncoder::new(Vec::new(), Compression::best());
            packer.write_all(&vec![b'x'; length]).and_then(|()| packer.flush()).unwrap();
            let packed = packer.get_ref().clone();
            let mut reader = unpacked(Box::new(Idle(io::Cursor::new(packed)))).unwrap();
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
