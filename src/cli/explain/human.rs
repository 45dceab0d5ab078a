//! Formats explanations for people on a terminal.

use crate::explain::{EventExplanation, Explanation, Fill, Origin, Outcome, Raw, RejectExplanation};
use crate::sanitize::is_unsafe_char;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::builder::styling::{AnsiColor, Color, Style};
use std::io::{self, Write};

const fn colour(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(colour)))
}

const PLAIN: Style = Style::new();
const HEAD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const PATH: Style = colour(AnsiColor::Cyan);
const TAKEN: Style = colour(AnsiColor::Green).underline();
const LEFT: Style = colour(AnsiColor::Yellow);
const REJECT: Style = colour(AnsiColor::Red).bold();

/// The maximum length of a text that is shown.
const MOST: usize = 2000;

/// Writes explanations for people.
pub(super) struct Human {
    colours: bool,
    first: bool,
}

/// A text in a style, escaped and shortened.
struct Span<'a>(Style, &'a str);

impl Human {
    pub(super) fn new(colours: bool) -> Self {
        Self { colours, first: true }
    }

    /// Writes one record.
    pub(super) fn write(&mut self, explanation: &Explanation, out: &mut impl Write) -> io::Result<()> {
        if !std::mem::take(&mut self.first) {
            out.write_all(b"\n")?;
        }
        let place = format!("{}, line {} (byte {})", explanation.input, explanation.line, explanation.offset);
        self.line(out, "", &[Span(HEAD, &place)])?;
        match &explanation.outcome {
            Outcome::Event(story) => self.story(story, out),
            Outcome::Reject { reject } => {
                self.line(out, "  ", &[Span(PLAIN, &raw(&explanation.record))])?;
                self.reject(reject, out)
            }
        }
    }

    fn line(&self, out: &mut impl Write, indent: &str, parts: &[Span<'_>]) -> io::Result<()> {
        out.write_all(indent.as_bytes())?;
        for Span(style, text) in parts {
            let text = safe(text);
            if self.colours { write!(out, "{style}{text}{style:#}")? } else { write!(out, "{text}")? }
        }
        out.write_all(b"\n")
    }

    fn story(&self, story: &EventExplanation, out: &mut impl Write) -> io::Result<()> {
        let width = story.members.iter().map(|member| member.name.chars().count()).max().unwrap_or(0).min(20);
        for member in &story.members {
            let name = format!("{:width$}  ", member.name);
            self.line(out, "  ", &[Span(DIM, &name), Span(PLAIN, &member.text)])?;
        }
        out.write_all(b"\n")?;
        for fill in &story.fills {
            self.fill(fill, out)?;
        }
        if !story.unmapped.is_empty() {
            out.write_all(b"\n")?;
            self.line(out, "  ", &[Span(LEFT, "not mapped")])?;
        }
        for left in &story.unmapped {
            let (field, why) = (format!("{}: ", left.field), format!(" ({})", left.why));
            self.line(out, "    ", &[Span(PLAIN, &field), Span(LEFT, &quoted(&left.text)), Span(DIM, &why)])?;
        }
        for noted in &story.notes {
            let times = if noted.times > 1 { format!(", {} times", noted.times) } else { String::new() };
            self.line(out, "  ", &[Span(LEFT, "note: "), Span(PLAIN, &format!("{}{times}", noted.words))])?;
        }
        Ok(())
    }

    /// Writes field ← rule ← source text.
    fn fill(&self, fill: &Fill, out: &mut impl Write) -> io::Result<()> {
        self.line(out, "  ", &[Span(PATH, &fill.path), Span(PLAIN, "  "), Span(HEAD, &fill.value)])?;
        // The value of a label follows, with the same rule.
        if fill.rule.row.is_some() && fill.path.rsplit('.').next() == Some("key") {
            return Ok(());
        }
        let rule = &fill.rule;
        let words = format!("{}  ", rule.words);
        let from = match rule.name {
            "" => format!("[{}]", rule.basis),
            name if rule.source == "option" => format!("[{name}]"),
            name => format!("[{} {name}, {}]", rule.source, rule.basis),
        };
        if rule.source == "constant" {
            return self.line(out, "      ", &[Span(DIM, "← constant")]);
        }
        self.line(out, "      ", &[Span(DIM, "← "), Span(PLAIN, &words), Span(DIM, &from)])?;
        match &fill.source {
            None => Ok(()),
            Some(source) => self.source(source, rule.source == "field" && source.text == fill.value, out),
        }
    }

    fn source(&self, source: &Origin, as_it_is: bool, out: &mut impl Write) -> io::Result<()> {
        let field = format!("{}  ", source.field);
        let start = [Span(DIM, "← "), Span(PLAIN, &field)];
        let mut parts = Vec::from(start);
        let [before, taken, after] = split(source);
        if as_it_is {
            parts.push(Span(DIM, "unchanged"));
        } else {
            parts.extend([Span(PLAIN, &before), Span(TAKEN, &taken), Span(PLAIN, &after)]);
        }
        self.line(out, "      ", &parts)
    }

    fn reject(&self, reject: &RejectExplanation, out: &mut impl Write) -> io::Result<()> {
        let found = format!("{}: ", reject.reason);
        self.line(
            out,
            "  ",
            &[Span(REJECT, "rejected, "), Span(REJECT, &found), Span(PLAIN, &reject.found)],
        )?;
        self.line(out, "  ", &[Span(DIM, "expected: "), Span(PLAIN, reject.expected)])?;
        self.line(out, "  ", &[Span(DIM, "fix:      "), Span(PLAIN, reject.hint)])
    }
}

/// Returns the source text before, in and after the used part; all of it counts as used if that has several ranges.
fn split(source: &Origin) -> [String; 3] {
    let ([[at, _]], [[start, end]]) = (&source.at[..], &source.taken[..]) else {
        return [String::new(), source.text.clone(), String::new()];
    };
    let (start, end) = (start.saturating_sub(*at), end.saturating_sub(*at));
    let part =
        |from: usize, to: usize| source.text.chars().skip(from).take(to.saturating_sub(from)).collect();
    [part(0, start), part(start, end), part(end, usize::MAX)]
}

fn quoted(text: &str) -> String {
    format!("“{text}”")
}

fn raw(record: &Raw) -> String {
    let decoded =
        |text: &String| String::from_utf8_lossy(&BASE64.decode(text).unwrap_or_default()).into_owned();
    match record {
        Raw::Text(text) => text.clone(),
        Raw::Base64(text) => decoded(text),
        Raw::Start(text) => decoded(text) + "…",
    }
}

/// Escapes a text for a terminal, and replaces the rest of a long one by its length.
fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    for character in characters.by_ref().take(MOST) {
        match character {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            hidden if is_unsafe_char(hidden) => out.push_str(&format!("\\u{{{:x}}}", u32::from(hidden))),
            other => out.push(other),
        }
    }
    match characters.count() {
        0 => out,
        more => format!("{out}… ({more} more characters)"),
    }
}
