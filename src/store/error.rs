//! What can go wrong with a store, sorted by what a caller can do about it.

use crate::redact;
use std::error::Error as _;
use std::io;

/// A failure of a store. Messages hold neither tokens nor signed addresses.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such object, directory or bucket.
    #[error("{url}: {}", missing(.url))]
    NotFound {
        /// Which.
        url: String,
    },
    /// The credentials are good, but not for this.
    #[error("{url}: permission refused: {message}")]
    Denied {
        /// What was asked for.
        url: String,
        /// What the store said.
        message: String,
    },
    /// There are no usable credentials.
    #[error("{message}")]
    Credentials {
        /// What was looked for, and what to do.
        message: String,
    },
    /// It may go well another time; it was tried as often as the settings say.
    #[error("{url}: {message}")]
    Transient {
        /// What was asked for.
        url: String,
        /// What happened last.
        message: String,
    },
    /// An object did not arrive as it is stored. It may another time.
    #[error("{url}: {message}")]
    Corrupt {
        /// Which.
        url: String,
        /// What arrived instead.
        message: String,
    },
    /// The disk, or the directory tree.
    #[error("{url}: {message}")]
    Io {
        /// Which file.
        url: String,
        /// What kind of failure.
        kind: io::ErrorKind,
        /// What the system said.
        message: String,
    },
    /// Another process holds on to it.
    #[error("{url}: another process holds the lock of this directory; wait for it to end, or end it")]
    Busy {
        /// What was to be written.
        url: String,
    },
    /// A setting from the environment makes no sense. What it holds may be a secret: that is not repeated.
    #[error("{name}: {message}")]
    Settings {
        /// The variable.
        name: String,
        /// Why not, and what is expected.
        message: String,
    },
    /// Something below the place cannot be listed. The listing goes on behind it.
    #[error("{url}: {message}")]
    Unlisted {
        /// Its name below the place, as far as that is text.
        name: String,
        /// Which.
        url: String,
        /// Why not, and what to do.
        message: String,
    },
    /// Asked for something that no store can do.
    #[error("{url}: {message}")]
    Invalid {
        /// What was asked for.
        url: String,
        /// Why not.
        message: String,
    },
}

