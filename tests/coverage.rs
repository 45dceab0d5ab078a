//! Tests of `zoom-udm coverage`, with `explain` as the reference.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write as _};
use std::process::{Command, Stdio};
use testdata::Kind;
use testkit::files::{directory, gzip, root, text};
use testkit::fixtures::cases;
use testkit::normalize::{ChunkedReader, TIME, record, run_cli};
use testkit::process::binary;
use zoom_udm::coverage::{self, MAX_ENTRIES, Report};
use zoom_udm::explain::{self, EventExplanation, Explanation, Outcome, Raw, Unmapped};
use zoom_udm::mapping::MappingOptions;
use zoom_udm::normalize::{Input, Options};
use zoom_udm::timestamp::Timestamp;

/// The options of the reference in one profile, and with a default time those of `coverage`.
fn options(enrich: bool) -> Options {
    let rules = MappingOptions { enrich, ..MappingOptions::default() };
    Options { rules, default_time: Timestamp::parse(TIME), ..Options::default() }
}

/// The number and characters of parts, by kind.
type Parts = BTreeMap<String, (u64, u64)>;

/// The expected report, as far as explanations give it.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    events: u64,
    rejects: u64,
    characters: u64,
    /// For each profile: unmapped characters, and the number and characters of unmapped parts by kind.
    unmapped: [(u64, Parts); 2],
    /// For each profile: records by kind and event type.
    types: [BTreeMap<(String, String), u64>; 2],
}

impl Expected {
    fn of(bytes: &[u8]) -> Self {
        let mut expected = Self::default();
        let [default, enriched] = [false, true].map(|enrich| explain::slice(bytes, &options(enrich)));
        assert_eq!(default.len(), enriched.len());
        for told in default.iter().zip(&enriched) {
            match (&told.0.outcome, &told.1.outcome) {
                (Outcome::Event(default), Outcome::Event(enriched)) => expected.add([default, enriched]),
                _ => expected.rejects += 1,
            }
        }
        expected
    }

    fn add(&mut self, stories: [&EventExplanation; 2]) {
        self.events += 1;
        self.characters += characters(stories[0]);
        for (profile, story) in stories.into_iter().enumerate() {
            let event: Value = serde_json::from_str(story.event.get()).expect("the event is JSON");
            let event_type =
                event["metadata"]["eventType"].as_str().expect("each event has a type").to_owned();
            *self.types[profile].entry((story.kind.to_owned(), event_type)).or_default() += 1;
            let (length, parts) = &mut self.unmapped[profile];
            let left: Vec<_> = story.unmapped.iter().filter(|left| !left.is_blank).collect();
            *length += unmapped_characters(story, &left);
            for left in left {
                let (count, characters) = parts.entry(left.kind.to_owned()).or_default();
                (*count, *characters) = (*count + 1, *characters + length_of(&left.text));
            }
        }
    }

    fn from_report(report: &Report) -> Self {
        let text = &report.text;
        let unmapped =
            [(&text.default, &report.unmapped.default), (&text.enriched, &report.unmapped.enriched)];
        let mut types = [BTreeMap::new(), BTreeMap::new()];
        for row in &report.actions {
            for (all, of_row) in types.iter_mut().zip([&row.event_types.default, &row.event_types.enriched]) {
                for (name, count) in of_row {
                    *all.entry((row.kind.to_owned(), (*name).to_owned())).or_default() += count;
                }
            }
        }
        Self {
            events: report.events,
            rejects: report.rejects,
            characters: text.characters,
            unmapped: unmapped.map(|(share, rows)| {
                let mut parts = Parts::new();
                for row in rows {
                    let (count, characters) = parts.entry(row.part.clone()).or_default();
                    (*count, *characters) = (*count + row.count, *characters + row.characters);
                }
                (text.characters - share.characters, parts)
            }),
            types,
        }
    }
}

