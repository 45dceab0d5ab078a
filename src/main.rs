//! `zoom-udm`: arguments, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    zoom_udm::cli::main()
}