impl Error {
    /// Whether the same request may go well another time.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. } | Self::Corrupt { .. })
    }

    /// Whether an object did not arrive as it is stored.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }

    /// Whether nothing at all will go well until somebody grants access.
    #[must_use]
    pub fn is_access(&self) -> bool {
        matches!(self, Self::Denied { .. } | Self::Credentials { .. })
    }

    pub(crate) fn io(url: impl Into<String>, error: &io::Error) -> Self {
        let url = url.into();
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound { url },
            io::ErrorKind::PermissionDenied => Self::Denied {
                url,
                message: "check the owner and mode of the file and its directories".into(),
            },
            io::ErrorKind::ResourceBusy => Self::Busy { url },
            io::ErrorKind::InvalidFilename => {
                let message = "the name is too long for this file system, or not one for it".into();
                Self::Invalid { url, message }
            }
            kind => Self::Io { url, kind, message: error.to_string() },
        }
    }

    /// What is said of an object of which a part is missing.
    pub(crate) fn incomplete(read: u64, size: u64) -> String {
        format!("only {read} of {size} bytes arrived")
    }

    /// Of what is longer than [`super::SMALL`].
    pub(super) fn too_long(url: String) -> Self {
        let message = format!("it is longer than {} bytes, the most that is read whole", super::SMALL);
        Self::Invalid { url, message }
    }

    /// Where a new object cannot be made because it is not there, it is the bucket that is not.
    pub(super) fn of_bucket(self) -> Self {
        match self {
            Self::NotFound { url } => Self::Invalid { url, message: NO_BUCKET.into() },
            error => error,
        }
    }

    /// Why no token came: credentials that are refused, or a passing trouble on the way to who would say.
    pub(super) fn of_token(url: &str, error: &object_store::Error) -> Self {
        let asked = causes(error).iter().any(|text| text.contains("token re"));
        // What is behind the status is not repeated: it may hold what was sent.
        let mut message = format!("asking for a token: {}", innermost(error));
        if let Some((status, _)) =
            message.split_once("status code: ").and_then(|(_, end)| end.split_once(':'))
        {
            message = format!("asking for a token: status code: {status}");
        }
        if message.contains("HTTP error") {
            message = format!("{message}: {FOREIGN}");
        }
        let answers = |status: &str| message.contains(&format!("status code: {status}"));
        if asked && (!answers("4") || answers("408") || answers("429")) {
            return Self::Transient { url: url.to_owned(), message };
        }
        Self::Credentials { message }
    }

    pub(super) fn remote(url: impl Into<String>, error: &object_store::Error) -> Self {
        use object_store::Error as E;
        let (url, mut message) = (url.into(), innermost(error));
        if message.ends_with("missing from response") {
            message = format!("{message}: {FOREIGN}");
        }
        match error {
            E::NotFound { .. } => Self::NotFound { url },
            // A listing that is refused comes as a failure of no kind.
            E::Generic { .. } if message.contains("status code: 403") => Self::Denied { url, message },
            E::PermissionDenied { .. } => Self::Denied { url, message },
            E::Generic { .. } if !message.contains("status code: 401") => Self::Transient { url, message },
            E::Unauthenticated { .. } | E::Generic { .. } => Self::Credentials {
                message: format!("{url}: the credentials were refused: {message}; {}", super::gcs::HELP),
            },
            E::InvalidPath { .. } | E::NotSupported { .. } | E::NotImplemented { .. } => {
                Self::Invalid { url, message }
            }
            _ => Self::Transient { url, message },
        }
    }
}

const NO_BUCKET: &str = "bucket not found; create it, or check the address and the proxy's variables";

/// What is not there, going by its address: only places end with a slash.
fn missing(url: &str) -> &'static str {
    match (url.starts_with("gs://"), url.ends_with('/')) {
        (true, true) => NO_BUCKET,
        (false, true) => "directory not found; check the path",
        (true, false) => "object not found",
        (false, false) => "file not found",
    }
}

/// What came is nothing that Cloud Storage says.
pub(super) const FOREIGN: &str =
    "something else answers in the place of Cloud Storage; check the proxy's variables and the endpoint";

/// What lies below an error, from the top.
fn causes(error: &object_store::Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        // A server may repeat what it was sent: redacted here, before anything is cut or compared.
        causes.push(redact::text(&cause.to_string()).into_owned());
        next = cause.source();
    }
    causes
}

/// The cause at the bottom, with what the request came to just above it: the layers between repeat each other.
fn innermost(error: &object_store::Error) -> String {
    let mut causes = causes(error);
    let last = causes.pop().unwrap_or_else(|| redact::text(&error.to_string()).into_owned());
    let text = match causes.last() {
        Some(above) if !above.contains(&last) => format!("{above}: {last}"),
        Some(above) if above.len() < 300 => above.clone(),
        _ => last,
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::Error;
    use crate::redact::tests::{assert_silent, encoded, registered, secrets};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_error_of_storage_repeats_a_secret(secret in secrets(), way in 0_usize..9, pad in 0_usize..420) {
            let _guard = registered(&secret);
            let body = format!("{} {} end", "x".repeat(pad), encoded(&secret, way));
            for text in [format!("status code: 403: {body}"), format!("HTTP error {body}"), format!("token re: {body}")] {
                let source = std::io::Error::other(std::io::Error::other(text));
                let error = object_store::Error::Generic { store: "GCS", source: Box::new(source) };
                assert_silent(&Error::remote("gs://b/o", &error).to_string(), &secret);
                assert_silent(&Error::of_token("gs://b/o", &error).to_string(), &secret);
            }
        }
    }
}