/// Returns the number of characters without ASCII white space.
fn length_of(text: &str) -> u64 {
    text.chars().filter(|c| !matches!(c, ' ' | '\t'..='\r')).count() as u64
}

/// Returns the characters of all members that have text. By default, members without text are unmapped.
fn characters(story: &EventExplanation) -> u64 {
    let mut left = story.unmapped.iter().filter(|left| left.at.is_empty()).peekable();
    let of_member = story.members.iter().map(|member| {
        let found = left.next_if(|left| left.field == member.name && left.text == member.text);
        if found.is_some_and(|left| left.is_blank) { 0 } else { length_of(&member.text) }
    });
    of_member.sum()
}

/// Returns the characters of unmapped parts, which may overlap.
fn unmapped_characters(story: &EventExplanation, left: &[&Unmapped]) -> u64 {
    let whole: u64 = left.iter().filter(|left| left.at.is_empty()).map(|left| length_of(&left.text)).sum();
    let places: BTreeSet<(&str, usize)> = left
        .iter()
        .flat_map(|left| left.at.iter().flat_map(|[start, end]| (*start..*end).map(|at| (&*left.field, at))))
        .collect();
    let texts: BTreeMap<&str, Vec<char>> = story
        .members
        .iter()
        .filter(|member| member.read)
        .map(|member| (&*member.name, member.text.chars().collect()))
        .collect();
    let is_counted = |(field, at): &&(&str, usize)| length_of(&texts[field][*at].to_string()) > 0;
    whole + places.iter().filter(is_counted).count() as u64
}

fn generated(kind: Kind, records: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    testdata::write(kind, records, 7, &mut bytes).expect("writing to memory cannot fail");
    bytes
}

/// All fixtures.
fn fixtures() -> Vec<Vec<u8>> {
    let cases = cases("");
    assert!(cases.len() > 50);
    cases.into_iter().map(|case| case.bytes).collect()
}

fn events(bytes: &[u8]) -> Vec<(String, [EventExplanation; 2])> {
    let [default, enriched] = [false, true].map(|enrich| explain::slice(bytes, &options(enrich)));
    let both = |(default, enriched): (Explanation, Explanation)| match (
        default.record,
        default.outcome,
        enriched.outcome,
    ) {
        (Raw::Text(text), Outcome::Event(default), Outcome::Event(enriched)) => {
            Some((text, [*default, *enriched]))
        }
        _ => None,
    };
    default.into_iter().zip(enriched).filter_map(both).collect()
}

#[test]
fn record_is_whole_if_explain_lists_nothing() {
    let mut whole = [[0; 2]; 2];
    for bytes in fixtures() {
        for (record, stories) in events(&bytes) {
            let report = coverage::slice(record.as_bytes(), &options(false), false);
            let shares =
                [&report.text.default, &report.text.enriched].map(|share| share.percent.unwrap_or(100.0));
            for (profile, (story, percent)) in stories.iter().zip(shares).enumerate() {
                let left = story.unmapped.iter().filter(|left| !left.is_blank).count();
                assert_eq!(percent >= 100.0, left == 0, "{percent} % of {record}: {:?}", story.unmapped);
                whole[profile][usize::from(left == 0)] += 1;
            }
        }
    }
    assert!(whole.iter().flatten().all(|count| *count > 20), "{whole:?}");
}

#[test]
fn report_equals_explanations_of_fixtures() {
    for bytes in fixtures() {
        let report = coverage::slice(&bytes, &options(false), false);
        assert_eq!(
            Expected::from_report(&report),
            Expected::of(&bytes),
            "{}",
            String::from_utf8_lossy(&bytes)
        );
    }
}

#[test]
fn report_equals_explanations_of_many_records() {
    for kind in [Kind::Hostile, Kind::Realistic, Kind::Plain, Kind::SignIns, Kind::Webhooks] {
        let bytes = generated(kind, 2000);
        for lines in bytes.split_inclusive(|byte| *byte == b'\n').collect::<Vec<_>>().chunks(100) {
            let lines = lines.concat();
            let report = coverage::slice(&lines, &options(false), false);
            assert_eq!(
                Expected::from_report(&report),
                Expected::of(&lines),
                "{kind:?}: {}",
                String::from_utf8_lossy(&lines)
            );
            check_keys(&report);
        }
    }
}

