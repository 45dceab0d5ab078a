//! Tests of malformed input: adjacent records are converted, and each reject contains the reason, the position and the
//! original bytes.

mod cut;
mod fields;
mod large;
mod readback;
mod values;

use serde_json::{Value, json};
use std::path::Path;
use testkit::files::{directory, gzip, text};
use testkit::normalize::{
    CliOutput, TIME, descriptions, json_lines, raw, record, run_chunked, run_cli, zoom_udm,
};
use zoom_udm::normalize::Options;

/// Runs the program on a line between two good records.
fn run_between_good_records(bad: &[u8]) -> CliOutput {
    let input = [record("before").as_bytes(), b"\n", bad, b"\n", record("after").as_bytes(), b"\n"].concat();
    run_cli(&["normalize", "--rejects", "REJECTS", "--summary", "none"], &input)
}

/// Asserts that a line between two good records yields exactly one reject, with the given reason and message.
fn assert_refused(bad: &[u8], reason: &str, message: &str) {
    let ran = run_between_good_records(bad);
    let shown = String::from_utf8_lossy(&bad[..bad.len().min(80)]).into_owned();
    assert_eq!(descriptions(&ran.out.events()), ["before", "after"], "{shown}");
    let rejects = ran.out.rejects();
    assert_eq!(rejects.len(), 1, "{shown}");
    assert_eq!(place(&rejects[0]), json!(["-", 2, record("before").len() + 1]), "{shown}");
    assert_eq!(rejects[0]["reason"], reason, "{shown}");
    let said = rejects[0]["message"].as_str().expect("the reject has a message");
    assert!(said.contains(message), "{shown}: {said}");
    assert!(raw(&rejects[0]) == bad, "{shown}: the raw bytes differ");
    assert_eq!(ran.code, 1, "{shown}");
}

fn place(reject: &Value) -> Value {
    json!([reject["input"], reject["line"], reject["offset"]])
}

/// Returns the event of a line between two good records, and asserts that all three are converted.
fn assert_read(odd: &[u8]) -> Value {
    let ran = run_between_good_records(odd);
    let events = ran.out.events();
    assert_eq!((events.len(), ran.code), (3, 0), "{}", ran.stderr);
    assert_eq!(descriptions(&events)[0], "before");
    assert_eq!(descriptions(&events)[2], "after");
    events[1].clone()
}

#[test]
fn truncated_record_is_rejected_verbatim() {
    let whole = record("Müller \\ \"x\"");
    let ends = (1..whole.len()).filter(|&end| whole.is_char_boundary(end));
    let lines: Vec<&str> = ends.flat_map(|end| [&whole[..end], &whole]).collect();
    let ran =
        run_cli(&["normalize", "--rejects", "REJECTS", "--summary", "none"], lines.join("\n").as_bytes());
    assert_eq!(ran.out.events().len(), lines.len() / 2);
    let rejects = ran.out.rejects();
    assert_eq!(rejects.len(), lines.len() / 2);
    let mut offset = 0;
    for (index, (reject, pair)) in rejects.iter().zip(lines.chunks(2)).enumerate() {
        assert_eq!((&reject["reason"], raw(reject)), (&json!("not_json"), pair[0].into()));
        assert_eq!(place(reject), json!(["-", 2 * index + 1, offset]));
        offset += pair[0].len() + 1 + whole.len() + 1;
    }
}

#[test]
fn record_cut_within_a_character_is_rejected_as_bytes() {
    let whole = record("Müller");
    let within = whole.find('ü').expect("the text is found") + 1;
    assert_refused(&whole.as_bytes()[..within], "not_utf8", "0xc3");
}

#[test]
fn scalars_are_rejected() {
    for (bad, found) in [
        ("5", "a number"),
        ("-1.5e3", "a number"),
        ("\"text\"", "a string"),
        ("null", "null"),
        ("true", "a boolean"),
    ] {
        assert_refused(bad.as_bytes(), "not_object", found);
    }
}

