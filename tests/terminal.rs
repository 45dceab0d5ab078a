//! Tests that progress bars, colors and hints appear on terminals, and only there.

#![cfg(unix)]

use nix::pty::{OpenptyResult, Winsize, openpty};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use testkit::files::{directory, text};
use testkit::normalize::record;

/// The start of a control sequence.
const ESCAPE: &str = "\u{1b}[";

/// A terminal, and a command to run in it.
struct Terminal {
    pair: OpenptyResult,
    command: Command,
}

impl Terminal {
    fn new(arguments: &[&str]) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let mut command = Command::new(env!("CARGO_BIN_EXE_zoom-udm"));
        command.args(arguments).env("TERM", "xterm-256color");
        for name in ["NO_COLOR", "ZOOM_UDM_NOW", "ZOOM_UDM_LOG", "STORAGE_EMULATOR_HOST"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { pair: openpty(&size, None).expect("a terminal can be opened"), command }
    }

    fn end(&self) -> Stdio {
        self.pair.slave.try_clone().expect("the terminal can be cloned").into()
    }

    fn stdin(mut self) -> Self {
        let end = self.end();
        self.command.stdin(end);
        self
    }

    fn stdout(mut self) -> Self {
        let end = self.end();
        self.command.stdout(end);
        self
    }