/// Returns an operation log whose changes repeat keys, addresses and roles, or say nothing.
fn odd_operation(random: &mut fastrand::Rng) -> String {
    let mut pick = |from: &[&'static str]| from[random.usize(..from.len())];
    let heads = [
        "Update User a@x.io",
        "Edit Group x",
        "Change Role",
        "Security",
        "",
        "Move a@x.io b@x.io A@x.io c@x.io",
    ];
    let unkeyed = ["", "", " - by SCIM", " - a@x.io", " - for b@x.io"];
    let keys =
        ["Department", "User Role", "role", "K", "a@x.io", "for a@x.io", "Email Address", "First Name"];
    let values =
        ["", "set to", "set to x", "from a to b", "from a to", "from  to ", "Admin", "c@x.io", "[{}]"];
    let mut detail = format!("{} {}", pick(&heads), pick(&unkeyed));
    while pick(&["more", "more", "more", "end"]) == "more" {
        detail += &format!(" - {}: {}", pick(&keys), pick(&values));
    }
    let category = pick(&["User", "User Group", "Account", "Role", "Recording", "-"]);
    let detail = json!(detail);
    // In Zoom's order, which is read in one pass.
    format!(
        r#"{{"time":"{TIME}","operator":"o@x.io","category_type":"{category}","action":"Update","operation_detail":{detail}}}"#
    )
}

#[test]
fn report_equals_explanations_of_odd_changes() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..4000 {
        let record = odd_operation(&mut random);
        let report = coverage::slice(record.as_bytes(), &options(false), false);
        assert_eq!(Expected::from_report(&report), Expected::of(record.as_bytes()), "{record}");
        check_keys(&report);
    }
}

/// Asserts that keys are unmapped as often as their parts.
fn check_keys(report: &Report) {
    for (place, part) in [("operation_detail", "change"), ("payload", "payload")] {
        let keys = report.keys.iter().filter(|row| row.place == place);
        let left = keys.map(|row| [row.mapped.default, row.mapped.enriched].map(|mapped| row.count - mapped));
        let left = left.fold([0; 2], |[one, two], [three, four]| [one + three, two + four]);
        let rows = [&report.unmapped.default, &report.unmapped.enriched];
        let parts =
            rows.map(|rows| rows.iter().filter(|row| row.part == part).map(|row| row.count).sum::<u64>());
        assert_eq!(left, parts, "{place}");
    }
}

/// Runs `coverage` and returns its exit code and output.
fn cover(arguments: &[&str], stdin: &[u8]) -> (i32, String) {
    let ran = run_cli(&[&["coverage"], arguments].concat(), stdin);
    (ran.code, String::from_utf8(ran.out.events).expect("the report is UTF-8"))
}

fn cover_json(arguments: &[&str], stdin: &[u8]) -> Value {
    let (_, out) = cover(&[arguments, &["--format", "json"]].concat(), stdin);
    assert_eq!(out.lines().count(), 1);
    serde_json::from_str(&out).expect("the report is JSON")
}

#[test]
fn published_records_are_whole_only_enriched() {
    let real = root().join("fixtures/real");
    let report = cover_json(&[text(&real)], b"");
    let text = &report["text"];
    assert_eq!(text["enriched"]["percent"], 100.0, "{report}");
    assert!(text["default"]["percent"].as_f64().expect("it is a number") < 80.0, "{text}");
    assert_eq!(report["unmapped"]["enriched"], json!([]));
}

