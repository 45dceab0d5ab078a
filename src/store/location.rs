//! The location of objects: `gs://bucket/prefix/`, `file:///directory/` or a path, `memory://prefix/`.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

/// The longest name of an object of Cloud Storage, in bytes.
pub(super) const LONGEST_NAME: usize = 1024;

/// The longest name of a bucket.
const LONGEST_BUCKET: usize = 222;

/// A place that holds objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A prefix in a Cloud Storage bucket.
    Gcs {
        /// The name of the bucket.
        bucket: String,
        /// Empty, or ending in `/`.
        prefix: String,
    },
    /// A directory.
    File(PathBuf),
    /// A prefix (empty, or ending in `/`) in the memory of this process; for tests.
    Memory(String),
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let directory = |prefix: &str| match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        if let Some(rest) = text.strip_prefix("gs://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let named =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
            if bucket.len() < 3 || !bucket.chars().all(named) {
                return Err(format!(
                    "{text:?} names no bucket; expected gs://BUCKET/PREFIX/, with 3 or more lower-case letters, digits, -, _ \
                     and . for BUCKET"
                ));
            }
            let prefix = directory(prefix);
            if bucket.len() > LONGEST_BUCKET || prefix.len() > LONGEST_NAME {
                return Err(format!(
                    "gs://{rest:.40}… is too long; a bucket's name has at most {LONGEST_BUCKET} characters, a prefix {LONGEST_NAME} bytes"
                ));
            }
            return Ok(Self::Gcs { bucket: bucket.into(), prefix });
        }
        if let Some(prefix) = text.strip_prefix("memory://") {
            return Ok(Self::Memory(directory(prefix)));
        }
        let path = match text.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => path,
            Some(_) => return Err(format!("{text:?} is not absolute; expected file:///DIRECTORY/")),
            None if text == "-" => {
                return Err("\"-\" is not a location; name a directory (./- for one of that name)".into());
            }
            None if ["gs:", "file:"].iter().any(|scheme| text.starts_with(scheme)) => {
                return Err(format!(
                    "{text:?} lacks a slash; expected gs://BUCKET/PREFIX/, file:///DIRECTORY/ or a directory (./{text})"
                ));
            }
            None if text.contains("://") => {
                return Err(format!(
                    "{text:?}: expected gs://BUCKET/PREFIX/, file:///DIRECTORY/ or a directory"
                ));
            }
            None => text,
        };
        let absolute =
            std::path::absolute(path).map_err(|error| format!("{text:?} is not a valid path: {error}"))?;
        Ok(Self::File(absolute.components().collect()))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gcs { bucket, prefix } => write!(f, "gs://{bucket}/{prefix}"),
            Self::Memory(prefix) => write!(f, "memory://{prefix}"),
            Self::File(path) => write!(f, "file://{}/", path.display().to_string().trim_end_matches('/')),
        }
    }
}

