//! Values that the feed adds to events.

/// Values that are added to every event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestionMetadata {
    /// `namespace` of every noun that is present.
    pub namespace: Option<String>,
    /// `metadata.ingestionLabels`, in order.
    pub labels: Vec<(String, String)>,
}

impl IngestionMetadata {
    /// Parses a label `KEY=VALUE`; returns `None` if key or value is empty.
    #[must_use]
    pub fn label(text: &str) -> Option<(String, String)> {
        let (key, value) =
            text.split_once('=').filter(|(key, value)| !key.is_empty() && !value.is_empty())?;
        Some((key.to_owned(), value.to_owned()))
    }
}
