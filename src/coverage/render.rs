//! Shows a report to people: as text for a terminal, or as Markdown.

use super::report::{ActionRow, KeyRow, Mapped, Report, Share, TextShare, UnmappedRow};
use crate::sanitize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How a report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Text for a terminal.
    Human,
    /// Markdown.
    Markdown,
}

/// The maximum number of rows that are shown of each list.
const MAX_ROWS: usize = 20;

/// The maximum number of characters of an example that are shown.
const MAX_EXAMPLE: usize = 60;

/// A list that is shown as a table.
struct List {
    title: String,
    header: &'static [&'static str],
    /// The number of columns at the start that hold numbers.
    numbers: usize,
    rows: Vec<Vec<String>>,
    /// How many rows the report has.
    of: usize,
    /// What is counted beyond the limit, and how often.
    other: (&'static str, u64),
}

impl Report {
    /// Returns the report as text: the totals, and the most frequent rows of each list.
    #[must_use]
    pub fn render(&self, layout: Layout) -> String {
        let mut out = String::new();
        if layout == Layout::Markdown {
            out.push_str("# Coverage\n\n");
        }
        for line in self.totals() {
            let item = if layout == Layout::Markdown { "- " } else { "" };
            let _ = writeln!(out, "{item}{line}");
        }
        for list in self.lists().into_iter().filter(|list| list.of > 0) {
            list.write(layout, self.limit, &mut out);
        }
        out
    }

    fn totals(&self) -> Vec<String> {
        let reasons: Vec<_> =
            self.rejects_by_reason.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        let TextShare { characters, default, enriched } = &self.text;
        let mut lines = vec![
            format!("{} records: {} events, {} rejects{reasons}", self.records, self.events, self.rejects),
            format!("mapped by default: {}", share(default, *characters)),
            format!("mapped with --enrich: {}", share(enriched, *characters)),
        ];
        if self.redacted {
            lines.push("values and unknown names are hidden".to_owned());
        }
        if self.incomplete {
            lines
                .push("incomplete: the run was stopped, or an input could not be read to its end".to_owned());
        }
        lines
    }

    fn lists(&self) -> [List; 4] {
        let Self { actions, keys, unmapped, other, .. } = self;
        let unmapped_list = |title: &str, rows: &[UnmappedRow], other| List {
            title: title.to_owned(),
            header: &["count", "characters", "part", "key", "example"],
            numbers: 2,
            rows: rows.iter().take(MAX_ROWS).map(unmapped_row).collect(),
            of: rows.len(),
            other: ("parts", other),
        };
        [
            List {
                title: "Actions".to_owned(),
                header: &[
                    "records",
                    "default",
                    "enriched",
                    "kind",
                    "category",
                    "action",
                    "event types",
                    "enriched types",
                ],
                numbers: 3,
                rows: actions.iter().take(MAX_ROWS).map(action_row).collect(),
                of: actions.len(),
                other: ("records", other.actions),
            },
            List {
                title: "Keys".to_owned(),
                header: &["count", "default", "enriched", "place", "key", "example"],
                numbers: 1,
                rows: keys.iter().take(MAX_ROWS).map(key_row).collect(),
                of: keys.len(),
                other: ("keys", other.keys),
            },
            unmapped_list("Not mapped by default", &unmapped.default, other.unmapped.default),
            unmapped_list("Not mapped with --enrich", &unmapped.enriched, other.unmapped.enriched),
        ]
    }
}

/// Returns how much of a text of some characters is mapped.
fn share(mapped: &Share, characters: u64) -> String {
    match mapped.percent {
        Some(percent) => {
            format!("{percent} % of the text ({} of {characters} characters)", mapped.characters)
        }
        None => "no record has text".to_owned(),
    }
}

fn action_row(row: &ActionRow) -> Vec<String> {
    let types = |types: &BTreeMap<&str, u64>| {
        types.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    let percent = |share: &Share| share.percent.map(|percent| format!("{percent} %")).unwrap_or_default();
    let Mapped { default, enriched } = &row.event_types;
    vec![
        row.records.to_string(),
        percent(&row.text.default),
        percent(&row.text.enriched),
        row.kind.to_owned(),
        row.category.clone(),
        row.action.clone(),
        types(default),
        types(enriched),
    ]
}

fn key_row(row: &KeyRow) -> Vec<String> {
    let mapped = |mapped: u64| match mapped {
        0 => "no".to_owned(),
        all if all == row.count => "yes".to_owned(),
        some => format!("{some} of {}", row.count),
    };
    vec![
        row.count.to_string(),
        mapped(row.mapped.default),
        mapped(row.mapped.enriched),
        row.place.to_owned(),
        row.key.clone(),
        example(row.example.as_deref()),
    ]
}

fn unmapped_row(row: &UnmappedRow) -> Vec<String> {
    vec![
        row.count.to_string(),
        row.characters.to_string(),
        row.part.clone(),
        row.key.clone(),
        example(row.example.as_deref()),
    ]
}

/// Returns an example as it is shown.
fn example(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(MAX_EXAMPLE).collect();
    if characters.next().is_some() { start.trim_end_matches('…').to_owned() + "…" } else { start }
}

impl List {
    fn write(&self, layout: Layout, limit: usize, out: &mut String) {
        let heading = if layout == Layout::Markdown { "\n## " } else { "\n" };
        let most = if self.of > MAX_ROWS {
            format!(" (the first {MAX_ROWS} of {})", self.of)
        } else {
            String::new()
        };
        let _ = writeln!(out, "{heading}{}{most}", self.title);
        match layout {
            Layout::Human => self.write_columns(out),
            Layout::Markdown => self.write_markdown(out),
        }
        if let (what, count @ 1..) = self.other {
            let line = if layout == Layout::Markdown { "\n" } else { "  " };
            let _ = writeln!(
                out,
                "{line}{count} {what} more have names beyond the limit of {limit} and are not listed"
            );
        }
    }

    /// Writes columns; numbers are aligned to the right.
    fn write_columns(&self, out: &mut String) {
        let header = self.header.iter().map(|name| (*name).to_owned()).collect();
        let rows: Vec<Vec<String>> = std::iter::once(header)
            .chain(self.rows.iter().map(|row| row.iter().map(|cell| sanitize::single_line(cell)).collect()))
            .collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..self.header.len()).map(width).collect();
        for row in &rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let _ = if column < self.numbers {
                    write!(line, "  {cell:>width$}")
                } else {
                    write!(line, "  {cell:width$}")
                };
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }

    fn write_markdown(&self, out: &mut String) {
        let _ = writeln!(out, "\n| {} |", self.header.join(" | "));
        let marks = (0..self.header.len()).map(|column| if column < self.numbers { "---:" } else { "---" });
        let _ = writeln!(out, "| {} |", marks.collect::<Vec<_>>().join(" | "));
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(|cell| markdown(cell)).collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
    }
}

/// Returns a text for a cell of Markdown, in which no character has a meaning.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in sanitize::single_line(text).chars() {
        if matches!(
            character,
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '!'
        ) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
