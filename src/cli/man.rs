//! `zoom-udm man`: the manual page, with a section for each command.

use clap::Command;
use clap_mangen::Man;
use std::io;

/// Returns the manual page of a command.
pub(super) fn page(command: Command) -> io::Result<String> {
    let mut command = command
        .disable_help_subcommand(true)
        .mut_subcommands(|subcommand| subcommand.disable_help_flag(true));
    command.build();
    let man = Man::new(command.clone());
    let mut page = rendered(|page| man.render_title(page))?;
    // Words are not hyphenated, because users may type them.
    page += ".nh\n";
    page += &rendered(|page| man.render_name_section(page))?;
    page += &parts(&command)?;
    for subcommand in visible(&command) {
        section(subcommand, subcommand.get_name(), &mut page)?;
    }
    Ok(page)
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set())
}

/// Returns the section of a command, then those of its subcommands.
fn section(subcommand: &Command, path: &str, page: &mut String) -> io::Result<()> {
    *page += &format!(".SH \"COMMAND: {path}\"\n");
    *page += &parts(subcommand)?.replace(".SH ", ".SS ");
    for inner in visible(subcommand) {
        section(inner, &format!("{path} {}", inner.get_name()), page)?;
    }
    Ok(())
}

/// Returns the description of one command.
fn parts(command: &Command) -> io::Result<String> {
    let man = Man::new(command.clone());
    let mut parts = rendered(|page| {
        man.render_synopsis_section(page)?;
        man.render_description_section(page)?;
        man.render_options_section(page)
    })?;
    if visible(command).next().is_some() {
        parts += ".SH COMMANDS\n";
    }
    for subcommand in visible(command) {
        let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
        parts += &format!(".TP\n\\fB{}\\fR\n{}\n", subcommand.get_name(), about.replace('-', "\\-"));
    }
    if command.get_after_help().is_some() {
        let extra = rendered(|page| man.render_extra_section(page))?;
        // Unindented and preformatted, because it is as wide as a page.
        parts += &extra.replacen(".SH EXTRA\n", ".SH NOTES\n.nf\n.in 0\n", 1);
        parts += ".in\n.fi\n";
    }
    Ok(parts)
}

/// Renders a part of the page. Each part begins with a quote definition for old programs.
fn rendered(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<String> {
    let mut page = Vec::new();
    render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command's section has its flags, its notes, and its subcommands.
    fn check(command: &Command, path: &str, page: &str) {
        let heading = format!("\n.SH \"COMMAND: {path}\"\n");
        let (_, section) = page.split_once(&heading).unwrap_or_else(|| panic!("{path} has no section"));
        let section = section.split("\n.SH ").next().unwrap();
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let place =
                argument.get_value_names().map_or(argument.get_id().as_str(), |names| names[0].as_str());
            let name = argument.get_long().map_or_else(|| place.to_owned(), |long| format!("--{long}"));
            assert!(section.contains(&name), "{path}: {name}");
        }
        assert!(section.contains(&format!("\\fBzoom-udm {path}\\fR")), "{path} has no synopsis:\n{section}");
        for line in command.get_after_help().unwrap().to_string().lines() {
            assert!(section.contains(line), "{path}: {line}");
        }
        for subcommand in visible(command) {
            check(subcommand, &format!("{path} {}", subcommand.get_name()), page);
        }
    }

    #[test]
    fn manual_lists_every_command_and_flag() {
        let mut command = super::super::args::command().disable_help_subcommand(true);
        command = command.mut_subcommands(|subcommand| subcommand.disable_help_flag(true));
        command.build();
        let page = page(super::super::args::command())
            .unwrap()
            .replace("\\-", "-")
            .replace("\\*(Aq", "'")
            .replace("\\\\", "\\");
        for subcommand in visible(&command) {
            check(subcommand, subcommand.get_name(), &page);
        }
        assert!(page.contains("\n.SH COMMANDS\n") && page.contains("75  stopped early"), "{page}");
        // There is only this page.
        assert!(!page.contains("(1)"), "{page}");
    }
}