#[test]
fn nested_arrays_are_rejected() {
    for bad in ["[[]]", "[[{}]]", "[1,[{\"time\":2}]]", "[null]"] {
        assert_refused(bad.as_bytes(), "not_object", "element 1");
    }
    for bad in [
        "{\"a\":{\"b\":[{\"c\":]}}}",
        "{]",
        "[}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{'a':1}",
        "}",
        "NaN",
        "{\"time\":01}",
        "{} 5",
        "{} {\"a\" 1}",
    ] {
        assert_refused(bad.as_bytes(), "not_json", "invalid JSON at line 1");
    }
}

#[test]
fn invalid_page_element_rejects_only_itself() {
    let page = format!("{{\"operation_logs\":[{},[[5]],{}]}}", record("one"), record("two"));
    let ran = run_between_good_records(page.as_bytes());
    assert_eq!(descriptions(&ran.out.events()), ["before", "one", "two", "after"]);
    let rejects = ran.out.rejects();
    assert_eq!(rejects.len(), 1);
    assert_eq!((raw(&rejects[0]), &rejects[0]["reason"]), (b"[[5]]".to_vec(), &json!("not_object")));
    let offset = record("before").len() + 1 + page.find("[[5]]").expect("the text is found");
    assert_eq!(place(&rejects[0]), json!(["-", 2, offset]));
}

#[test]
fn nul_bytes_are_rejected_unless_escaped() {
    assert_refused(b"\0", "not_json", "invalid JSON");
    assert_refused(b"\0\0\0\0", "not_json", "invalid JSON");
    assert_refused(record("a").replace("\"a\"", "\"a\0\"").as_bytes(), "not_json", "control character");
    assert_eq!(assert_read(record("a\0b").as_bytes())["metadata"]["description"], "a\0b");
}

#[test]
fn byte_order_mark_is_ignored() {
    assert_eq!(
        assert_read(format!("\u{feff}{}", record("marked")).as_bytes())["metadata"]["description"],
        "marked"
    );
    let first = run_cli(&["normalize"], format!("\u{feff}{}\n{}", record("a"), record("b")).as_bytes());
    assert_eq!((descriptions(&first.out.events()), first.code), (vec!["a", "b"], 0));
}

#[test]
fn carriage_returns_are_stripped_from_rejects() {
    let input = format!("{}\r\n5\r\n\r\n{}\r\n", record("a"), record("b"));
    let ran = run_cli(&["normalize", "--rejects", "REJECTS"], input.as_bytes());
    assert_eq!(descriptions(&ran.out.events()), ["a", "b"]);
    assert_eq!(raw(&ran.out.rejects()[0]), b"5");
    assert_eq!(place(&ran.out.rejects()[0]), json!(["-", 2, record("a").len() + 2]));
}

#[test]
fn invalid_utf8_is_rejected_as_base64() {
    for bad in
        [&b"\xff"[..], b"{\"time\":\"\x80\"}", b"\xc3(", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"{}\xc0\xaf"]
    {
        assert_refused(bad, "not_utf8", "is not UTF-8");
    }
}

#[test]
fn duplicate_key_uses_the_last_value() {
    let twice = record("first").replace('}', ",\"operation_detail\":\"last\"}");
    assert_eq!(assert_read(twice.as_bytes())["metadata"]["description"], "last");
}

#[test]
fn long_numbers_keep_every_digit() {
    let long = "9".repeat(400);
    for number in
        ["12345678901234567890", "18446744073709551616", "-9007199254740993", "1.10", "1E400", &long]
    {
        let odd = record(&format!("x [{{\"userId\":{number}}}]")).replacen(
            '{',
            &format!("{{\"action\":{number},"),
            1,
        );
        let event = assert_read(odd.as_bytes());
        assert_eq!(event["metadata"]["productEventType"], number);
        assert_eq!(event["target"]["user"]["userid"], number);
    }
}

