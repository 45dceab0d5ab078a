//! Uploads the outputs of an object: rejects, then events, each created only if absent.

use super::context::IngestContext;
use super::convert::Converted;
use super::outcome::{FailureCause, Ingested, Outcome, ReadPart};
use super::output_name;
use crate::store::{self, ObjectMeta, PutOutcome};
use std::io;

/// Uploads the rejects, then the events. Both names belong to this object only, so this can be repeated.
pub(super) async fn upload(
    ctx: &IngestContext,
    listed: &ObjectMeta,
    generation: String,
    stored: u64,
    converted: Converted,
    part: Option<ReadPart>,
) -> Outcome {
    let stem = match &part {
        Some(part) => part.stem.clone(),
        None => output_name::stem(&listed.name, &generation),
    };
    let Converted { events, rejects, summary, logged_rejects } = converted;
    let output = if events.is_some() { format!("{stem}{}", output_name::EVENTS) } else { String::new() };
    let puts = [
        (&ctx.rejects, format!("{stem}{}", output_name::REJECTS), rejects),
        (&ctx.to, output.clone(), events),
    ];
    let mut already_present = false;
    for (store, name, payload) in puts {
        let (Some(store), Some(payload)) = (store, payload) else { continue };
        match store.put_if_absent(&name, payload).await {
            Ok(PutOutcome::Created) => {}
            Ok(PutOutcome::AlreadyIdentical) => already_present = true,
            Ok(PutOutcome::Conflict) => return conflict(&generation, &store.location().url(&name)),
            Err(error) if error.is_access() => return Outcome::Fatal(error.into()),
            Err(error) if is_name_error(&error) => {
                return Outcome::failed(generation, error.to_string(), FailureCause::Object);
            }
            Err(error @ store::Error::Io { .. }) => return Outcome::Fatal(error.into()),
            Err(error) => return Outcome::failed(generation, error.to_string(), FailureCause::Destination),
        }
    }
    Outcome::Done(Box::new(Ingested {
        generation,
        stored,
        output,
        already_present,
        summary,
        logged_rejects,
        part,
        stem,
    }))
}

/// Returns whether an output cannot be made because of what it is called: no other object is affected.
fn is_name_error(error: &store::Error) -> bool {
    match error {
        store::Error::Invalid { .. } => true,
        store::Error::Io { source, .. } => source.kind() == io::ErrorKind::InvalidFilename,
        _ => false,
    }
}

fn conflict(generation: &str, url: &str) -> Outcome {
    let reason = format!(
        "{url} already exists with different content (other flags, another version of zoom-udm, or another source with the same names); delete it, or choose another destination"
    );
    Outcome::failed(generation, reason, FailureCause::Object)
}
