//! Why a whole line is rejected.

use super::binary_format::binary_format;
use crate::reject::{RejectReason, Rejection};

/// Returns the rejection of a line of more than `most` bytes.
#[cold]
pub(super) fn too_long(most: usize) -> Rejection {
    const ADVICE: &str = "; raise --max-line-bytes if it is a record, or look for a missing newline";
    let message = format!("longer than {most} bytes, the limit for a line{ADVICE}");
    Rejection::new(RejectReason::LineTooLong, message, ADVICE)
}

/// Returns the rejection of a line that is UTF-8 up to byte `valid` only.
#[cold]
pub(super) fn not_utf8(line: &[u8], valid: usize) -> Rejection {
    const ADVICE: &str = "; expected UTF-8 text: convert the file, or check it for truncation";
    let hint = match binary_format(line) {
        Some("UTF-16") => " (this looks like UTF-16; convert it to UTF-8)".to_owned(),
        Some("gzip") => {
            " (this looks like gzip within gzip, or after plain text; decompress it first)".to_owned()
        }
        Some(format) => format!(" (this looks like {format}; decompress it first)"),
        None => String::new(),
    };
    let byte = line.get(valid).copied().unwrap_or_default();
    let message = format!("byte {valid} of the line, 0x{byte:02x}, is not UTF-8{hint}{ADVICE}");
    Rejection::new(RejectReason::NotUtf8, message, ADVICE)
}
