//! Errors of a store, by what the caller can do about them.

use super::classify::classify;
use http::StatusCode;
use std::sync::Arc;
use std::{fmt, io};

/// What to do if credentials are missing or refused.
pub(super) const CREDENTIALS_HINT: &str = "set GOOGLE_APPLICATION_CREDENTIALS to a service account's key \
                                           file, run `gcloud auth application-default login`, or run on \
                                           Google Cloud with a service account attached";

/// The response did not come from Cloud Storage.
pub(super) const UNEXPECTED_SERVER_HINT: &str =
    "the response is not from Cloud Storage; check the proxy variables and the endpoint";

/// A failure of a store. Messages contain neither tokens nor signed URLs: errors of requests are kept as redacted text,
/// not as sources, which would be printed as they are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The object, directory or bucket does not exist.
    NotFound {
        /// The URL of the object.
        url: String,
        /// What is missing.
        what: Missing,
    },
    /// The bucket of a listing, or of an object to be created, does not exist. Not [`NotFound`](Self::NotFound), which often
    /// means that there is nothing to do.
    NoBucket {
        /// The requested URL.
        url: String,
    },
    /// The credentials are valid, but lack a permission.
    Denied {
        /// The requested URL.
        url: String,
        /// The server's message.
        message: String,
    },
    /// There are no usable credentials.
    Credentials {
        /// Where credentials were searched, and what to do.
        message: String,
    },
    /// A transient failure, after all configured retries.
    Transient {
        /// The requested URL.
        url: String,
        /// The last error.
        message: String,
    },
    /// An object did not arrive as it is stored. It may another time.
    Corrupt {
        /// Which.
        url: String,
        /// What arrived instead.
        message: String,
    },
    /// A failure of the local file system.
    Io {
        /// The file.
        url: String,
        /// The error of the operating system.
        source: Arc<io::Error>,
    },
    /// Another process holds the lock of the directory.
    Locked {
        /// The object to be written.
        url: String,
    },
    /// An invalid environment variable. Its value may be a secret and is not repeated.
    Settings {
        /// The variable.
        name: String,
        /// Why it is invalid, and what is expected.
        message: String,
    },
    /// An entry cannot be listed. The listing continues after it.
    UnlistableEntry {
        /// Its name below the location, as far as it is text.
        name: String,
        /// Its URL.
        url: String,
        /// Why not, and what to do.
        message: String,
    },
    /// A request that no store can satisfy.
    Invalid {
        /// The requested URL.
        url: String,
        /// Why not.
        message: String,
    },
}

/// What does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A bucket.
    Bucket,
    /// An object in a bucket.
    Object,
    /// A directory.
    Directory,
    /// A file.
    File,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bucket => "bucket not found; create it, or check the URL and the proxy variables",
            Self::Object => "object not found",
            Self::Directory => "directory not found; check the path",
            Self::File => "file not found",
        })
    }
}

/// Formats `URL: REASON`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(subject) = self.subject() {
            write!(f, "{subject}: ")?;
        }
        f.write_str(&self.reason())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

