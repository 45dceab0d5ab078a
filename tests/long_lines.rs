//! Tests of 4 MiB lines: memory stays bounded for any content and any number of events, and a streamed event equals the
//! whole event.

use serde_json::value::RawValue;
use std::io::{self, Cursor};
use testdata::LONG;
use testkit::normalize::json_lines;
use zoom_udm::detail::SpliceBuf;
use zoom_udm::mapping::{Content, DiagnosticCounts, MappingOptions, map};
use zoom_udm::normalize::{self, EventWriter, Input, Limits, Options, Reject, RequestFormat, Sink};
use zoom_udm::record::{Record, Scratch};
use zoom_udm::udm::Writer;

const SHORT: &str = r#"{"time":"2024-01-31T23:59:59Z","action":"Add"}"#;

/// Records the calls of a sink.
#[derive(Default)]
struct Calls {
    events: Vec<Vec<u8>>,
    /// For each reject, the number of bytes of events written before it.
    rejects: Vec<usize>,
    length: usize,
}

impl Sink for Calls {
    fn events(&mut self, events: &[u8]) -> io::Result<()> {
        self.length += events.len();
        self.events.push(events.to_vec());
        Ok(())
    }

    fn reject(&mut self, _: &Reject<'_>) -> io::Result<()> {
        self.rejects.push(self.length);
        Ok(())
    }
}

fn collect_calls(input: &str, threads: usize, rules: MappingOptions) -> Calls {
    let (mut calls, options) = (Calls::default(), Options { threads, rules, ..Options::default() });
    let input = Input::new("in", Cursor::new(input.to_owned()));
    normalize::run(std::iter::once(input), &options, &mut calls).expect("writing to memory cannot fail");
    calls
}

/// Returns the events of a line, each written as a whole.
fn typed_events(line: &str, rules: MappingOptions) -> Vec<u8> {
    #[derive(serde::Deserialize)]
    struct Page<'a> {
        #[serde(borrow, alias = "activity_logs")]
        operation_logs: Vec<&'a RawValue>,
    }
    let elements = serde_json::from_str(line)
        .or_else(|_| serde_json::from_str(line).map(|Page { operation_logs }| operation_logs));
    let several = || serde_json::Deserializer::from_str(line).into_iter().map_while(Result::ok).collect();
    let elements: Vec<&RawValue> = elements.unwrap_or_else(|_| several());
    let elements = elements.into_iter().map(RawValue::get);
    let mut out = Vec::new();
    for element in elements {
        let (mut scratch, mut cut) = (Scratch::default(), SpliceBuf::default());
        let Ok(record) = Record::read(element, &mut scratch) else { continue };
        let content = Content::parse(&record, &mut cut);
        let Some(time) = content.time(&record) else { continue };
        let event = map(&record, element, &content, time, rules, &mut DiagnosticCounts::default(), &mut ());
        Writer::default().write(&event, &mut out);
    }
    out
}

/// Returns the requests for events that arrive in these calls.
fn requests<'a>(calls: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut writer = EventWriter::new(Vec::new(), Some(&(RequestFormat::Import, Limits::default())));
    calls.for_each(|call| writer.write(call).expect("writing to memory cannot fail"));
    writer.finish().expect("writing to memory cannot fail")
}

#[test]
fn streamed_event_equals_the_whole_event() {
    for enrich in [false, true] {
        let rules = MappingOptions { enrich, ..MappingOptions::default() };
        let in_parts = LONG.iter().filter(|long| is_streamed(long.name, &long.of(512 << 10), rules)).count();
        assert!(in_parts >= 4, "{in_parts} kinds of lines were streamed: {rules:?}");
    }
}