#[test]
fn reports_for_people_match_their_snapshots() {
    let real = root().join("fixtures/real");
    for format in ["human", "markdown"] {
        let (code, out) = cover(&[text(&real), "--format", format], b"");
        // One fixture is without times.
        assert_eq!(code, 1);
        insta::assert_snapshot!(format, out);
    }
}

/// Records of all kinds, mixed, in blocks of several kinds.
fn mixed() -> Vec<u8> {
    let kinds = [Kind::Hostile, Kind::Realistic, Kind::SignIns, Kind::Webhooks];
    let lines = kinds.map(|kind| generated(kind, 4000));
    let lines: Vec<Vec<&[u8]>> =
        lines.iter().map(|bytes| bytes.split_inclusive(|byte| *byte == b'\n').collect()).collect();
    (0..4000)
        .flat_map(|index| lines.iter().filter_map(move |lines| lines.get(index)))
        .copied()
        .collect::<Vec<_>>()
        .concat()
}

#[test]
fn report_does_not_depend_on_threads_or_reads() {
    let bytes = mixed();
    let expected = coverage::slice(&bytes, &options(false), false);
    assert!(expected.records > 16_000 && expected.keys.len() > 400, "{}", expected.keys.len());
    for (threads, piece) in [(1, 1000), (2, 1 << 20), (5, 4096)] {
        let input = Input::new("mixed", ChunkedReader(Cursor::new(bytes.clone()), piece));
        let options = Options { threads, ..options(false) };
        let (report, _) = coverage::run(std::iter::once(input), &options, false).expect("threads start");
        assert!(report == expected, "{threads} threads, {piece} bytes a read");
    }
    let outputs: Vec<_> = ["1", "2", "7"].map(|threads| cover(&["--threads", threads], &bytes)).into();
    assert!(outputs.iter().all(|output| *output == outputs[0]));
}

#[test]
fn files_globs_gzip_and_stdin_are_read() {
    let (operation, sign_in) =
        (record("Add User a@x.io "), r#"{"type":"Sign in","email":"a@x.io","time":1706745599}"#);
    let webhook =
        r#"{"event":"user.updated","event_ts":1706745599000,"payload":{"object":{"email":"a@x.io"}}}"#;
    let zipped = gzip(sign_in);
    let files = directory(&[("a.json", operation.as_bytes()), ("d/b.json.gz", &zipped)]);
    let [a, glob] = ["a.json", "d/*"].map(|name| files.path().join(name));
    let report = cover_json(&[text(&a), text(&glob), "-"], webhook.as_bytes());
    let kinds: Vec<_> =
        report["actions"].as_array().expect("a list").iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, ["operation", "sign_in", "webhook"]);
    assert_eq!((&report["records"], &report["events"]), (&json!(3), &json!(3)));
}

#[test]
fn names_beyond_the_limit_are_counted_as_other() {
    let line = |number: usize| format!("{}\n", record(&format!("Edit Group x  - Key {number}: from a to b")));
    let bytes: String = (0..MAX_ENTRIES + 40).map(line).collect();
    let report = cover_json(&[], bytes.as_bytes());
    let keys = report["keys"].as_array().expect("a list");
    // Besides the keys of details there are three members of records.
    assert_eq!((keys.len(), &report["other"]["keys"]), (MAX_ENTRIES, &json!(43)));
    assert_eq!(report["limit"], MAX_ENTRIES);
    // All of HEAD is one part.
    assert_eq!(report["other"]["unmapped"], json!({"default": 41, "enriched": 0}));
    let all: u64 = keys.iter().map(|row| row["count"].as_u64().expect("a number")).sum();
    assert_eq!(all + 43, 4 * (MAX_ENTRIES as u64 + 40));
    let (_, human) = cover(&[], bytes.as_bytes());
    assert!(human.contains("43 keys more have names beyond the limit of 10000"), "{human}");
}

