//! The program as a user to whom files can be closed: to root nothing is.

use crate::process::binary;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// The number that the user without rights has on Linux.
const UNPRIVILEGED_UID: u32 = 65534;

/// Has a command run as nobody where root would run it.
pub fn as_unprivileged(command: &mut Command) -> &mut Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
    if root { command.uid(UNPRIVILEGED_UID).gid(UNPRIVILEGED_UID) } else { command }
}

/// Whether such a user can run the program where it lies, and in a temporary directory; says so if not.
pub fn can_run_unprivileged() -> bool {
    let program = binary();
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(&directory, Permissions::from_mode(0o777)).expect("it is ours");
    let mut command = Command::new(&program);
    command.arg("--version").stdout(Stdio::null()).current_dir(&directory);
    let can = as_unprivileged(&mut command).status().is_ok_and(|status| status.success());
    if !can {
        println!("left out: another user cannot run {} in {}", program.display(), directory.path().display());
    }
    can
}