#[test]
fn deep_nesting_is_rejected_without_overflow() {
    const DEEP: usize = 100_000;
    let (open, close) = ("[".repeat(DEEP), "]".repeat(DEEP));
    let objects = "{\"a\":".repeat(DEEP);
    assert_refused(open.as_bytes(), "not_json", "");
    assert_refused(objects.as_bytes(), "not_json", "");
    assert_refused(format!("{open}{close}").as_bytes(), "not_object", "");
    for bomb in [format!("{open}{close}"), format!("{objects}1{}", "}".repeat(DEEP))] {
        let ignored = record("kept").replacen('{', &format!("{{\"other\":{bomb},"), 1);
        assert_eq!(assert_read(ignored.as_bytes())["metadata"]["description"], "kept");
        let detail = format!("{{\"time\":\"{}\",\"operation_detail\":{bomb}}}", testkit::normalize::TIME);
        assert_eq!(assert_read(detail.as_bytes())["metadata"]["description"], bomb);
        assert_eq!(assert_read(record(&bomb).as_bytes())["metadata"]["description"], bomb);
    }
    assert_eq!(assert_read(record(&objects).as_bytes())["metadata"]["description"], objects);
    let users = format!("x [{{\"userId\":\"u\",\"options\":{open}{close}}}]");
    assert_eq!(assert_read(record(&users).as_bytes())["target"]["user"]["userid"], "u");
}

#[test]
fn lines_that_each_nest_deeper_take_linear_time() {
    const LINES: usize = 200_000;
    for line in ["{\"a\":\n", "[\n", " {\"a\":\n", "{\"operation_logs\":[\n", "[{\"a\":1},\n"] {
        for format in ["auto", "json"] {
            let input = line.repeat(LINES);
            // With quadratic time, the test would time out.
            let bomb = run_cli(
                &[
                    "normalize",
                    "--input-format",
                    format,
                    "--rejects",
                    "REJECTS",
                    "--max-line-bytes",
                    "1000000",
                ],
                input.as_bytes(),
            );
            assert_eq!((bomb.code, bomb.out.events.len()), (1, 0), "{line}");
        }
    }
}

#[test]
fn record_after_a_truncated_one_is_read() {
    let whole = record("behind");
    for end in (1..whole.len()).filter(|&end| whole.is_char_boundary(end)) {
        let input = format!("{}\n{whole}\n", &whole[..end]);
        assert_eq!(
            run_cli(&["normalize", "--summary", "none"], input.as_bytes()).out.events().len(),
            1,
            "{input}"
        );
    }
}

#[test]
fn line_over_the_limit_is_rejected_whole() {
    let long = record(&"x".repeat(5 << 20));
    assert_refused(long.as_bytes(), "line_too_long", "longer than 4194304 bytes");
    let read = run_cli(&["normalize", "--max-line-bytes", "8388608"], long.as_bytes());
    assert_eq!((read.out.events().len(), read.code), (1, 0));
}

#[test]
fn line_one_byte_over_the_limit_is_rejected() {
    let line = record("just");
    let limit = line.len().to_string();
    let input = format!("{line}\n{line} \n{line}\r\n{line}");
    let ran = run_cli(&["normalize", "--rejects", "REJECTS", "--max-line-bytes", &limit], input.as_bytes());
    assert_eq!(ran.out.events().len(), 3);
    let rejects = ran.out.rejects();
    assert_eq!(
        (rejects.len(), &rejects[0]["line"], raw(&rejects[0])),
        (1, &json!(2), format!("{line} ").into_bytes())
    );
}

/// Returns a record of about `size` bytes whose `extra` contains objects that look like records.
fn with_records_inside(name: &str, size: usize) -> Value {
    let inside = json!({"time": TIME, "operation_detail": format!("within {name}"), "operation_logs": []});
    let extra: Vec<_> = (0..size / 100).map(|_| inside.clone()).collect();
    json!({"extra": extra, "operation_detail": name, "time": TIME})
}

