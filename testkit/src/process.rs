//! The program under test as a child process.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Returns the directory that Cargo builds into. It contains the program and the directory of the running test.
fn build_directory() -> PathBuf {
    let executable = std::env::current_exe().expect("the running test has a path");
    executable.ancestors().nth(2).expect("the executable is in a build directory").to_owned()
}

/// Returns the path of `zoom-udm`.
pub fn binary() -> PathBuf {
    build_directory().join("zoom-udm")
}

/// Makes the program trust a single root certificate, because loading all of the system's takes longer than most
/// requests of a test.
pub fn trust_single_root(command: &mut Command) {
    static ROOT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let all = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").ok()?;
        let end = "-----END CERTIFICATE-----\n";
        let directory = build_directory().with_file_name("tmp");
        std::fs::create_dir_all(&directory).ok()?;
        let file = directory.join(format!("root-{}.pem", std::process::id()));
        std::fs::write(&file, &all[..all.find(end)? + end.len()]).ok()?;
        Some(file)
    });
    if let Some(root) = root {
        command.env("SSL_CERT_FILE", root);
    }
}
