//! What the ledger says of one version of one object.

use crate::store::Listed;
use serde::{Deserialize, Serialize};

/// What is known of one version of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its address.
    pub object: String,
    /// Its version as a listing tells it.
    pub tag: String,
    /// Its generation; empty where it was never read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub generation: String,
    /// Bytes as stored.
    pub size: u64,
    /// When it was last modified, in milliseconds since the epoch.
    pub modified: i64,
    /// How it ended.
    pub state: State,
    /// When that was, in milliseconds since the epoch.
    pub at: i64,
    /// Events it became.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub events: u64,
    /// Records it refused.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rejects: u64,
    /// The name of its output, where it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// How often it failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u64,
    /// Why it failed the last time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether that will not pass while it is as it is. Entries of older versions do not say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lasting: bool,
    /// Before when it is not tried again, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "is_zero_time")]
    pub next: i64,
}

impl Entry {
    /// An object of this address that is done at a time, with nothing counted yet.
    pub(in super::super) fn new(object: String, listed: &Listed, at: i64) -> Self {
        Self {
            object,
            tag: listed.tag.clone(),
            generation: String::new(),
            size: listed.size,
            modified: listed.modified,
            state: State::Done,
            at,
            events: 0,
            rejects: 0,
            output: String::new(),
            attempts: 0,
            reason: String::new(),
            lasting: false,
            next: 0,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_zero_time(time: &i64) -> bool {
    *time == 0
}

/// How an object ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All of its events and rejects are durable.
    Done,
    /// It failed: it is tried again in the next run, and then after growing gaps.
    Quarantined,
}

/// What the ledger says about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// Read it; it failed so many times before.
    Read {
        /// How often it failed.
        attempts: u64,
    },
    /// It is done.
    Done,
    /// It gave trouble and is not to be tried yet.
    Wait,
    /// Another run, or another shard, sees to it.
    Elsewhere,
}

/// How long an object rests that failed so many times: not at all after the first time, then a quarter of an hour,
/// twice as long each time, a day at most.
pub(in super::super) fn rest(attempts: u64) -> Option<i64> {
    const QUARTER: i64 = 15 * 60 * 1000;
    let doubled = attempts.checked_sub(2)?;
    Some((QUARTER << doubled.min(10)).min(24 * 60 * 60 * 1000))
}
