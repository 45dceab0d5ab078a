//! What must never be printed.

use base64::Engine as _;
use std::fmt;

/// A secret. Neither its `Debug` nor anything else prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret; white space around it, such as the line end of a file, is no part of it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The secret itself, for a request.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text without the secret, however it may stand there.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        // A shorter one could be any word.
        if self.0.len() < 4 {
            return text.to_owned();
        }
        let encoded = base64::engine::general_purpose::STANDARD.encode(&self.0);
        text.replace(&self.0, "(secret)").replace(&encoded, "(secret)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("marked-secret\n");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.reveal(), "marked-secret");
        assert_eq!(secret.hide_in("so marked-secret it is"), "so (secret) it is");
    }
}