#[test]
fn keys_of_one_record_are_limited() {
    let changes: Vec<_> = (0..MAX_ENTRIES + 40).map(|number| format!(" - K{number}: v")).collect();
    let changes = changes.concat();
    let report = cover_json(&[], record(&format!("Edit Group x {changes}")).as_bytes());
    let other = &report["other"];
    assert_eq!(report["keys"].as_array().map(Vec::len), Some(MAX_ENTRIES), "{other}");
    assert_eq!(other["keys"], 43);
    let settings: Vec<_> = (0..MAX_ENTRIES + 40).map(|number| format!(r#""k{number}":1,"#)).collect();
    let settings = settings.concat();
    let webhook =
        format!(r#"{{"event":"x","event_ts":1706745599000,"payload":{{"object":{{{settings}"z":2}}}}}}"#);
    let report = cover_json(&[], webhook.as_bytes());
    assert_eq!(report["keys"].as_array().map(Vec::len), Some(MAX_ENTRIES));
    assert_eq!(report["text"]["enriched"]["percent"], 100.0);
}

#[test]
fn redacted_report_holds_no_values() {
    let secret = "S3cr3t";
    let records = [
        json!({"time": TIME, "operator": "S3cr3t@x.io", "category_type": "S3cr3t", "action": "S3cr3t Update",
            "operation_detail": "Update S3cr3t b.S3cr3t@x.io  - S3cr3t key: from S3cr3t to S3cr3t - Department: S3cr3t \
             - S3cr3t@y.io: S3cr3t [{\"userId\":\"S3cr3t\",\"S3cr3t\":\"S3cr3t\"},\"S3cr3t\"]",
            "S3cr3t": "S3cr3t", "event_type": "S3cr3t", "nested": {"S3cr3t": ["S3cr3t"]}}),
        json!({"time": TIME, "type": "S3cr3t", "email": "S3cr3t@x.io", "ip_address": "S3cr3t", "client_type": "S3cr3t",
            "version": "S3cr3t", "S3cr3t2": 17}),
        json!({"event": "S3cr3t.S3cr3t", "event_ts": 1_706_745_599_000_u64, "S3cr3t": true, "payload": {
            "operator": "S3cr3t", "S3cr3t": "S3cr3t", "object": {"id": "S3cr3t", "S3cr3t": ["S3cr3t", {"S3cr3t": "S3cr3t"}],
            "settings": {"S3cr3t": {"a": "S3cr3t"}}}, "old_object": {"settings": {"S3cr3t": "S3cr3t"}}}}),
        json!({"event": "meeting.S3cr3t", "event_ts": 1_706_745_599_000_u64, "payload": {"object": {"topic": "S3cr3t"}}}),
    ];
    let mut lines = records.iter().map(|record| format!("{record}\n")).collect::<Vec<_>>().concat();
    lines.push_str("S3cr3t\n{\"S3cr3t\":1}\n");
    for format in ["human", "json", "markdown"] {
        let [shown, hidden] = [&[][..], &["--redact"]]
            .map(|redact| cover(&[&["--format", format], redact].concat(), lines.as_bytes()));
        assert_eq!((shown.0, hidden.0), (1, 1));
        assert!(shown.1.contains(secret), "{}", shown.1);
        assert!(!hidden.1.to_lowercase().contains(&secret.to_lowercase()), "{}", hidden.1);
        assert!(hidden.1.contains("hidden") && hidden.1.contains("Department"), "{}", hidden.1);
    }
    // The counts are the same.
    let [shown, hidden] =
        [false, true].map(|redact| coverage::slice(lines.as_bytes(), &options(false), redact));
    assert_eq!((shown.text, shown.keys.len(), shown.other), (hidden.text, hidden.keys.len(), hidden.other));
    let example = hidden.keys.iter().find(|row| row.key == "operator").expect("the field is listed");
    assert_eq!(example.example.as_deref(), Some("(e-mail address, length 11)"));
}

#[test]
fn json_report_has_its_documented_members() {
    let report = cover_json(&[], record("Security  - Passcode: from On to Off").as_bytes());
    let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let docs = std::fs::read_to_string(root().join("docs/cli.md")).expect("the page is readable");
    let section =
        docs.split("\n## coverage\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    for object in [
        &report,
        &report["text"],
        &report["actions"][0],
        &report["keys"][0],
        &report["unmapped"]["default"][0],
    ] {
        for name in names(object) {
            assert!(section.contains(&format!("`{name}`")), "{name} is not documented");
        }
    }
    let key = report["keys"].as_array().expect("a list").iter().find(|row| row["key"] == "Passcode");
    let expected = json!({"place": "operation_detail", "key": "Passcode", "count": 1,
        "mapped": {"default": 0, "enriched": 1}, "example": "from On to Off"});
    assert_eq!(key, Some(&expected));
    let row = &report["unmapped"]["default"][0];
    assert_eq!((&row["part"], &row["key"], &row["count"]), (&json!("change"), &json!("Passcode"), &json!(1)));
}

#[test]
fn exit_codes_are_those_of_normalize() {
    let good = record("Add User a@x.io ");
    for (arguments, input, code) in [
        (&[][..], good.as_str(), 0),
        (&[], "5", 1),
        (&["--nonsense"], "", 2),
        (&["--threads", "0"], "", 2),
        (&["--format", "xml"], "", 2),
        (&["no/such/file"], "", 3),
        (&["--default-time", "now"], r#"{"operator":"a","action":"b"}"#, 0),
        (&["--max-line-bytes", "10"], good.as_str(), 1),
    ] {
        assert_eq!(cover(arguments, input.as_bytes()).0, code, "{arguments:?}");
    }
}

#[test]
fn input_without_events_gives_an_empty_report() {
    for (input, records, rejects) in [("", 0, 0), ("\n\n", 0, 0), ("5\n[1]\nx\n", 3, 3)] {
        let report = cover_json(&[], input.as_bytes());
        assert_eq!((&report["records"], &report["rejects"]), (&json!(records), &json!(rejects)), "{report}");
        let text = json!({"characters": 0, "default": {"characters": 0, "percent": null},
            "enriched": {"characters": 0, "percent": null}});
        assert_eq!((&report["text"], &report["actions"], &report["keys"]), (&text, &json!([]), &json!([])));
        for format in ["human", "markdown"] {
            let (_, out) = cover(&["--format", format], input.as_bytes());
            assert!(out.contains(&format!("{records} records: 0 events, {rejects} rejects")), "{out}");
            assert!(out.contains("mapped by default: no record has text"), "{out}");
        }
    }
}

#[test]
fn unreadable_input_makes_the_report_incomplete() {
    let files = directory(&[("a.json", record("a").as_bytes()), ("b.json.gz", &gzip(record("b"))[..20])]);
    let report = cover_json(&[text(files.path())], b"");
    assert_eq!((&report["records"], &report["incomplete"]), (&json!(1), &json!(true)));
    let (code, out) = cover(&[text(files.path())], b"");
    assert!(code == 3 && out.contains("incomplete: "), "{out}");
}

#[test]
fn huge_values_are_cut_in_the_report() {
    let long = "é<b>|`*\u{1b}[2J".repeat(100_000);
    let detail = format!("Edit Group {long}  - {long}: from {long} to x");
    let mut line = serde_json::from_str::<Value>(&record(&detail)).expect("it is JSON");
    line[&long] = json!(long);
    line["category_type"] = json!(long);
    for format in ["human", "json", "markdown"] {
        let (code, out) =
            cover(&["--format", format, "--max-line-bytes", "100000000"], line.to_string().as_bytes());
        assert_eq!(code, 0);
        assert!(out.len() < 20_000, "{} bytes", out.len());
        assert!(!out.contains('\u{1b}'), "{out}");
    }
}

#[test]
fn closed_reader_is_not_an_error() {
    let mut child = Command::new(binary())
        .arg("coverage")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(record("a").as_bytes()).expect("the program reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stderr, b"");
}
