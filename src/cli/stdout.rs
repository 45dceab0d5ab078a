//! Texts on standard output.

use super::error::{CliError, Exit};
use crate::polling_stdio;
use anyhow::Context as _;
use std::io::Write as _;

/// What an error calls standard output.
pub(super) const STANDARD_OUTPUT: &str = "standard output";

/// Prints a text.
pub(super) fn print(text: &str) -> Result<Exit, CliError> {
    let mut out = polling_stdio::stdout();
    let text = crate::redact::redact(text);
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context(STANDARD_OUTPUT)?;
    Ok(Exit::Done)
}

/// Prints lines of JSON; on a terminal, control characters in strings are escaped.
#[cfg(feature = "cloud")]
pub(super) fn print_json(text: &str) -> Result<Exit, CliError> {
    use std::io::IsTerminal as _;
    let lines = text.lines().map(|line| crate::redact::redact_json_text(line).into_owned() + "\n");
    let text: String = lines.collect();
    if std::io::stdout().is_terminal() { print(&crate::sanitize::escape_json(&text)) } else { print(&text) }
}
