//! The stored form of a state: JSON with a format version and a checksum.

use crate::collector_files::STATE_FORMAT;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(expecting = "a state of this program")]
pub(super) struct Envelope<'a> {
    format: String,
    version: u32,
    sha256: String,
    #[serde(borrow)]
    state: &'a RawValue,
}

impl Envelope<'_> {
    /// Returns the text of the state. The error says what is wrong.
    pub(super) fn state(&self) -> Result<&str, String> {
        if self.format != STATE_FORMAT || self.version != VERSION {
            return Err(format!(
                "the state has format {} {}, and this program reads {STATE_FORMAT} {VERSION}; use the zoom-udm that wrote it",
                self.format, self.version
            ));
        }
        if self.sha256 != crate::checksummed::sha256(self.state.get()) {
            return Err("the state is corrupt (checksum mismatch)".into());
        }
        Ok(self.state.get())
    }
}

/// Wraps the text of a state with its format version and checksum.
pub(crate) fn encode_envelope(text: String) -> Vec<u8> {
    let sha256 = crate::checksummed::sha256(&text);
    let state = RawValue::from_string(text).unwrap_or_default();
    let envelope = Envelope { format: STATE_FORMAT.into(), version: VERSION, sha256, state: &state };
    let mut bytes = serde_json::to_vec(&envelope).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
