//! The part of the objects that a run processes.

/// A part of the objects: those whose stable hash, modulo `count`, is `index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u16,
    /// At least 1.
    pub count: u16,
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}
