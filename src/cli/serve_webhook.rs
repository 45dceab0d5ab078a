//! The settings of `serve --webhook`.

use super::parsers::{env_var, location};
use super::secret::secret;
use crate::serve::{Options, WebhookConfig};
use crate::store::Location;

/// The variable with the secret token of the Zoom app.
pub(super) const SECRET_TOKEN: &str = "ZOOM_WEBHOOK_SECRET_TOKEN";

/// Returns the settings; `None` without the secret token, because nothing could be verified. `to` is the destination, if
/// it is given.
pub(super) fn config(to: Option<Location>) -> Result<Option<WebhookConfig>, String> {
    match (to.map_or_else(default_destination, Ok), secret(SECRET_TOKEN, "a Zoom secret token")) {
        (Ok(to), Ok(secret)) => Ok(secret.map(|secret| WebhookConfig { to, secret })),
        (to, secret) => {
            let wrong: Vec<_> = to.err().into_iter().chain(secret.err()).collect();
            Err(wrong.join("; "))
        }
    }
}

/// Returns the destination of webhooks and the source of ingest, unless the destination is below the source.
pub(super) fn unread(options: &Options) -> Option<(&Location, &Location)> {
    let (to, from) = (&options.webhook.as_ref()?.to, &options.ingest.as_ref()?.options.from);
    let is_below = to.canonicalized().to_string().starts_with(&from.canonicalized().to_string());
    (!is_below).then_some((to, from))
}

fn default_destination() -> Result<Location, String> {
    let bucket = env_var("GCS_BUCKET").ok_or("--webhook-to is not given (nor GCS_BUCKET set)")?;
    let url = format!("gs://{}/zoom/webhooks/", bucket.trim_start_matches("gs://"));
    location(&url).map_err(|why| format!("GCS_BUCKET: {why}"))
}
