//! Settings and listings.

use crate::{cli, store};

/// Settings: each line is a value, the whole text is a listing page, and it is flags if it begins with `--`.
pub(super) fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if text.starts_with("--") {
        return cli::properties::flags(text);
    }
    store::properties::listing(text);
    for line in text.lines().take(8) {
        cli::properties::setting(line);
        store::properties::location(line);
        store::properties::emulator(line);
        store::properties::name(line);
    }
}
