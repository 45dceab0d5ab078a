//! Values that must never be printed.

use crate::redact;
use std::fmt;

/// A secret. Nothing prints it, including its `Debug` implementation.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret; surrounding whitespace, such as the line end of a file, is removed.
    /// From now on the process removes it from every text that it prints, logs or stores.
    #[must_use]
    pub fn new(text: &str) -> Self {
        redact::register(text);
        Self(text.trim().to_owned())
    }

    /// The same for an access token, which another one replaces soon.
    pub(crate) fn token(text: &str) -> Self {
        redact::register_short_lived(text);
        Self(text.trim().to_owned())
    }

    /// Returns the secret, for use in a request.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Returns whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
    fn secret_is_never_printed() {
        let secret = Secret::new("marked-secret\n");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose(), "marked-secret");
        assert_eq!(crate::redact::redact("so marked-secret it is"), "so (secret) it is");
    }
}
