//! Runs the program as a user who is subject to file permissions. Root is not.

use crate::process::binary;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// The user ID of `nobody` on Linux.
const UNPRIVILEGED_UID: u32 = 65534;

/// Makes a command run as nobody if the current user is root.
pub fn as_unprivileged(command: &mut Command) -> &mut Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
    if root { command.uid(UNPRIVILEGED_UID).gid(UNPRIVILEGED_UID) } else { command }
}

/// Returns whether an unprivileged user can run the program and use a temporary directory. Prints a message if not.
pub fn can_run_unprivileged() -> bool {
    let program = binary();
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    std::fs::set_permissions(&directory, Permissions::from_mode(0o777)).expect("the mode can be changed");
    let mut command = Command::new(&program);
    command.arg("--version").stdout(Stdio::null()).current_dir(&directory);
    let can = as_unprivileged(&mut command).status().is_ok_and(|status| status.success());
    if !can {
        println!("left out: another user cannot run {} in {}", program.display(), directory.path().display());
    }
    can
}
