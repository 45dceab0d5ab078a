//! The command line: one file per command, from arguments to one library call to an exit code.
//!
//! - `args`, `dispatch`, `error`: the command line, what runs it, and exit codes. `cloud`: the commands that need the
//!   feature `cloud`.
//! - `event_args`, `name_filter`, `parsers`, `collect_config`, `collect_layout`: arguments that several commands share.
//! - `inputs`, `expand`: input files. `output_target`, `atomic_file`, `normalize_output`, `timed_flush`, `stdout`: outputs.
//! - `messages`, `progress`, `collect_progress`, `ingest_progress`, `textfile_metrics`: what a run reports.
//! - `signal`, `shutdown`: signals.

mod args;
mod atomic_file;
mod clock;
mod completions;
mod coverage;
mod dispatch;
mod error;
mod event_args;
mod expand;
mod explain;
mod inputs;
mod man;
mod messages;
mod name_filter;
mod normalize;
mod normalize_output;
mod output_target;
mod progress;
mod signal;
mod stdout;
mod timed_flush;

cfg_if::cfg_if! {
    if #[cfg(feature = "cloud")] {
        mod check;
        mod cloud;
        mod collect;
        mod collect_config;
        mod collect_layout;
        mod collect_progress;
        mod collect_status;
        mod ingest;
        mod ingest_progress;
        mod ledger;
        mod parsers;
        #[cfg(any(test, fuzzing))]
        pub(crate) mod invariants;
        mod runtime;
        mod serve;
        mod serve_webhook;
        mod secret;
mod shutdown;
        mod textfile_metrics;
    }
}

pub use dispatch::main;
