//! Helpers for the tests of `deploy/setup.sh`: the script with a fake gcloud, and the recorded calls.

use crate::files::root;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// Returns a command that runs `setup.sh` with a fake gcloud and little else. The fake keeps its state in a directory.
pub fn setup(directory: &Path) -> Command {
    let gcloud = directory.join("gcloud");
    if !gcloud.exists() {
        // Calls the interpreter directly, because the wrappers of version managers are slow.
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

/// Returns the arguments of all calls of the fake.
pub fn calls(directory: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(directory.join("calls")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
