//! Globs of names below a directory or prefix: `--include` and `--exclude`.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// A set of globs.
///
/// # Errors
/// A sentence that names the first text that is not a glob.
pub(crate) fn compile_globs<T: AsRef<str>>(texts: &[T]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for text in texts {
        set.add(
            compile_glob(text.as_ref())
                .map_err(|error| format!("invalid glob {:?}: {error}", text.as_ref()))?,
        );
    }
    set.build().map_err(|error| format!("invalid globs: {error}"))
}

/// A glob of whole names: `*` stays within a part, `**` crosses parts.
pub(crate) fn compile_glob(text: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(text).literal_separator(true).build()
}
