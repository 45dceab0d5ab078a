//! Gives the program's version the commit that it is built from, where that can be known.
//!
//! The commit is that of `ZOOM_UDM_COMMIT`, or what `cargo package` wrote into the package, or git's. Without any of
//! them the version stands alone. git is asked for a release only: other builds would be made anew after each commit.

use std::path::Path;
use std::process::Command;

/// What a release is made of: a change in it makes the commit's name `-dirty`.
const MADE_OF: [&str; 4] = ["build.rs", "Cargo.lock", "Cargo.toml", "src"];

/// What `cargo package` says of the commit, in the package.
const PACKAGED: &str = ".cargo_vcs_info.json";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=ZOOM_UDM_COMMIT");
    let version = variable("CARGO_PKG_VERSION").unwrap_or_default();
    let version = match commit() {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    println!("cargo:rustc-env=ZOOM_UDM_VERSION={version}");
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The first 12 digits of the commit, with `-dirty` behind them where it is not all that is built.
fn commit() -> Option<String> {
    if let Some(given) = variable("ZOOM_UDM_COMMIT") {
        return short(&given, given.ends_with("-dirty"));
    }
    if Path::new(PACKAGED).exists() {
        return packaged();
    }
    if variable("PROFILE")? == "release" { checked_out() } else { None }
}

fn short(commit: &str, dirty: bool) -> Option<String> {
    let digits = commit.get(..12).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some(format!("{digits}{}", if dirty { "-dirty" } else { "" }))
}

fn packaged() -> Option<String> {
    println!("cargo:rerun-if-changed={PACKAGED}");
    let told = std::fs::read_to_string(PACKAGED).ok()?;
    let (_, commit) = told.split_once("\"sha1\": \"")?;
    short(commit, told.contains("\"dirty\": true"))
}

fn checked_out() -> Option<String> {
    // A package that was unpacked somewhere inside of another repository is none of its commits.
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    // What a commit or a checkout changes. Cargo would take a file that is not there for one that always changes.
    let heads = ["HEAD", "logs/HEAD"].map(|file| git(&["rev-parse", "--git-path", file]));
    for path in heads.iter().flatten().map(String::as_str).chain(MADE_OF) {
        if Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let changed = git(&[&["status", "--porcelain", "--"], &MADE_OF[..]].concat())?;
    short(&git(&["rev-parse", "HEAD"])?, !changed.is_empty())
}

/// What git prints, without the end of its line; `None` where there is no git, or it fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("--no-optional-locks").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}