impl Location {
    /// Returns the URL of an object.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("{self}{name}")
    }

    /// Returns the location next to this one, with `suffix` appended to its name; inside it if it is a whole bucket.
    #[must_use]
    pub fn sibling(&self, suffix: &str) -> Self {
        let named = |prefix: &str| format!("{}{suffix}/", prefix.trim_end_matches('/'));
        match self {
            Self::Gcs { bucket, prefix } => Self::Gcs { bucket: bucket.clone(), prefix: named(prefix) },
            Self::Memory(prefix) => Self::Memory(named(prefix)),
            Self::File(path) => {
                let name =
                    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                Self::File(path.parent().unwrap_or(Path::new("/")).join(format!("{name}{suffix}")))
            }
        }
    }

    /// Returns the directory of this name inside this location.
    #[must_use]
    pub fn child(&self, directory: &str) -> Self {
        let directory = directory.trim_matches('/');
        match self {
            Self::Gcs { bucket, prefix } => {
                Self::Gcs { bucket: bucket.clone(), prefix: format!("{prefix}{directory}/") }
            }
            Self::Memory(prefix) => Self::Memory(format!("{prefix}{directory}/")),
            Self::File(path) => Self::File(path.join(directory)),
        }
    }

    /// Returns the location that contains this one, and the name of this one in it; `None` for a whole bucket and for
    /// the root of a file system.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, String)> {
        let split = |prefix: &str| {
            let prefix = prefix.strip_suffix('/')?;
            let (parent, name) =
                prefix.rsplit_once('/').map_or(("", prefix), |(parent, name)| (parent, name));
            let parent = if parent.is_empty() { String::new() } else { format!("{parent}/") };
            Some((parent, name.to_owned()))
        };
        match self {
            Self::Gcs { bucket, prefix } => {
                let (prefix, name) = split(prefix)?;
                Some((Self::Gcs { bucket: bucket.clone(), prefix }, name))
            }
            Self::Memory(prefix) => split(prefix).map(|(prefix, name)| (Self::Memory(prefix), name)),
            Self::File(path) => {
                let name = path.file_name()?.to_string_lossy().into_owned();
                Some((Self::File(path.parent()?.to_owned()), name))
            }
        }
    }

    /// Returns the location with links and `..` resolved as far as the path exists. Only such paths can show whether
    /// one location is inside another.
    #[must_use]
    pub fn canonicalized(&self) -> Self {
        let Self::File(path) = self else { return self.clone() };
        let step = |above: PathBuf, part: Component<'_>| {
            if part == Component::ParentDir {
                return above.parent().map_or_else(|| above.clone(), Path::to_owned);
            }
            let next = above.join(part);
            next.canonicalize().unwrap_or(next)
        };
        Self::File(path.components().fold(PathBuf::new(), step))
    }

    /// Returns the prefix of names below `self` that are inside `other`, as both are written: `None` if `other` is
    /// elsewhere, empty if all of `self` is inside it.
    #[must_use]
    pub fn relative_prefix(&self, other: &Self) -> Option<String> {
        let (here, there) = (self.to_string(), other.to_string());
        if here.starts_with(&there) {
            return Some(String::new());
        }
        there.strip_prefix(&here).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::Location;

    #[test]
    fn location_round_trips() {
        for url in ["gs://bucket/", "gs://bucket/a/b/", "file:///data/x/", "memory://", "memory://a/"] {
            assert_eq!(url.parse::<Location>().unwrap().to_string(), url);
        }
        assert_eq!("gs://bucket/a".parse::<Location>().unwrap().to_string(), "gs://bucket/a/");
        assert_eq!("/data/x/../x".parse::<Location>().unwrap().to_string(), "file:///data/x/../x/");
        for bad in
            ["gs://", "gs:///x", "s3://bucket/", "file://host/x", "gs://UPPER/", "gs:/b/x", "file:/x", "-"]
        {
            assert!(bad.parse::<Location>().is_err(), "{bad}");
        }
        for long in [format!("gs://bucket/{}", "ü".repeat(512)), format!("gs://{}/", "b".repeat(223))] {
            assert!(long.parse::<Location>().unwrap_err().contains("is too long"), "{long}");
        }
    }

    #[test]
    fn relative_prefix_is_found_between_locations() {
        let at = |url: &str| url.parse::<Location>().unwrap();
        assert_eq!(
            at("gs://bucket/zoom/").relative_prefix(&at("gs://bucket/zoom/udm/")),
            Some("udm/".into())
        );
        assert_eq!(at("gs://bucket/zoom/").relative_prefix(&at("gs://bucket/")), Some(String::new()));
        assert_eq!(at("gs://bucket/zoom/").relative_prefix(&at("gs://bucket/zoom-udm/")), None);
        assert_eq!(at("gs://bucket/zoom/").sibling(".ledger").to_string(), "gs://bucket/zoom.ledger/");
        assert_eq!(at("gs://bucket/").sibling(".ledger").to_string(), "gs://bucket/.ledger/");
        assert_eq!(at("/data/out").sibling(".ledger").to_string(), "file:///data/out.ledger/");
    }

    #[test]
    fn last_directory_is_split_off_and_put_back() {
        for (url, parent, name) in [
            ("gs://bucket/zoom/signins/", "gs://bucket/zoom/", "signins"),
            ("gs://bucket/raw/", "gs://bucket/", "raw"),
            ("memory://a/b/c/", "memory://a/b/", "c"),
            ("file:///data/zoom/", "file:///data/", "zoom"),
        ] {
            let location: Location = url.parse().unwrap();
            let (above, last) = location.split_last().unwrap();
            assert_eq!((above.to_string().as_str(), last.as_str()), (parent, name), "{url}");
            assert_eq!(above.child(&last), location);
        }
        for whole in ["gs://bucket/", "memory://", "/"] {
            assert_eq!(whole.parse::<Location>().unwrap().split_last(), None, "{whole}");
        }
    }
}
