//! What an object may hold where a state is expected.

use super::codec::Envelope;
use super::collector_state::CollectorState;
use crate::collect::date::Date;
use serde::Deserialize;

/// The state of Google's reference collector.
#[derive(Debug, Deserialize)]
pub(crate) struct LegacyState {
    pub(crate) cursor_date: Option<Date>,
}

/// What is stored at the location of the state.
#[derive(Debug)]
pub(crate) enum StoredState {
    Ours(Box<CollectorState>),
    Legacy(LegacyState),
}

/// Decodes a stored state. The error says what is wrong.
pub(crate) fn decode(bytes: &[u8]) -> Result<StoredState, String> {
    let envelope: Envelope<'_> = match serde_json::from_slice(bytes) {
        Ok(envelope) => envelope,
        Err(error) => {
            return match serde_json::from_slice::<LegacyState>(bytes) {
                Ok(legacy) if legacy.cursor_date.is_some() => Ok(StoredState::Legacy(legacy)),
                _ => Err(format!("not a state, or truncated ({error})")),
            };
        }
    };
    let state = serde_json::from_str(envelope.state()?)
        .map_err(|error| format!("the state cannot be parsed ({error})"))?;
    Ok(StoredState::Ours(Box::new(state)))
}
