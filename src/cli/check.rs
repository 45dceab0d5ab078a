//! `zoom-udm check`: is everything set up?

use super::collect::Voice;
use super::environment::{self, Terms};
use super::{Exit, Fault, print, runtime_of_one};
use crate::terminal;
use clap::Args;
use std::fmt::Write as _;

/// Ask Zoom, the bucket and the state whether a run of collect would go well, each with what to do
#[derive(Args)]
#[command(after_help = "\
Settings are those of collect: see `zoom-udm collect --help`. Nothing is
collected; an empty object is written below the data and one below the state,
and removed. Who may only create there (objectCreator) leaves it: no feed
makes anything of an empty object.

Examples:
  zoom-udm check
  zoom-udm check --to gs://bucket/zoom/operationlogs/ --trace-http

Exit codes: 0 all is well, 2 missing settings, 3 something cannot be reached,
4 credentials, scopes, roles or permission")]
pub(super) struct Flags {
    #[command(flatten)]
    settings: environment::SettingFlags,
}

/// Tries after the first: who looks waits for the answer, and a network that is not there is one.
const RETRIES: usize = 1;

pub(super) fn run(flags: &Flags) -> Result<Exit, Fault> {
    let mut options = match environment::options(&flags.settings, &Terms::LOOK) {
        Err(Fault::Usage(message)) => {
            print(&format!("FAIL settings: {message} -> see zoom-udm collect --help\n"))?;
            return Ok(Exit::Usage);
        }
        options => options?,
    };
    options.patience.retries = options.patience.retries.min(RETRIES);
    options.retry.retries = options.retry.retries.min(RETRIES);
    let voice = Voice::new(flags.settings.trace_http)?;
    let findings = runtime_of_one()?.block_on(crate::collect::check(&options, voice))?;
    let mut text = String::from("ok settings: complete\n");
    let mut exit = Exit::Done;
    for finding in &findings {
        let _ = match &finding.outcome {
            Ok(found) => writeln!(text, "ok {}: {found}", finding.name),
            Err(wrong) => {
                exit = exit.max(if wrong.access { Exit::Access } else { Exit::Io });
                let said = match wrong.text.split_once("; ") {
                    Some((what, cure)) => format!("{what} -> {cure}"),
                    None => format!("{} -> run again, with --trace-http to see more", wrong.text),
                };
                writeln!(text, "FAIL {}: {said}", finding.name)
            }
        };
    }
    // Zoom and storage are quoted.
    print(&terminal::text(&text))?;
    Ok(exit)
}