#[test]
fn records_within_an_overlong_value_are_not_read() {
    let short = |name: &str| json!({"operation_detail": name, "time": TIME});
    let long = |name: &str| with_records_inside(name, 2000);
    let logs = vec![short("a"), long("b"), short("c"), long("d"), long("e"), short("f"), long("g")];
    let page = json!({"from": "2024-01-01", "operation_logs": logs, "page_size": 30});
    let values =
        [page, Value::Array(logs.clone()), long("h"), short("i"), json!({"also": [long("j")]}), short("k")];
    let input = values.map(|value| format!("{value:#}\n")).concat();
    for max in [150, 300, 1000] {
        let options = Options { max_line_bytes: max, ..Options::default() };
        let (whole, summary) = run_chunked("in", input.as_bytes(), usize::MAX, 1, &options);
        // After the last element of an array, only the start of the next value shows where the array ends.
        assert_eq!(descriptions(&whole.events()), ["a", "c", "f", "a", "c", "f", "i", "k"], "{max}");
        assert_eq!(usize::try_from(summary.rejects), Ok(whole.rejects().len()), "{max}");
        for name in ["b", "d", "e", "g", "h", "j"] {
            let all: Vec<u8> = whole.rejects().iter().flat_map(raw).collect();
            let all = String::from_utf8(all).expect("valid UTF-8");
            let found = all.matches(&format!("\"operation_detail\": \"{name}\"")).count();
            assert_eq!(
                found,
                input.matches(&format!("\"operation_detail\": \"{name}\"")).count(),
                "{max} {name}"
            );
        }
        for reject in whole.rejects() {
            let at = usize::try_from(reject["offset"].as_u64().expect("a number")).expect("fits usize");
            assert!(input.as_bytes()[at..].starts_with(&raw(&reject)), "{max}: {reject}");
            let line = testkit::files::line_ends(&input.as_bytes()[..at]) + 1;
            assert_eq!(reject["line"], line, "{max}");
        }
        for piece in [1, 7, 100, 4096] {
            for threads in [1, 2] {
                let (out, _) = run_chunked("in", input.as_bytes(), piece, threads, &options);
                assert!(out == whole, "{max}: in pieces of {piece}, on {threads} threads");
            }
        }
    }
}

#[test]
fn empty_input_succeeds() {
    let empty = directory(&[("empty", b"")]);
    for ran in [run_cli(&["normalize"], b""), run_cli(&["normalize", text(&empty.path().join("empty"))], b"")]
    {
        assert_eq!((ran.code, ran.out.events.len()), (0, 0));
        assert!(ran.stderr.contains("0 records"), "{}", ran.stderr);
    }
}

#[test]
fn truncated_gzip_yields_records_before_the_cut() {
    let lines: String =
        (0..20_000).map(|index| record(&format!("{index} {}", index * 7919 % 10_007)) + "\n").collect();
    let packed = gzip(lines.as_bytes());
    let files = directory(&[("cut.gz", &packed[..packed.len() / 2]), ("whole", record("next").as_bytes())]);
    let [cut, whole] = ["cut.gz", "whole"].map(|name| files.path().join(name));
    let ran = run_cli(&["normalize", "--rejects", "REJECTS", text(&cut), text(&whole)], b"");
    assert_eq!(ran.code, 3);
    let events = ran.out.events();
    assert!(events.len() > 1000, "{} events", events.len());
    assert_eq!(descriptions(&events).last(), Some(&"next"));
    let expected: Vec<_> =
        lines.lines().take(events.len() - 1).map(|line| json_lines(line.as_bytes()).remove(0)).collect();
    let details: Vec<_> =
        expected.iter().map(|record| record["operation_detail"].as_str().expect("a string")).collect();
    assert_eq!(&descriptions(&events)[..events.len() - 1], &details[..]);
    assert!(
        ran.stderr.contains("cut.gz")
            && ran.stderr.contains("gzip data is truncated")
            && ran.stderr.contains("after byte"),
        "{}",
        ran.stderr
    );
    // The error, not a reject, reports the incomplete last line.
    assert_eq!((ran.out.rejects().len(), ran.stderr.matches("cut.gz").count()), (0, 1), "{}", ran.stderr);
}

#[test]
fn every_gzip_member_is_read() {
    let (a, b) = (record("a"), record("b"));
    let split = [
        gzip(&a.as_bytes()[..10]),
        gzip(b""),
        gzip(format!("{}\n", &a[10..]).as_bytes()),
        gzip(b.as_bytes()),
    ]
    .concat();
    let ran = run_cli(&["normalize"], &split);
    assert_eq!((descriptions(&ran.out.events()), ran.code), (vec!["a", "b"], 0));
}

