//! The options of the mapping.

/// Options of the mapping.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MappingOptions {
    /// How the value of a change is mapped.
    pub values: Values,
    /// Whether texts are cut to UDM's documented maximum lengths: 1,024 bytes for the description, 64 for the product
    /// event type, 32 for the product version. Characters are never split.
    pub clip: bool,
    /// Whether the rows of the profile `enriched` apply, too.
    pub enrich: bool,
}

/// How the value of a change is mapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Values {
    /// The new value: for `from Member to Admin`, `Admin`.
    #[default]
    New,
    /// The phrase as Zoom wrote it.
    Verbatim,
}
