//! Compressed bytes.

use arbitrary::Unstructured;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

/// Compressed bytes as they are; or, after an even byte, a script of members, zeros, other bytes and a cut.
pub(super) fn gzip(bytes: &[u8]) {
    match bytes.split_first() {
        Some((first, script)) if first % 2 == 0 && !bytes.starts_with(&[0x1f]) => {
            let packed = packed(&mut Unstructured::new(script)).unwrap_or_default();
            crate::normalize::invariants::gzip::bytes(&packed);
        }
        _ => crate::normalize::invariants::gzip::bytes(bytes),
    }
}

fn packed(script: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    let mut packed = Vec::new();
    for _ in 0..script.int_in_range(1..=4)? {
        match script.int_in_range(0..=9)? {
            0 => packed.extend(vec![0; script.int_in_range(1..=600)?]),
            1 => packed.extend_from_slice(script.bytes(script.len().min(3))?),
            2 => {
                // Highly compressible, and more than is ever held in memory.
                let length = script.int_in_range(0..=3 << 20)?;
                packed.extend(member(&vec![b'{'; length], 9));
            }
            level => {
                let length = script.arbitrary_len::<u8>()?;
                packed.extend(member(script.bytes(length)?, level));
            }
        }
    }
    if script.ratio(1, 3)? {
        packed.truncate(script.int_in_range(0..=packed.len())?);
    }
    if script.ratio(1, 3)? && !packed.is_empty() {
        let at = script.choose_index(packed.len())?;
        packed[at] ^= script.int_in_range(1..=255)?;
    }
    Ok(packed)
}

/// Returns a gzip member.
pub(super) fn member(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level.min(9)));
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