#[test]
fn bytes_after_gzip_data_are_ignored_with_a_warning() {
    let packed = gzip(format!("{}\n", record("a")).as_bytes());
    let padded = run_cli(&["normalize"], &[&packed[..], &[0; 1000]].concat());
    assert_eq!((descriptions(&padded.out.events()), padded.code), (vec!["a"], 0));
    let garbage = run_cli(&["normalize"], &[&packed[..], b"this is garbage"].concat());
    assert_eq!((descriptions(&garbage.out.events()), garbage.code), (vec!["a"], 0));
    assert!(garbage.stderr.contains("15 bytes after the gzip data are not gzip"), "{}", garbage.stderr);
    let member = run_cli(&["normalize"], &[&packed[..], b"\x1f\x8bgarbage"].concat());
    assert_eq!((descriptions(&member.out.events()), member.code), (vec!["a"], 3));
    assert!(member.stderr.contains("gzip data is corrupt"), "{}", member.stderr);
    let explained = run_cli(&["explain"], &[&packed[..], b"this is garbage"].concat());
    assert_eq!(explained.code, 0);
    assert!(explained.stderr.contains("15 bytes after the gzip data"), "{}", explained.stderr);
}

#[test]
fn third_gzip_level_is_rejected() {
    let twice = gzip(gzip(format!("{}\n", record("a")).as_bytes()));
    let read = run_cli(&["normalize"], &twice);
    assert_eq!((descriptions(&read.out.events()), read.code), (vec!["a"], 0), "{}", read.stderr);
    let third = run_cli(&["normalize"], &gzip(&twice));
    assert_eq!(third.code, 3);
    assert!(third.stderr.contains("triple-compressed gzip"), "{}", third.stderr);
}

#[test]
fn corrupt_gzip_is_reported() {
    let mut packed = gzip(format!("{}\n", record("a")).as_bytes());
    let checksum = packed.len() - 8;
    packed[checksum] ^= 1;
    let ran = run_cli(&["normalize"], &packed);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("gzip data is corrupt"), "{}", ran.stderr);
}

#[test]
fn directory_is_walked_in_order_without_hidden_files() {
    let (a, b, c) = (record("a"), gzip(record("b").as_bytes()), record("c"));
    let files = directory(&[
        ("1.json", a.as_bytes()),
        ("2/b.log.gz", &b),
        ("3.json", c.as_bytes()),
        (".hidden", b"no"),
    ]);
    let ran = run_cli(&["normalize", text(files.path())], b"");
    assert_eq!((descriptions(&ran.out.events()), ran.code), (vec!["a", "b", "c"], 0));
}

#[test]
fn missing_file_is_reported_and_others_are_read() {
    let files = directory(&[("there", record("there").as_bytes())]);
    let [missing, there] = ["missing", "there"].map(|name| files.path().join(name));
    let ran = run_cli(&["normalize", text(&missing), text(&there)], b"");
    assert_eq!((descriptions(&ran.out.events()), ran.code), (vec!["there"], 3));
    assert!(
        ran.stderr.contains(&format!("{}: reading failed: file not found", missing.display())),
        "{}",
        ran.stderr
    );
}

#[cfg(unix)]
#[test]
fn unreadable_file_is_reported_and_others_are_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let files = directory(&[("closed", b"{}"), ("there", record("there").as_bytes())]);
    if !testkit::unprivileged::can_run_unprivileged() {
        return;
    }
    for (path, mode) in [(files.path(), 0o777), (&files.path().join("closed"), 0o000)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod works");
    }
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_zoom-udm"));
    testkit::unprivileged::as_unprivileged(
        command.args(["normalize", "closed", "there"]).current_dir(&files),
    );
    let output = command.output().expect("the program runs");
    let (events, said) = (json_lines(&output.stdout), String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!((descriptions(&events), output.status.code()), (vec!["there"], Some(3)), "{said}");
    assert!(said.contains("closed: reading failed: permission denied"), "{said}");
}

