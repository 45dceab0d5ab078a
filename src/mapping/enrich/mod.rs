//! What `--enrich` adds to an event (docs/mapping-rules.md): what was changed from what to what, whom and what it was done to,
//! and an event type that says so.
//!
//! `vocabulary` and `event_types` are tables. `head` reads HEAD, `operation` the rest of an operation log, `additions_reader`
//! what is added to its event, and the files named `put…` put what was read.

mod additions;
mod additions_reader;
mod distinct;
mod enriched;
mod event_types;
mod first_letters;
mod further_users;
mod head;
mod known;
mod members;
mod operation;
mod plain_types;
mod put;
mod put_operation;
mod put_sign_in;
mod put_unread;
mod put_users;
mod put_webhook;
mod settings;
mod vocabulary;
mod webhook_types;
mod words;

pub(super) use additions::{Additions, Entry, LabelOwner, typed_role};
pub(super) use further_users::FurtherUsers;
pub(crate) use known::{is_known_action, is_known_category, is_known_sign_in, known_start_of_event};
pub(super) use plain_types::{type_of_operation, type_of_sign_in};
pub(super) use put::{put, put_other_members};
pub(super) use put_operation::write_from_template;
