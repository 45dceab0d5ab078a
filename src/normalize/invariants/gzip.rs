//! Properties of gzip input, whole, truncated or damaged, against the readers of `flate2`.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how they say no")]

use super::super::input::{TrailingByteCount, decompress_once, is_gzip};
use super::super::options::Options;
use super::input::whole;
use flate2::bufread::{GzDecoder, MultiGzDecoder};
use once_cell::sync::Lazy;
use std::io::{self, Cursor, Read};

/// The maximum that is decompressed, because bombs go on for long.
const MOST: usize = 32 << 10;

/// Compiled once.
static OPTIONS: Lazy<Options> = Lazy::new(Options::default);

/// The decompressed bytes, and whether there was an error before their end or before the limit.
type Decompressed = (Vec<u8>, Option<io::ErrorKind>);

/// Checks all properties for compressed bytes.
pub(crate) fn bytes(packed: &[u8]) {
    let ours = |piece| {
        let reader = Box::new(Cursor::new(packed.to_vec()));
        drained(decompress_once(reader, &TrailingByteCount::default()).unwrap().0, piece, MOST)
    };
    let (bytes, fault) = ours(256 << 10);
    if !is_gzip(packed) {
        assert_eq!((&bytes[..], fault), (&packed[..bytes.len()], None));
        return;
    }
    assert!(ours(7) == (bytes.clone(), fault), "what comes before a fault is the buffer's to say");
    let (twin, twin_fault, padded) = by_members(packed);
    // With a buffer of one byte, flate2's readers lose at most one byte when they meet damage.
    let alike = |twin: &[u8], twin_fault: bool| {
        bytes.starts_with(twin)
            && bytes.len() - twin.len() <= usize::from(twin_fault)
            && fault.is_some() == twin_fault
    };
    assert!(alike(&twin, twin_fault), "{} {fault:?}, not {} {twin_fault}", bytes.len(), twin.len());
    let (multi, multi_fault) = drained(MultiGzDecoder::new(packed), 1, MOST);
    assert!(
        bytes.starts_with(&multi) && (padded || alike(&multi, multi_fault.is_some())),
        "not as MultiGzDecoder"
    );
    if bytes.len() < MOST {
        read_up_to_the_fault(packed, &bytes, fault);
    }
}

/// What precedes the error is normalized as it would be without it, and the error is reported.
fn read_up_to_the_fault(packed: &[u8], ours: &[u8], fault: Option<io::ErrorKind>) {
    let options = &*OPTIONS;
    // Bytes that are gzip themselves would be decompressed once more.
    if is_gzip(ours) {
        return;
    }
    let (out, summary) = whole(packed, options);
    let failures: Vec<_> =
        summary.failures.iter().map(|failure| (failure.offset, failure.error.kind())).collect();
    assert_eq!(failures, fault.map(|fault| (ours.len() as u64, fault)).into_iter().collect::<Vec<_>>());
    assert_eq!(summary.bytes_in, ours.len() as u64);
    let plain = whole(ours, options).0;
    if fault.is_none() {
        plain.must_be(&out, "without gzip", ours);
    }
    // Of what is cut short only what came whole is read, and nothing is rejected for the cut.
    assert_eq!(plain.events, out.events, "{}", ours.escape_ascii());
    let lines = |rejects: &[u8]| {
        rejects.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let mut all = lines(&plain.rejects).into_iter();
    let is_rejected = |reject: &Vec<u8>| all.any(|other| other == *reject);
    assert!(lines(&out.rejects).iter().all(is_rejected), "{}", ours.escape_ascii());
}

fn drained(mut reader: impl Read, piece: usize, most: usize) -> Decompressed {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; piece]);
    while bytes.len() < most {
        let left = most - bytes.len();
        match reader.read(&mut buffer[..piece.min(left)]) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(error) => return (bytes, Some(error.kind())),
        }
    }
    (bytes, None)
}

/// Member after member, zeros between them and what is not gzip after them let go; whether there is a fault, and whether
/// anything was let go.
fn by_members(packed: &[u8]) -> (Vec<u8>, bool, bool) {
    let (mut all, mut rest, mut padded) = (Vec::new(), packed, false);
    while !rest.is_empty() && all.len() < MOST {
        let mut member = GzDecoder::new(rest);
        let (bytes, fault) = drained(&mut member, 1, MOST - all.len());
        all.extend(bytes);
        if fault.is_some() {
            return (all, true, padded);
        }
        let behind = member.into_inner();
        let zeros = behind.iter().take_while(|&&byte| byte == 0).count();
        padded |= zeros > 0;
        rest = &behind[zeros..];
        let member = rest.starts_with(&[0x1f, 0x8b]) || rest == [0x1f];
        if !member && !rest.is_empty() {
            return (all, false, true);
        }
    }
    (all, false, padded)
}