    fn stderr(mut self) -> Self {
        let end = self.end();
        self.command.stderr(end);
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs the command with some typed input, and returns what the terminal receives. The command must succeed.
    fn shows(self, typed: &str) -> String {
        let (code, shown) = self.run(typed);
        assert_eq!(code, Some(0), "{shown}");
        shown
    }

    /// Runs the command with some typed input. Returns the exit code and what the terminal receives.
    fn run(mut self, typed: &str) -> (Option<i32>, String) {
        let mut child = self.command.spawn().expect("the program runs");
        let mut screen = File::from(self.pair.master);
        screen.write_all(typed.as_bytes()).expect("the terminal is writable");
        // The program is now the only one that holds the other end.
        drop((self.command, self.pair.slave));
        let (mut shown, mut piece) = (Vec::new(), [0; 4096]);
        // On Linux, the end of the stream is an error.
        while let Ok(read @ 1..) = screen.read(&mut piece) {
            shown.extend_from_slice(&piece[..read]);
        }
        let code = child.wait().expect("the program exits").code();
        (code, String::from_utf8(shown).expect("valid UTF-8"))
    }
}

/// The width of the terminal.
const COLUMNS: usize = 100;

/// Returns the lines on the screen, including those that scrolled off, after a terminal has received some text.
fn on_screen(sent: &str) -> Vec<String> {
    let (mut lines, mut row, mut column) = (vec![Vec::new()], 0, 0);
    let mut characters = sent.chars();
    while let Some(character) = characters.next() {
        match character {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                let mut number = String::new();
                let end = characters.by_ref().skip(1).find(|c| {
                    number.push(*c);
                    c.is_ascii_alphabetic()
                });
                let count = number.trim_end_matches(char::is_alphabetic).parse().unwrap_or(1);
                match end {
                    Some('K') => lines[row].clear(),
                    Some('A') => row = row.saturating_sub(count),
                    Some('B') => row += count,
                    _ => {}
                }
            }
            character => {
                if column == COLUMNS {
                    (row, column) = (row + 1, 0);
                }
                lines.resize(lines.len().max(row + 1), Vec::new());
                let line: &mut Vec<char> = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = character;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    lines.into_iter().map(|line| line.into_iter().collect()).collect()
}

/// Returns enough records for a progress bar to appear.
fn many() -> Vec<u8> {
    (record("Add User a@b.example ") + "\n").repeat(20_000).into_bytes()
}

#[test]
fn normalize_shows_and_clears_its_progress_bar() {
    let files = directory(&[("in", &many())]);
    let [input, output] = ["in", "out"].map(|name| files.path().join(name));
    let arguments = ["normalize", text(&input), "-o", text(&output)];
    let shown = Terminal::new(&arguments).stderr().shows("");
    let (bars, said) = shown.rsplit_once("zoom-udm: 20000 records: ").expect("the summary is printed");
    assert!(bars.contains("MiB/") && bars.contains(ESCAPE), "{shown:?}");
    assert!(!said.contains(ESCAPE), "{shown:?}");
    // No progress bar is shown if events go to the same terminal, or if the length of an input is unknown.
    let shown = Terminal::new(&arguments[..2]).stdout().stderr().shows("");
    assert!(!shown.contains("MiB/"), "a bar appears between events");
    let shown = Terminal::new(&["normalize", "-"]).stderr().shows("");
    assert!(!shown.contains(ESCAPE), "{shown:?}");
}

/// Returns enough records for a progress bar to appear, with invalid lines among them.
fn many_with_rejects() -> Vec<u8> {
    let part = (record("Add User a@b.example ") + "\n").repeat(1000) + "bad\n";
    part.repeat(20).into_bytes()
}

/// Asserts that a screen shows every message completely, and no bar.
fn assert_messages_without_a_bar(screen: &[String], sent: usize) {
    let text = screen.concat();
    assert_eq!(text.matches("rejected: ").count(), sent, "{screen:#?}");
    assert!(!text.contains("iB/"), "{screen:#?}");
}

#[test]
fn normalize_prints_rejects_above_its_bar() {
    let files = directory(&[("in", &many_with_rejects())]);
    let [input, output] = ["in", "out"].map(|name| files.path().join(name));
    let arguments = ["normalize", text(&input), "-o", text(&output), "--threads", "1"];
    let (code, sent) = Terminal::new(&arguments).stderr().run("");
    assert!(sent.contains("iB/"), "a bar is shown: {sent:?}");
    assert_eq!(code, Some(1));
    assert_messages_without_a_bar(&on_screen(&sent), 10);
}

#[test]
fn bar_is_hidden_if_rejects_go_to_the_terminal() {
    let files = directory(&[("in", &many_with_rejects())]);
    let [input, output] = ["in", "out"].map(|name| files.path().join(name));
    let arguments = ["normalize", text(&input), "-o", text(&output), "--rejects", "/dev/stderr"];
    let (code, sent) = Terminal::new(&arguments).stderr().run("");
    assert!(code == Some(1) && !sent.contains("iB/"), "{sent:?}");
}

#[cfg(feature = "cloud")]
#[test]
fn ingest_prints_rejects_above_its_bar() {
    let packed = testkit::files::gzip(many_with_rejects());
    let names = ["a", "b", "c", "d"].map(|name| format!("in/{name}.json.gz"));
    let mut files: Vec<_> = names.iter().map(|name| (&**name, &packed[..])).collect();
    files.push(("in/damaged.json.gz", &packed[..1000]));
    let files = directory(&files);
    let [source, to] = ["in", "out"].map(|name| files.path().join(name));
    let (code, sent) = Terminal::new(&["ingest", text(&source), "--to", text(&to)]).stderr().run("");
    assert!(sent.contains("objects, "), "a bar is shown: {sent:?}");
    assert_eq!(code, Some(1));
    let screen = on_screen(&sent);
    assert_messages_without_a_bar(&screen, 10);
    assert!(!screen.concat().contains("objects, "), "{screen:#?}");
}

#[cfg(feature = "cloud")]
#[test]
fn ingest_shows_and_clears_its_progress_bar() {
    let packed = testkit::files::gzip(many());
    let files = directory(&[("in/a.json.gz", &packed), ("in/b.json.gz", &packed)]);
    let [source, to] = ["in", "out"].map(|name| files.path().join(name));
    let shown = Terminal::new(&["ingest", text(&source), "--to", text(&to)]).stderr().shows("");
    let (bars, said) = shown.rsplit_once("zoom-udm: ").expect("the summary is printed");
    assert!(bars.contains("2/2 objects, ") && bars.contains(ESCAPE), "{shown:?}");
    assert!(said.contains("40000 events") && !said.contains(ESCAPE), "{shown:?}");
    // With a log level, the log replaces the bar.
    let other = files.path().join("other");
    let arguments = ["ingest", text(&source), "--to", text(&other)];
    let shown = Terminal::new(&arguments).stderr().env("ZOOM_UDM_LOG", "info").shows("");
    assert!(!shown.contains("objects, "), "{shown:?}");
}

#[test]
fn explain_is_colored_on_a_terminal_unless_disabled() {
    let files = directory(&[("in", record("Add User a@b.example ").as_bytes())]);
    let input = files.path().join("in");
    let shown = |name: &str, value: &str| {
        Terminal::new(&["explain", text(&input)]).stdout().env(name, value).shows("")
    };
    assert!(shown("LANG", "C").contains(ESCAPE));
    assert!(!shown("NO_COLOR", "1").contains(ESCAPE));
    assert!(!shown("TERM", "dumb").contains(ESCAPE));
}

#[test]
fn terminal_input_prints_how_to_end_it() {
    let typed = record("typed") + "\n\u{4}";
    let shown = Terminal::new(&["normalize"]).stdin().stdout().stderr().shows(&typed);
    assert!(shown.contains("end with Ctrl-D"), "{shown:?}");
    assert!(shown.contains(r#""description":"typed""#), "{shown:?}");
}

#[test]
fn json_output_cannot_control_the_terminal() {
    let files = directory(&[("in", record("x\u{9b}31m\u{202e}").as_bytes())]);
    let input = files.path().join("in");
    let shown = Terminal::new(&["explain", "--format", "json", text(&input)]).stdout().shows("");
    assert!(shown.contains("\\u009b31m\\u202e") && !shown.contains(['\u{9b}', '\u{202e}']), "{shown:?}");
}
