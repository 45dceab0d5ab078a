//! `zoom-udm completions`: prints shell completions.

use clap::Command;
use clap_complete::Shell;

/// Returns the completion script for a shell.
pub(super) fn script(shell: Shell, command: &mut Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "zoom-udm", &mut script);
    let script = String::from_utf8_lossy(&script);
    match shell {
        // clap_complete generates labels for names with hyphens that it never jumps to (clap issues 6421 and 6529).
        Shell::Bash => script.replace("zoom__subcmd__udm", "zoom__udm"),
        _ => script.into_owned(),
    }
}
