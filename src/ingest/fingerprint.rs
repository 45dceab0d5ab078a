//! Sixteen bytes that identify a version of an object.

use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Fingerprints are hashes already, so eight of their bytes select the place in a table.
pub(super) type Fingerprints = HashSet<u128, BuildHasherDefault<IdentityHasher>>;

#[derive(Debug, Default)]
pub(super) struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of it is enough")]
    fn write_u128(&mut self, number: u128) {
        self.0 = number as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Returns sixteen bytes that identify a version of an object.
pub(super) fn fingerprint(object: &str, tag: &str) -> u128 {
    let digest = Sha256::new().chain_update(object).chain_update([0]).chain_update(tag).finalize();
    u128::from_le_bytes(std::array::from_fn(|at| digest[at]))
}
