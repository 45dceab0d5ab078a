//! Errors of a store, by what the caller can do about them.

use crate::redact;
use std::error::Error as _;
use std::io;

/// A failure of a store. Messages contain neither tokens nor signed URLs.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The object, directory or bucket does not exist.
    #[error("{url}: {}", missing(.url))]
    NotFound {
        /// The URL of the object.
        url: String,
    },
    /// The credentials are valid, but lack a permission.
    #[error("{url}: permission refused: {message}")]
    Denied {
        /// The requested URL.
        url: String,
        /// The server's message.
        message: String,
    },
    /// There are no usable credentials.
    #[error("{message}")]
    Credentials {
        /// Where credentials were searched, and what to do.
        message: String,
    },
    /// A transient failure, after all configured retries.
    #[error("{url}: {message}")]
    Transient {
        /// The requested URL.
        url: String,
        /// The last error.
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
    /// A failure of the local file system.
    #[error("{url}: {message}")]
    Io {
        /// The file.
        url: String,
        /// The kind of error.
        kind: io::ErrorKind,
        /// The error of the operating system.
        message: String,
    },
    /// Another process holds the lock.
    #[error("{url}: another process holds the lock of this directory; wait for it, or stop it")]
    Busy {
        /// The object to be written.
        url: String,
    },
    /// An invalid environment variable. Its value may be a secret and is not repeated.
    #[error("{name}: {message}")]
    Settings {
        /// The variable.
        name: String,
        /// Why it is invalid, and what is expected.
        message: String,
    },
    /// An entry cannot be listed. The listing continues after it.
    #[error("{url}: {message}")]
    UnlistableEntry {
        /// Its name below the location, as far as it is text.
        name: String,
        /// Its URL.
        url: String,
        /// Why not, and what to do.
        message: String,
    },
    /// A request that no store can satisfy.
    #[error("{url}: {message}")]
    Invalid {
        /// The requested URL.
        url: String,
        /// Why not.
        message: String,
    },
}

impl Error {
    /// Returns whether the same request may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. } | Self::Corrupt { .. })
    }

    /// Whether an object did not arrive as it is stored.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }

    /// Returns whether nothing can succeed until someone grants access.
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

    /// Returns the error for an object that exceeds [`super::SMALL`].
    pub(super) fn too_large(url: String) -> Self {
        let message = format!(
            "it exceeds {} bytes, the maximum for an object that is read whole",
            super::MAX_BUFFERED_BYTES
        );
        Self::Invalid { url, message }
    }

    /// Converts "not found" on creation, which means that the bucket does not exist.
    pub(super) fn as_missing_bucket(self) -> Self {
        match self {
            Self::NotFound { url } => Self::Invalid { url, message: NO_BUCKET.into() },
            error => error,
        }
    }

    /// Classifies a failure to get a token: refused credentials, or a transient error.
    pub(super) fn from_token(url: &str, error: &object_store::Error) -> Self {
        let asked = causes(error).iter().any(|text| text.contains("token re"));
        // The response body is not repeated, because it may contain the request.
        let mut message = format!("asking for a token: {}", root_cause(error));
        if let Some((status, _)) =
            message.split_once("status code: ").and_then(|(_, end)| end.split_once(':'))
        {
            message = format!("asking for a token: status code: {status}");
        }
        if message.contains("HTTP error") {
            message = format!("{message}: {UNEXPECTED_SERVER_HINT}");
        }
        let answers = |status: &str| message.contains(&format!("status code: {status}"));
        if asked && (!answers("4") || answers("408") || answers("429")) {
            return Self::Transient { url: url.to_owned(), message };
        }
        Self::Credentials { message }
    }

    pub(super) fn from_object_store(url: impl Into<String>, error: &object_store::Error) -> Self {
        use object_store::Error as E;
        let (url, mut message) = (url.into(), root_cause(error));
        if message.ends_with("missing from response") {
            message = format!("{message}: {UNEXPECTED_SERVER_HINT}");
        }
        match error {
            E::NotFound { .. } => Self::NotFound { url },
            // A forbidden listing arrives as an error without a kind.
            E::Generic { .. } if message.contains("status code: 403") => Self::Denied { url, message },
            E::PermissionDenied { .. } => Self::Denied { url, message },
            E::Generic { .. } if !message.contains("status code: 401") => Self::Transient { url, message },
            E::Unauthenticated { .. } | E::Generic { .. } => Self::Credentials {
                message: format!(
                    "{url}: the credentials were refused: {message}; {}",
                    super::gcs::CREDENTIALS_HINT
                ),
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

/// The response did not come from Cloud Storage.
pub(super) const UNEXPECTED_SERVER_HINT: &str =
    "the response is not from Cloud Storage; check the proxy variables and the endpoint";

/// Returns the causes of an error, outermost first.
fn causes(error: &object_store::Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        // A server may repeat what it was sent: redacted here, before anything is cut or compared.
        causes.push(redact::redact(&cause.to_string()).into_owned());
        next = cause.source();
    }
    causes
}

/// Returns the root cause together with the request just above it; the layers in between repeat each other.
fn root_cause(error: &object_store::Error) -> String {
    let mut causes = causes(error);
    let last = causes.pop().unwrap_or_else(|| redact::redact(&error.to_string()).into_owned());
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
    use crate::redact::tests::{ENCODINGS, assert_silent, encoded, registered, secrets};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn storage_errors_never_contain_a_secret(secret in secrets(), way in 0..ENCODINGS, pad in 0_usize..420) {
            let _guard = registered(&secret);
            let body = format!("{} {} end", "x".repeat(pad), encoded(&secret, way));
            for text in [format!("status code: 403: {body}"), format!("HTTP error {body}"), format!("token re: {body}")] {
                let source = std::io::Error::other(std::io::Error::other(text));
                let error = object_store::Error::Generic { store: "GCS", source: Box::new(source) };
                assert_silent(&Error::from_object_store("gs://b/o", &error).to_string(), &secret);
                assert_silent(&Error::from_token("gs://b/o", &error).to_string(), &secret);
            }
        }
    }
}
