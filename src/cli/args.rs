//! The command line as clap parses it.

#[cfg(feature = "cloud")]
use super::cloud::CloudCommand;
use super::{coverage, explain, normalize};
use crate::mapping::Profile;
use clap::{Args, Command, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// The exit codes, the same for all commands.
const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   done, but some records were rejected, some objects failed, or some days
      are deferred or lost
  2   usage or missing settings
  3   input or output failed
  4   credentials are missing, or permission is denied
  5   another run holds the ledger or the state
  75  stopped early (signal, deadline, budget, limit or transient error) with
      progress saved: run again";

/// The version, with the commit for releases; see `build.rs`.
const VERSION: &str = env!("ZOOM_UDM_VERSION");

#[derive(Parser)]
#[command(name = "zoom-udm", version = VERSION, about, after_help = EXIT_CODES, max_term_width = 110)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: CliCommand,
}

#[derive(Subcommand)]
pub(super) enum CliCommand {
    Normalize(Box<normalize::NormalizeArgs>),
    Explain(Box<explain::ExplainArgs>),
    Coverage(Box<coverage::CoverageArgs>),
    #[cfg(feature = "cloud")]
    #[command(flatten)]
    Cloud(CloudCommand),
    Mapping(TableArgs),
    /// Print a shell completion script
    #[command(after_help = "Example:\n  zoom-udm completions bash > /etc/bash_completion.d/zoom-udm")]
    Completions {
        /// Shell
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  zoom-udm man > zoom-udm.1 && man ./zoom-udm.1")]
    Man,
}

/// Print the mapping table: source, UDM path, rule, example
#[derive(Args)]
#[command(
    after_help = "Examples:\n  zoom-udm mapping | less\n  zoom-udm mapping --format json | jq -r '.[].path' | sort -u"
)]
pub(super) struct TableArgs {
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: TableFormat,
    /// Only the rows of this profile
    #[arg(long, value_enum)]
    profile: Option<ProfileFlag>,
}

impl TableArgs {
    /// Returns the profile whose rows are printed; `None` for all.
    pub(super) fn profile(&self) -> Option<Profile> {
        self.profile.map(|profile| match profile {
            ProfileFlag::Google => Profile::Google,
            ProfileFlag::Enriched => Profile::Enriched,
        })
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum ProfileFlag {
    /// The default
    Google,
    /// What --enrich adds
    Enriched,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(super) enum TableFormat {
    #[default]
    Markdown,
    Json,
}

/// Returns the command line as shown to users.
pub(super) fn command() -> Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::command;
    use clap::Command;

    /// Calls `visit` with each visible command and its path.
    fn each(command: &Command, visit: &mut dyn FnMut(&Command, &str)) {
        for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
            visit(subcommand, subcommand.get_bin_name().unwrap_or_default());
            each(subcommand, visit);
        }
    }

    #[test]
    fn every_help_has_examples_within_78_columns() {
        let mut all = command().disable_help_subcommand(true);
        all.build();
        let mut commands = Vec::new();
        let mut check = |subcommand: &Command, path: &str| {
            let help = subcommand.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines() {
                assert!(line.chars().count() <= 78, "{path}: {line}");
            }
            commands.push((path.to_owned(), help.contains("Example") && help.contains(&format!("  {path}"))));
        };
        check(&all, "zoom-udm");
        each(&all, &mut check);
        let without: Vec<_> = commands[1..].iter().filter(|(_, has)| !has).collect();
        assert!(without.is_empty() && commands.len() > 5, "{without:?}");
    }
}