#[test]
fn utf16_input_is_one_error_that_names_utf16() {
    for mark in ["\u{feff}", ""] {
        let lines = format!("{mark}{}\n{}\n", record("a"), record("b"));
        for units in [u16::to_le_bytes, u16::to_be_bytes] {
            let input = lines.encode_utf16().flat_map(units).collect::<Vec<u8>>();
            let ran = run_cli(&["normalize", "--rejects", "REJECTS"], &input);
            assert_eq!((ran.out.events.len(), ran.out.rejects.len(), ran.code), (0, 0, 3));
            assert_eq!(ran.stderr.matches("reading failed: not text").count(), 1, "{}", ran.stderr);
            assert!(ran.stderr.contains("this looks like UTF-16; convert it"), "{}", ran.stderr);
        }
    }
}

#[test]
fn utf16_read_as_ndjson_is_rejected_verbatim() {
    let mark = [0xff, 0xfe];
    let units = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let input = [&mark[..], &units(&format!("{}\n{}\n", record("a"), record("b")))].concat();
    let ran = run_cli(&["normalize", "--input-format", "ndjson", "--rejects", "REJECTS"], &input);
    assert_eq!((ran.out.events.len(), ran.code), (0, 1));
    let rejects = ran.out.rejects();
    assert!(rejects[0]["message"].as_str().expect("a string").contains("UTF-16"), "{}", rejects[0]);
    for reject in &rejects {
        let offset = usize::try_from(reject["offset"].as_u64().expect("a number")).expect("fits usize");
        assert!(input[offset..].starts_with(&raw(reject)));
    }
    let kept: usize = rejects.iter().map(|reject| raw(reject).len()).sum();
    let ends = testkit::files::line_ends(&input);
    assert_eq!(kept + ends, input.len());
}

#[test]
fn binary_file_is_one_error() {
    let noise = |seed: u64| {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..100_000).map(|_| random.u8(..)).collect::<Vec<u8>>()
    };
    let program = std::fs::read(env!("CARGO_BIN_EXE_zoom-udm")).expect("the file exists");
    let packed = gzip(noise(2));
    let good = record("good");
    let files = directory(&[
        ("1.json", good.as_bytes()),
        ("2.json", &noise(1)),
        ("3.json.gz", &packed),
        ("4.log", &program[..100_000]),
        ("5.json", good.as_bytes()),
    ]);
    let ran = run_cli(&["normalize", text(files.path()), "--rejects", "REJECTS"], b"");
    assert_eq!((descriptions(&ran.out.events()), ran.code), (vec!["good"; 2], 3));
    assert_eq!((ran.out.rejects.len(), ran.stderr.matches("reading failed: not text").count()), (0, 3));
}

#[test]
fn log_with_a_damaged_start_is_read() {
    let good = record("good");
    for damage in [&[0; 3000][..], b"\xff\xfe\xfd", b"PK\x03\x04", b"caf\xe9, or not", b"\x1f\x8b"] {
        for name in ["damage\n", "\n"] {
            let input = [damage, name.as_bytes(), good.as_bytes(), b"\n", good.as_bytes()].concat();
            let ran = run_cli(&["normalize"], &input);
            assert_eq!((ran.out.events().len(), ran.code), (2, 1), "{damage:?}: {}", ran.stderr);
        }
    }
}

#[cfg(target_os = "linux")]
mod memory {
    use super::{raw, record};
    use std::io::Write as _;
    use std::process::{Child, Command, Stdio};

    /// The limit for the program with two threads, each with a block or a line and its events.
    const MOST_KIB: u64 = 40 << 10;

