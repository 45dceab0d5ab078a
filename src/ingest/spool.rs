//! Holds the output of an object until the whole object is known to be valid: in memory up to a limit, then in a file.

use crate::store::Payload;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};
use tempfile::{SpooledData, SpooledTempFile};

/// Bytes of an object's output that stay in memory.
pub(super) const IN_MEMORY: usize = 8 << 20;

/// The encoder is fed chunks of this size, so that its bytes depend only on the content.
const PIECE: usize = 64 << 10;

/// Held output: plain, or reproducible gzip (no timestamp, one level, chunks of equal size).
pub(super) enum Spool {
    Plain(SpooledTempFile),
    Packed { encoder: Box<GzEncoder<SpooledTempFile>>, piece: Vec<u8> },
}

impl Spool {
    pub(super) fn plain(in_memory: usize) -> Self {
        Self::Plain(SpooledTempFile::new(in_memory))
    }

    pub(super) fn packed() -> Self {
        let encoder = GzEncoder::new(SpooledTempFile::new(IN_MEMORY), Compression::fast());
        Self::Packed { encoder: Box::new(encoder), piece: Vec::with_capacity(PIECE) }
    }

    /// Returns the output, from its beginning.
    pub(super) fn finish(self) -> io::Result<Payload> {
        let spooled = match self {
            Self::Plain(spooled) => spooled,
            Self::Packed { mut encoder, piece } => {
                encoder.write_all(&piece)?;
                encoder.finish()?
            }
        };
        Ok(match spooled.into_inner() {
            SpooledData::InMemory(bytes) => Payload::Bytes(bytes.into_inner().into()),
            SpooledData::OnDisk(mut file) => {
                let size = io::Seek::stream_position(&mut file)?;
                io::Seek::rewind(&mut file)?;
                Payload::File(file, size)
            }
        })
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(spooled) => spooled.write(bytes),
            Self::Packed { encoder, piece } if piece.is_empty() && bytes.len() >= PIECE => {
                encoder.write_all(&bytes[..PIECE])?;
                Ok(PIECE)
            }
            Self::Packed { encoder, piece } => {
                let taken = bytes.len().min(PIECE - piece.len());
                piece.extend_from_slice(&bytes[..taken]);
                if piece.len() == PIECE {
                    encoder.write_all(piece)?;
                    piece.clear();
                }
                Ok(taken)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Payload, Spool};
    use std::io::Write as _;

    #[test]
    fn gzip_output_is_independent_of_write_sizes() {
        let text: Vec<u8> =
            (0..400_000_u32).flat_map(|number| (number % 977).to_string().into_bytes()).collect();
        let packed = |size: usize| {
            let mut spool = Spool::packed();
            text.chunks(size).for_each(|chunk| spool.write_all(chunk).unwrap());
            let Payload::Bytes(bytes) = spool.finish().unwrap() else { panic!("small") };
            bytes
        };
        let whole = packed(text.len());
        assert!([1, 7, 1000, 65_536, 65_537, 300_001].into_iter().all(|size| packed(size) == whole));
    }
}
