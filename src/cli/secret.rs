//! Secrets from the environment: a variable, or a file that another variable names.

use super::parsers::env_var;
use crate::collect::Secret;
use std::fs::File;
use std::io::Read as _;

/// In bytes; Zoom's secrets have 22 to 32. A file may be an endless device.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Returns the secret in the variable `name`, or in the file that `name`_FILE names; `None` if neither is set. `kind`
/// says what it is, as in "a Zoom client secret".
pub(super) fn secret(name: &str, kind: &str) -> Result<Option<Secret>, String> {
    let file_name = format!("{name}_FILE");
    let path = match (env_var(name), env_var(&file_name)) {
        (None, None) => return Ok(None),
        (Some(secret), None) => return Ok(Some(Secret::new(&secret))),
        (None, Some(path)) => path,
        (Some(_), Some(path)) => {
            return Err(format!("{name} is set, and {file_name} names {path}: unset one of them"));
        }
    };
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text));
    read.map_err(|error| format!("{file_name} {path} cannot be read: {error}"))?;
    if text.len() as u64 > MAX_SECRET_BYTES {
        return Err(format!(
            "{file_name} {path} is longer than {MAX_SECRET_BYTES} bytes, which is not {kind}"
        ));
    }
    let secret = Secret::new(text.trim_start_matches('\u{feff}'));
    if secret.is_empty() { Err(format!("{file_name} {path} is empty")) } else { Ok(Some(secret)) }
}
