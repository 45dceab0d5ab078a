//! What tests of `deploy/setup.sh` share: the stand-in for gcloud, and the calls that it got.

use crate::files::root;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// `setup.sh`, with the stand-in as its gcloud and little else; both keep what they know in a directory.
pub fn setup(directory: &Path) -> Command {
    let gcloud = directory.join("gcloud");
    if !gcloud.exists() {
        // Version managers put slow scripts before the interpreter; it is called often.
        let named =
            Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
        let python = String::from_utf8(named.stdout).unwrap();
        let stand_in = root().join("tests/deploy/fake_gcloud.py");
        let script = format!("#!/bin/sh\nexec '{}' -S '{}' \"$@\"\n", python.trim(), stand_in.display());
        fs::write(&gcloud, script).unwrap();
        fs::set_permissions(&gcloud, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(root().join("deploy/setup.sh"));
    command.env_clear().env("PATH", path).env("GCLOUD_STATE", directory).env("SETUP_PAUSE", "0");
    command
}

/// All calls that the stand-in got, words and flags.
pub fn calls(directory: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(directory.join("calls")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