impl Error {
    /// Returns whether the same request may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. } | Self::Corrupt { .. })
    }

    /// Returns whether an object did not arrive as it is stored.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }

    /// Returns whether nothing can succeed until someone grants access.
    #[must_use]
    pub fn is_access(&self) -> bool {
        matches!(self, Self::Denied { .. } | Self::Credentials { .. })
    }

    /// Returns the URL or variable that the error is about.
    fn subject(&self) -> Option<&str> {
        match self {
            Self::NotFound { url, .. }
            | Self::NoBucket { url }
            | Self::Denied { url, .. }
            | Self::Transient { url, .. }
            | Self::Corrupt { url, .. }
            | Self::Io { url, .. }
            | Self::Locked { url }
            | Self::UnlistableEntry { url, .. }
            | Self::Invalid { url, .. } => Some(url),
            Self::Settings { name, .. } => Some(name),
            Self::Credentials { .. } => None,
        }
    }

    /// Returns the message without the URL.
    fn reason(&self) -> String {
        match self {
            Self::NotFound { what, .. } => what.to_string(),
            Self::NoBucket { .. } => Missing::Bucket.to_string(),
            Self::Denied { message, .. } => format!("permission denied: {message}"),
            Self::Locked { .. } => {
                "another process holds the lock of this directory; wait for it, or stop it".into()
            }
            Self::Io { source, .. } => source.to_string(),
            Self::Credentials { message }
            | Self::Transient { message, .. }
            | Self::Corrupt { message, .. }
            | Self::Settings { message, .. }
            | Self::UnlistableEntry { message, .. }
            | Self::Invalid { message, .. } => message.clone(),
        }
    }

    /// Returns the message, without the URL if that is `url`: for callers that print the URL next to it.
    pub(crate) fn reason_at(&self, url: &str) -> String {
        if self.subject() == Some(url) { self.reason() } else { self.to_string() }
    }

    /// Classifies an error of the file system. The URL of a directory ends in `/`.
    pub(crate) fn io(url: impl Into<String>, error: io::Error) -> Self {
        let url = url.into();
        match error.kind() {
            io::ErrorKind::NotFound => {
                let what = if url.ends_with('/') { Missing::Directory } else { Missing::File };
                Self::NotFound { url, what }
            }
            io::ErrorKind::PermissionDenied => Self::Denied {
                url,
                message: "check the owner and mode of the file and its directories".into(),
            },
            io::ErrorKind::ResourceBusy => Self::Locked { url },
            io::ErrorKind::InvalidFilename => {
                let message = "the name is too long or invalid for this file system".into();
                Self::Invalid { url, message }
            }
            _ => Self::Io { url, source: Arc::new(error) },
        }
    }

    /// Returns the error for an object of which a part is missing.
    pub(super) fn incomplete(url: String, read: u64, size: u64) -> Self {
        Self::Corrupt { url, message: format!("received only {read} of {size} bytes") }
    }

    /// Returns the error for an object that exceeds the maximum for reading it whole.
    pub(super) fn too_large(url: String, maximum: u64) -> Self {
        let message = format!("it exceeds {maximum} bytes, the maximum for an object that is read whole");
        Self::Invalid { url, message }
    }

    /// Converts "not found" on creation, which means that the bucket does not exist.
    pub(super) fn into_missing_bucket(self) -> Self {
        match self {
            Self::NotFound { url, .. } => Self::NoBucket { url },
            error => error,
        }
    }

    /// Converts a failure to get a token: refused credentials, or a transient error.
    pub(super) fn from_token(url: &str, error: &object_store::Error) -> Self {
        let failure = classify(error);
        // The response body is not repeated, because it may contain the request.
        let mut message = match failure.status {
            Some(status) => format!("asking for a token: status code: {status}"),
            None => format!("cannot get a token: {}", failure.message),
        };
        if failure.is_unexpected_server {
            message = format!("{message}: {UNEXPECTED_SERVER_HINT}");
        }
        let passes = |status: StatusCode| {
            !status.is_client_error()
                || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
        };
        if failure.is_token_request && failure.status.is_none_or(passes) {
            return Self::Transient { url: url.to_owned(), message };
        }
        Self::Credentials { message }
    }

    /// Converts a failure of a request about an object or a listing. The URL of a bucket ends in `/`.
    pub(super) fn from_object_store(url: impl Into<String>, error: &object_store::Error) -> Self {
        use object_store::Error as E;
        let (url, failure) = (url.into(), classify(error));
        let mut message = failure.message;
        if failure.is_unexpected_server {
            message = format!("{message}: {UNEXPECTED_SERVER_HINT}");
        }
        match (error, failure.status) {
            (E::NotFound { .. }, _) => {
                let what = if url.ends_with('/') { Missing::Bucket } else { Missing::Object };
                Self::NotFound { url, what }
            }
            // Errors of listings arrive without a kind.
            (E::Generic { .. }, Some(StatusCode::NOT_FOUND))
                if url.ends_with('/') && !failure.is_unexpected_server =>
            {
                Self::NoBucket { url }
            }
            (E::PermissionDenied { .. }, _) | (E::Generic { .. }, Some(StatusCode::FORBIDDEN)) => {
                Self::Denied { url, message }
            }
            (E::Unauthenticated { .. }, _) | (E::Generic { .. }, Some(StatusCode::UNAUTHORIZED)) => {
                Self::Credentials {
                    message: format!("{url}: the credentials were rejected: {message}; {CREDENTIALS_HINT}"),
                }
            }
            (E::InvalidPath { .. } | E::NotSupported { .. } | E::NotImplemented { .. }, _) => {
                Self::Invalid { url, message }
            }
            _ => Self::Transient { url, message },
        }
    }
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