/// Asserts that the event of a line is the whole event; returns whether it came in parts.
fn is_streamed(name: &str, line: &str, rules: MappingOptions) -> bool {
    let typed = |line| typed_events(line, rules);
    let calls = collect_calls(&format!("{SHORT}\nno record\n{line}\n{SHORT}\n"), 1, rules);
    let events = calls.events.concat();
    let expected = [typed(SHORT), typed(line), typed(SHORT)].concat();
    assert!(events == expected, "{name}: {} bytes, not {}: {rules:?}", events.len(), expected.len());
    assert!(calls.events.iter().all(|call| call.len() < 3 << 20), "{name}: {rules:?}");
    for at in calls.rejects {
        assert!(at == 0 || events[at - 1] == b'\n', "{name}: a reject within an event");
    }
    let in_parts = calls.events.iter().any(|call| !call.is_empty() && !call.ends_with(b"\n"));
    let calls = collect_calls(&format!("{SHORT}\n{line}\n{line}\n{SHORT}\n"), 2, rules);
    let expected = [typed(SHORT), typed(line), typed(line), typed(SHORT)].concat();
    assert!(calls.events.concat() == expected, "{name}: on 2 threads: {rules:?}");
    let [parts, events] = [
        requests(calls.events.iter().map(Vec::as_slice)),
        requests(expected.split_inclusive(|&byte| byte == b'\n')),
    ];
    assert!(parts == events, "{name}: requests differ: {rules:?}");
    assert!(!json_lines(&parts).is_empty(), "{name}: {rules:?}");
    in_parts
}

#[cfg(target_os = "linux")]
mod memory {
    use super::LONG;
    use std::process::{Command, Stdio};
    use std::time::Duration;
    use testkit::files::{directory, text};

    /// 64 MiB: the limit for the program with two threads, for any input.
    const MOST_KIB: u64 = 64 << 10;

    /// The same with `--enrich`, which holds the labels and keys of an event until it is written.
    const MOST_KIB_ENRICHED: u64 = 192 << 10;

    /// Returns the peak memory of a run over a file, in KiB.
    fn peak(arguments: &[&str]) -> u64 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zoom-udm"));
        command.args(["normalize", "--threads", "2", "--summary", "none", "--rejects", "/dev/null"]);
        command.args(arguments).stdout(Stdio::null());
        let (mut child, mut peak) = (command.spawn().expect("the program starts"), 0);
        while child.try_wait().expect("the program can be waited for").is_none() {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak);
            std::thread::sleep(Duration::from_millis(5));
        }
        peak
    }

    #[test]
    fn every_long_line_uses_bounded_memory_when_enriched() {
        let mut over = Vec::new();
        for long in &LONG {
            let line = long.of((4 << 20) - 150);
            let files = directory(&[("in", format!("{line}\n").repeat(4).as_bytes())]);
            let peak = peak(&["--enrich", text(&files.path().join("in"))]);
            println!("{:32} {peak:>8} KiB", long.name);
            if !(1 << 10..MOST_KIB_ENRICHED).contains(&peak) {
                over.push((long.name, peak));
            }
        }
        assert!(over.is_empty(), "{over:?}");
    }

    #[test]
    fn every_long_line_uses_bounded_memory() {
        let mut over = Vec::new();
        for long in &LONG {
            let line = long.of((4 << 20) - 150);
            let files = directory(&[("in", format!("{line}\n").repeat(4).as_bytes())]);
            let input = files.path().join("in");
            // Requests contain events, so the kinds with the longest events, which are streamed, are tested with
            // requests, too.
            let formats = if long.name.starts_with("options") { &["udm", "import"][..] } else { &["udm"] };
            for format in formats {
                let peak = peak(&["--format", format, text(&input)]);
                println!("{:32} {format:8} {peak:>8} KiB", long.name);
                // Each thread holds an event of up to the import limit of 4 MB before it writes or rejects it.
                let most = if *format == "import" { MOST_KIB + (16 << 10) } else { MOST_KIB };
                if !(1 << 10..most).contains(&peak) {
                    over.push((long.name, *format, peak));
                }
            }
        }
        assert!(over.is_empty(), "{over:?}");
    }

    #[test]
    fn repeated_long_namespace_uses_bounded_memory() {
        let users = LONG.iter().find(|long| long.name == "users with options").expect("the case exists");
        let (namespace, line) = ("n".repeat(20_000), users.of(65_000));
        let files = directory(&[("in", format!("{line}\n").repeat(8).as_bytes())]);
        let peak = peak(&["--namespace", &namespace, text(&files.path().join("in"))]);
        assert!((1 << 10..MOST_KIB).contains(&peak), "{peak} KiB");
    }
}
