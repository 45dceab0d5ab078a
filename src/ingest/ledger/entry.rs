//! A ledger entry: what is recorded of one version of one object.

use crate::ingest::content_id::ContentId;
use crate::store::ObjectMeta;
use serde::{Deserialize, Serialize};

/// The record of one version of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The URL of the object.
    pub object: String,
    /// The version as a listing shows it.
    pub tag: String,
    /// The generation; empty if the object was never read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub generation: String,
    /// The size in bytes, as stored.
    pub size: u64,
    /// The modification time in milliseconds since the epoch.
    pub modified: i64,
    /// The result.
    pub state: State,
    /// When the result was recorded, in milliseconds since the epoch.
    pub at: i64,
    /// The version of the rules that read it: see [`Entry::RULES`]. Version 0.1.0 wrote none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rules: u64,
    /// The number of events.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub events: u64,
    /// The number of rejects.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rejects: u64,
    /// The name of the output, if there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// The number of earlier failures.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u64,
    /// The reason of the last failure.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether the failure is permanent for this version. Version 0.1.0 wrote `lasting`.
    #[serde(default, alias = "lasting", skip_serializing_if = "std::ops::Not::not")]
    pub permanent: bool,
    /// When the next attempt is allowed, in milliseconds since the epoch. Version 0.1.0 wrote `next`.
    #[serde(default, alias = "next", skip_serializing_if = "is_zero_time")]
    pub retry_at: i64,
    /// The content of a local file that is done. Absent in entries of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentId>,
    /// The outputs of each part of a local file, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<FilePart>,
}

/// The outputs of one part of a local file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePart {
    /// The start of their names.
    pub stem: String,
    /// The number of events.
    pub events: u64,
    /// The number of rejects.
    pub rejects: u64,
    /// Whether its events went to a stream, so that there is no output.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub streamed: bool,
}

/// Stands between an address and the hash of a content that another one replaced at this address.
const REPLACED: char = '#';

/// Returns the name of the entry of a content that another one replaced at an address.
pub(in super::super) fn replaced_object(address: &str, content: &ContentId) -> String {
    format!("{address}{REPLACED}{}", content.sha256)
}

impl Entry {
    /// The version of the rules that this program reads records by. Version 1 reads sign-ins and webhook events, which 0.1.0 turned
    /// into empty events or rejected.
    pub const RULES: u64 = 1;

    /// Creates the entry of an object that was processed at this time, with all counts zero.
    pub(in super::super) fn new(object: String, listed: &ObjectMeta, at: i64) -> Self {
        Self {
            object,
            tag: listed.tag.clone(),
            generation: String::new(),
            size: listed.size,
            modified: listed.modified,
            state: State::Done,
            at,
            rules: Self::RULES,
            events: 0,
            rejects: 0,
            output: String::new(),
            attempts: 0,
            reason: String::new(),
            permanent: false,
            retry_at: 0,
            content: None,
            parts: Vec::new(),
        }
    }

    /// Merges the entry of the same content, or of the content that this one continues.
    pub(in super::super) fn following(self, known: Self) -> Self {
        let Self { object, tag, size, modified, at, .. } = self;
        if self.content == known.content {
            return Self { object, tag, size, modified, ..known };
        }
        Self {
            object,
            tag,
            size,
            modified,
            at,
            generation: self.generation,
            output: self.output,
            content: self.content,
            events: known.events + self.events,
            rejects: known.rejects + self.rejects,
            parts: [known.parts, self.parts].concat(),
            ..known
        }
    }

    /// The entry to keep of a content that `newer` replaces: a file that is renamed leaves its address to another, and is
    /// found done by its content all the same.
    pub(super) fn replaced_by(self, newer: &Self) -> Option<Self> {
        let content = self.content.as_ref().filter(|content| content.length > 0)?;
        let goes_on = self.content == newer.content || newer.parts.starts_with(&self.parts);
        let object = replaced_object(&self.object, content);
        (!goes_on).then_some(Self { object, ..self })
    }

    /// The address of the object, also of one whose content was replaced.
    #[must_use]
    pub fn address(&self) -> &str {
        let Some(content) = &self.content else { return &self.object };
        let address = self.object.strip_suffix(&content.sha256).and_then(|rest| rest.strip_suffix(REPLACED));
        address.unwrap_or(&self.object)
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

/// The result of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All of its events and rejects are durable.
    Done,
    /// It failed: it is retried in the next run, and then with exponential backoff.
    Quarantined,
}

/// What to do with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Process it.
    Process {
        /// The number of failures.
        attempts: u64,
    },
    /// It is done.
    Done,
    /// It failed and is in backoff.
    Backoff,
    /// Another run or shard is responsible for it.
    Elsewhere,
}

/// Returns the backoff in milliseconds after this many failures: none after the first, then 15 minutes, doubling up to
/// a day.
pub(in super::super) fn backoff(attempts: u64) -> Option<i64> {
    const QUARTER: i64 = 15 * 60 * 1000;
    let doubled = attempts.checked_sub(2)?;
    Some((QUARTER << doubled.min(10)).min(24 * 60 * 60 * 1000))
}