    fn start(rejects: &std::path::Path) -> Child {
        let arguments =
            ["normalize", "--threads", "2", "--max-line-bytes", "1048576", "--summary", "none", "--rejects"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_zoom-udm"));
        command.args(arguments).arg(rejects).stdin(Stdio::piped()).stdout(Stdio::null());
        command.spawn().expect("the program starts")
    }

    /// Returns the peak memory of a running process.
    fn peak_kib(child: &Child) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it is running");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the status has VmHWM");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("VmHWM is a number")
    }

    #[test]
    fn endless_line_uses_bounded_memory() {
        let directory = super::directory(&[]);
        let rejects = directory.path().join("rejects");
        let mut child = start(&rejects);
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let piece = "0123456789abcdef".repeat(1 << 16);
        for _ in 0..96 {
            stdin.write_all(piece.as_bytes()).expect("stdin is still read");
        }
        // Everything except the content of the pipe has been read.
        let peak = peak_kib(&child);
        stdin.write_all(format!("\n{}\n", record("after")).as_bytes()).expect("stdin is still read");
        drop(stdin);
        assert_eq!(child.wait().expect("the program exits").code(), Some(1));
        assert!(peak < MOST_KIB, "{peak} KiB");
        let rejects = crate::json_lines(&std::fs::read(&rejects).expect("the file exists"));
        assert_eq!(
            (rejects.len(), &rejects[0]["line"], &rejects[0]["reason"]),
            (1, &1.into(), &"line_too_long".into())
        );
        assert!(raw(&rejects[0]) == piece.repeat(96).into_bytes());
    }

    #[test]
    fn long_pipe_uses_bounded_memory() {
        let directory = super::directory(&[]);
        let mut child = start(&directory.path().join("rejects"));
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let lines = format!("{}\n", record("one of many")).repeat(10_000);
        for _ in 0..64 {
            stdin.write_all(lines.as_bytes()).expect("stdin is still read");
        }
        let peak = peak_kib(&child);
        drop(stdin);
        assert_eq!(child.wait().expect("the program exits").code(), Some(0));
        assert!(peak < MOST_KIB, "{peak} KiB");
    }
}

#[test]
fn replayed_rejects_keep_position_and_bytes() {
    let bad = [
        &b"5\n{}\n"[..],
        record("good").as_bytes(),
        b"\n\xff\xfe\n[{\"time\":1},{}]\n{\"operation_logs\":[{},7]}\n{\"x\":\"\\u0000\0\"}\n",
    ]
    .concat();
    let files = directory(&[("in.ndjson", &bad)]);
    let (input, first, second) =
        (files.path().join("in.ndjson"), files.path().join("first"), files.path().join("second"));
    let refused =
        zoom_udm().args(["normalize", text(&input), "--rejects", text(&first)]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(1));
    let again = zoom_udm()
        .args(["normalize", "--from-rejects", text(&first), "--rejects", text(&second)])
        .output()
        .expect("the program runs");
    assert_eq!((again.status.code(), again.stdout.len()), (Some(1), 0));
    let read = |path: &Path| std::fs::read_to_string(path).expect("the file exists");
    assert!(read(&first).contains("in.ndjson") && read(&first).contains("raw_base64"));
    assert_eq!(read(&first), read(&second));
}

#[test]
fn replay_with_default_time_converts_undated_rejects() {
    let files =
        directory(&[("in.ndjson", b"{\"action\":\"one\"}\n{\"operation_logs\":[{\"action\":\"two\"},5]}\n")]);
    let (input, rejects) = (files.path().join("in.ndjson"), files.path().join("rejects"));
    zoom_udm().args(["normalize", text(&input), "--rejects", text(&rejects)]).assert().code(1);
    let again = run_cli(
        &[
            "normalize",
            "--from-rejects",
            text(&rejects),
            "--default-time",
            testkit::normalize::TIME,
            "--rejects",
            "REJECTS",
        ],
        b"",
    );
    let actions: Vec<_> =
        again.out.events().iter().map(|event| event["metadata"]["productEventType"].clone()).collect();
    assert_eq!(actions, ["one", "two"]);
    assert_eq!(place(&again.out.rejects()[0]), json!([text(&input), 2, 53]));
}

#[test]
fn file_without_rejects_is_reported() {
    let files = directory(&[("in.ndjson", record("a").as_bytes())]);
    let ran = run_cli(&["normalize", "--from-rejects", text(&files.path().join("in.ndjson"))], b"");
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("line 1 is not a reject"), "{}", ran.stderr);
}

