//! What the worker of a request sends to its response.

use crate::normalize::Summary;
use crate::serve::response::ApiResponse;
use bytes::Bytes;

/// A part of the result, in order.
pub(super) enum WorkerMessage {
    Events(Bytes),
    Rejects(Bytes),
    /// The whole body was processed.
    End(Box<Summary>),
    /// The work failed, and why.
    Failed(Box<ApiResponse>),
}

/// The error for work that ended without a result.
pub(super) const WORK_LOST: &str = "the client did not read the response in time, or normalization failed";

impl WorkerMessage {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Events(bytes) | Self::Rejects(bytes) => bytes.len(),
            Self::End(_) | Self::Failed(_) => 0,
        }
    }
}
