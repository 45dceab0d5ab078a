//! `zoom-udm completions`: what a shell offers behind `zoom-udm`.

use clap::Command;
use clap_complete::Shell;

/// The script for a shell.
pub(super) fn script(shell: Shell, command: &mut Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "zoom-udm", &mut script);
    let script = String::from_utf8_lossy(&script);
    match shell {
        // clap_complete takes the hyphen of a name for a step down to a verb in the labels of its branches, and not where
        // it goes to them: none is reached (clap's issues 6421 and 6529).
        Shell::Bash => script.replace("zoom__subcmd__udm", "zoom__udm"),
        _ => script.into_owned(),
    }
}