#[test]
fn non_reject_line_does_not_affect_other_rejects() {
    let reject =
        |detail: &str| json!({"input": "i", "line": 1, "offset": 0, "raw": record(detail)}).to_string();
    let mut lines: Vec<String> = (0..20).map(|index| reject(&index.to_string())).collect();
    lines.insert(10, "x".repeat(100_000));
    lines.insert(5, "damaged".to_owned());
    let files = directory(&[("rejects", lines.join("\n").as_bytes())]);
    let rejects = files.path().join("rejects");
    let expected: Vec<String> = (0..20).map(|index| index.to_string()).collect();
    for threads in ["1", "8"] {
        let flags =
            ["normalize", "--from-rejects", text(&rejects), "--max-line-bytes", "1000", "--threads", threads];
        let ran = run_cli(&flags, b"");
        assert_eq!(
            (descriptions(&ran.out.events()), ran.code),
            (expected.iter().map(String::as_str).collect(), 3)
        );
        assert!(ran.stderr.contains("line 6 is not a reject"), "{}", ran.stderr);
        assert!(ran.stderr.contains("line 12 is longer than"), "{}", ran.stderr);
    }
}

#[test]
fn errors_for_a_non_reject_file_are_limited() {
    let files = directory(&[("records", format!("{}\n", record("a")).repeat(100).as_bytes())]);
    for (file, said) in [(files.path().join("records"), 11), (files.path().to_owned(), 1)] {
        let ran = run_cli(&["normalize", "--from-rejects", text(&file), "--threads", "8"], b"");
        assert_eq!((ran.code, ran.stderr.matches("reading failed").count()), (3, said), "{}", ran.stderr);
        assert!(said == 1 || ran.stderr.contains("90 similar warnings; the last: line 100 is not a reject"));
    }
}

#[cfg(feature = "cloud")]
#[test]
fn ingest_rejects_replay_from_file_and_stdin() {
    let files = directory(&[("in/a.json", b"{\"action\":\"one\"}\nbad\n")]);
    let path = |name: &str| files.path().join(name);
    let places = [path("in"), path("out"), path("rejects")];
    let [from, to, rejects] = places.each_ref().map(|place| text(place));
    zoom_udm().args(["ingest", from, "--to", to, "--rejects", rejects, "--max-age", "none"]).assert().code(1);
    let packed = testkit::files::list_files(&places[2], "gz").remove(0);
    let flags = ["--default-time", testkit::normalize::TIME, "--rejects", "REJECTS"];
    let input = std::fs::read(&packed).expect("the file exists");
    for file in [text(&packed), "-"] {
        let again = run_cli(&[&["normalize", "--from-rejects", file], &flags[..]].concat(), &input);
        assert_eq!((again.out.events().len(), again.code), (1, 1), "{}", again.stderr);
        assert_eq!(raw(&again.out.rejects()[0]), b"bad");
    }
}

#[test]
fn rejects_without_a_file_are_logged() {
    let ran = run_cli(&["normalize"], "5\n".repeat(12).as_bytes());
    assert_eq!(ran.stderr.matches("rejected: -, line ").count(), 10, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("rejected: -, line 2 (byte 2): not_object: found a number"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("2 more rejects; pass --rejects FILE to store all of them"),
        "{}",
        ran.stderr
    );
}

#[test]
fn strict_stops_at_the_first_reject() {
    let input = format!("{}\n5\n{}\n6\n", record("before"), record("after"));
    let ran = run_cli(&["normalize", "--strict", "--rejects", "-o-", "--threads", "4"], input.as_bytes());
    assert_eq!(ran.code, 2, "--rejects needs a file: {}", ran.stderr);
    for threads in ["1", "4"] {
        let files = directory(&[]);
        let rejects = files.path().join("rejects");
        let strict = testkit::normalize::run_cli(
            &["normalize", "--strict", "--rejects", text(&rejects), "--threads", threads],
            input.as_bytes(),
        );
        assert_eq!(
            (descriptions(&strict.out.events()), strict.code),
            (vec!["before"], 1),
            "{}",
            strict.stderr
        );
    }
}
