//! Settings and listings.

use crate::{cli, store};

/// Settings: each line is a value, the whole text is a listing page, and it is flags if it begins with `--`.
pub(super) fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if text.starts_with("--") {
        return cli::invariants::flags(text);
    }
    store::invariants::listing(text);
    for line in text.lines().take(8) {
        cli::invariants::setting(line);
        store::invariants::location(line);
        store::invariants::emulator(line);
        store::invariants::name(line);
    }
}
