//! Tests that the fills of `explain` rebuild the event, and that its source positions are correct.
#![allow(clippy::panic, reason = "a test that goes wrong is to stop")]

use proptest::prelude::*;
use serde_json::{Value, json};
use std::fmt::Write as _;
use testdata::Kind;
use testkit::files::{directory, gzip, text};
use testkit::fixtures::cases;
use testkit::normalize::{TIME, json_lines, run_chunked, run_cli, zoom_udm};
use zoom_udm::explain::{self, EventExplanation, Explanation, Outcome, Raw, Span};
use zoom_udm::mapping::{MappingOptions, Values};
use zoom_udm::normalize::{Options, is_gzip};
use zoom_udm::timestamp::Timestamp;
use zoom_udm::udm::{Case, IngestionMetadata, OutputShape, Writer};

/// An event rebuilt from its fills. Members keep the order of the fills.
enum Tree {
    Leaf(String),
    Object(Vec<(String, Tree)>),
    List(Vec<Tree>),
}

impl Tree {
    /// Puts a text at a path. A new member or element must follow the last one.
    fn put(&mut self, path: &str, leaf: Self) {
        if let Some(quoted) = path.strip_prefix("[\"") {
            let Self::Object(members) = self else { panic!("{path} is not a member") };
            let name = quoted.strip_suffix("\"]").expect("a quoted name is the last one");
            assert!(members.iter().all(|(known, _)| known != name), "{path} is filled twice");
            members.push((name.to_owned(), leaf));
            return;
        }
        let (list, name) = (path.starts_with('['), path.trim_start_matches('['));
        if path.is_empty() {
            *self = leaf;
            return;
        }
        let end = name.find(if list { ']' } else { '.' });
        let bracket = if list { None } else { name.find('[') };
        let end = match (end, bracket) {
            (Some(end), Some(bracket)) => end.min(bracket),
            (Some(end), None) => end,
            (None, bracket) => bracket.unwrap_or(name.len()),
        };
        let rest = &name[end..];
        let rest = if rest.starts_with("[\"") { rest } else { rest.trim_start_matches([']', '.']) };
        let empty = || {
            if rest.starts_with('[') && !rest.starts_with("[\"") {
                Self::List(vec![])
            } else {
                Self::Object(vec![])
            }
        };
        match self {
            Self::List(elements) => {
                let index: usize = name[..end].parse().expect("the index is a number");
                assert!(index + 1 >= elements.len() && index <= elements.len(), "{path} is out of order");
                if index == elements.len() {
                    elements.push(empty());
                }
                elements[index].put(rest, leaf);
            }
            Self::Object(members) => {
                let name = &name[..end];
                if members.last().is_none_or(|(last, _)| last != name) {
                    assert!(members.iter().all(|(known, _)| known != name), "{path} is out of order");
                    members.push((name.to_owned(), empty()));
                }
                members.last_mut().expect("the object has a member").1.put(rest, leaf);
            }
            Self::Leaf(_) => panic!("{path} is filled twice"),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Leaf(text) => out.push_str(&serde_json::to_string(text).expect("it can be serialized")),
            Self::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    let _ = write!(out, "{}\"{name}\":", if index == 0 { "" } else { "," });
                    value.write(out);
                }
                out.push('}');
            }
            Self::List(elements) => {
                for (index, value) in elements.iter().enumerate() {
                    out.push(if index == 0 { '[' } else { ',' });
                    value.write(out);
                }
                out.push(']');
            }
        }
    }
}

fn rebuilt(story: &EventExplanation) -> String {
    let mut tree = Tree::Object(vec![]);
    for fill in &story.fills {
        // Only an object that is empty is itself a value.
        let is_object = fill.path == "extensions.auth";
        let leaf = if is_object { Tree::Object(vec![]) } else { Tree::Leaf(fill.value.clone()) };
        tree.put(&fill.path, leaf);
    }
    let mut out = String::new();
    tree.write(&mut out);
    out
}

/// Returns the text at some spans.
fn at(whole: &str, spans: &[Span]) -> String {
    let characters: Vec<char> = whole.chars().collect();
    spans.iter().flat_map(|&[start, end]| &characters[start..end]).collect()
}

/// Asserts that the text at the position of each source equals the text of the source.
fn check_places(story: &EventExplanation) {
    let member = |name: &str| {
        let found = story.members.iter().rfind(|member| member.name == name);
        found.unwrap_or_else(|| panic!("{name} is not a member")).text.as_str()
    };
    for fill in &story.fills {
        let Some(source) = &fill.source else {
            assert!(
                matches!(fill.rule.source, "constant" | "option") || fill.value == "GENERIC_EVENT",
                "{fill:?} has no source"
            );
            continue;
        };
        assert_eq!(at(member(&source.field), &source.at), source.text, "{fill:?}");
        let taken = at(member(&source.field), &source.taken);
        assert!(source.text.contains(&taken) || source.at.len() > 1, "{fill:?}");
        let copied = matches!(fill.rule.source, "field" | "key" | "detail")
            && fill.path.rsplit('.').next() != Some("key")
            && !["time", "event_ts", "event_type"].contains(&fill.rule.name);
        if copied {
            assert_eq!(taken, fill.value, "{fill:?}");
        }
    }
    for left in &story.unmapped {
        if !left.at.is_empty() {
            assert_eq!(at(member(&left.field), &left.at), left.text, "{left:?}");
        }
    }
}

fn enriched(values: Values) -> MappingOptions {
    MappingOptions { values, enrich: true, ..MappingOptions::default() }
}

fn variants() -> Vec<Options> {
    let feed = IngestionMetadata {
        namespace: Some("n\"s".to_owned()),
        labels: vec![("k".to_owned(), "v\\\u{1}".to_owned()), ("l".to_owned(), String::new())],
    };
    let time = Timestamp::parse(TIME).expect("the time is valid");
    vec![
        Options::default(),
        Options {
            rules: MappingOptions { values: Values::Verbatim, clip: true, enrich: false },
            writer: Writer::new(OutputShape::Udm(Case::Camel), &feed),
            default_time: Some(time),
            event_id: true,
            ..Options::default()
        },
        Options {
            writer: Writer::new(OutputShape::Udm(Case::Snake), &feed),
            default_time: Some(time),
            ..Options::default()
        },
        Options { rules: enriched(Values::New), default_time: Some(time), ..Options::default() },
        Options {
            rules: enriched(Values::Verbatim),
            writer: Writer::new(OutputShape::Udm(Case::Snake), &feed),
            default_time: Some(time),
            ..Options::default()
        },
    ]
}

/// Explains an input and compares the result with `normalize`. Returns the numbers of events and rejects.
fn check(bytes: &[u8], options: &Options) -> (usize, usize) {
    let told = explain::slice(bytes, options);
    let (out, _) = run_chunked("memory", bytes, usize::MAX, 1, options);
    let (mut events, mut rejects) = (String::new(), Vec::new());
    for one in &told {
        match &one.outcome {
            Outcome::Event(story) => {
                assert_eq!(rebuilt(story), story.event.get());
                check_places(story);
                events += story.event.get();
                events.push('\n');
            }
            Outcome::Reject { reject } => {
                rejects.push(json!([one.line, one.offset, reject.reason, reject.message]));
                assert!(!reject.found.is_empty() && !reject.found.contains("; expected"), "{reject:?}");
            }
        }
    }
    assert_eq!(events.as_bytes(), out.events);
    let pick = |reject: &Value| ["line", "offset", "reason", "message"].map(|name| reject[name].clone());
    assert_eq!(rejects, out.rejects().iter().map(|reject| json!(pick(reject))).collect::<Vec<_>>());
    let in_order = told.is_sorted_by_key(|one: &Explanation| (one.offset, one.line));
    assert!(in_order, "records come in order");
    for one in told.iter().filter(|_| !is_gzip(bytes)) {
        if let Raw::Text(record) = &one.record {
            let offset = usize::try_from(one.offset).expect("the offset fits usize");
            let there = String::from_utf8_lossy(&bytes[offset..]);
            assert!(there.starts_with(record.as_str()), "{record} is not at its offset, {offset}: {there:?}");
        }
    }
    (events.lines().count(), rejects.len())
}

/// Returns the explanation of a record that becomes an event.
fn story(record: &str) -> Value {
    let told = explain::slice(record.as_bytes(), &Options::default());
    serde_json::to_value(&told[0]).expect("an explanation is JSON")
}

/// Returns the path, the source text and the used part of each fill that comes from a field.
fn sources(story: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().expect("the value is a string").to_owned();
    let fills = story["fills"].as_array().expect("the value is an array").iter();
    fills
        .filter(|fill| fill["source"].is_object())
        .map(|fill| (text(&fill["path"]), text(&fill["source"]["text"]), text(&fill["value"])))
        .collect()
}

/// Returns the text of each unmapped part, and why it was not mapped.
fn unmapped(story: &Value) -> Vec<[&str; 2]> {
    let parts = story["unmapped"].as_array().expect("the value is an array").iter();
    parts
        .map(|part| ["text", "why"].map(|name| part[name].as_str().expect("the value is a string")))
        .collect()
}

#[test]
fn sign_in_is_explained_with_its_sources() {
    let record = r#"{"time":"2024-01-31T23:59:59Z","type":"Sign in","email":" a@x.io","ip_address":"none","version":"-","action":"","x":1}"#;
    let story = story(record);
    assert_eq!(story["kind"], "sign_in");
    let expected = [
        ("metadata.eventTimestamp", "2024-01-31T23:59:59Z", "2024-01-31T23:59:59Z"),
        ("metadata.eventType", " a@x.io", "USER_UNCATEGORIZED"),
        ("metadata.productEventType", "Sign in", "Sign in"),
        ("additional.ip_address", "none", "none"),
        ("additional.type", "Sign in", "Sign in"),
        ("target.user.emailAddresses[0]", " a@x.io", "a@x.io"),
    ];
    assert_eq!(
        sources(&story),
        expected.map(|(path, source, value)| (path.into(), source.into(), value.into()))
    );
    let unknown = "unknown field";
    let version = "Zoom writes - if it does not know the version";
    assert_eq!(unmapped(&story), [["-", version], ["", unknown], ["1", unknown]]);
    assert_eq!(story["notes"][0]["note"], "ip_address_invalid");
}

#[test]
fn webhook_is_explained_with_its_sources() {
    let record = r#"{"event":"user.updated","event_ts":"soon","time":"2024-01-01T00:00:00Z","payload":{"time_stamp":1626230691572,
        "operator":" a@x.io","object":{"id":"\u0075\u0031","email":"b@x.io","email":"c@x.io","type":3,"none":null,"deep":{"a":[true,"x"]},
        "settings":{"chat":true,"\u0061":["x"]}},"old_object":{"settings":{"chat":false},"id":"u1"}}}"#;
    let story = story(record);
    assert_eq!(story["kind"], "webhook");
    let member = |key: &str, value: &str| format!("\"{key}\":{value}");
    let chat = member("chat", "true");
    let expected = [
        ("metadata.eventTimestamp", &*member("time_stamp", "1626230691572"), "2021-07-14T02:44:51.572Z"),
        ("metadata.eventType", &member("operator", "\" a@x.io\""), "USER_UNCATEGORIZED"),
        ("metadata.productEventType", "user.updated", "user.updated"),
        ("principal.user.emailAddresses[0]", &member("operator", "\" a@x.io\""), "a@x.io"),
        ("target.user.emailAddresses[0]", &member("email", "\"c@x.io\""), "c@x.io"),
        ("target.user.productObjectId", &member("id", "\"\\u0075\\u0031\""), "u1"),
        ("target.resource.attribute.labels[0].key", &chat, "settings.chat"),
        ("target.resource.attribute.labels[0].value", &chat, "true"),
        ("target.resource.attribute.labels[1].key", "\"x\"", "settings.a.0"),
        ("target.resource.attribute.labels[1].value", "\"x\"", "x"),
        ("target.resource.attribute.labels[2].key", &member("chat", "false"), "old_object.settings.chat"),
        ("target.resource.attribute.labels[2].value", &member("chat", "false"), "false"),
    ];
    assert_eq!(
        sources(&story),
        expected.map(|(path, source, value)| (path.into(), source.into(), value.into()))
    );
    let (time, unused) = (
        "it is not a usable time, or another one takes precedence",
        "no row uses it, or another value takes precedence",
    );
    let expected = [
        ["soon", time],
        ["2024-01-01T00:00:00Z", time],
        [r#""email":"b@x.io""#, unused],
        [r#""type":3"#, unused],
        [r#""none":null"#, "a null, empty or blank value is ignored"],
        ["true", unused],
        ["\"x\"", unused],
        [r#""id":"u1""#, unused],
    ];
    assert_eq!(unmapped(&story), expected);
}

#[test]
fn field_list_rebuilds_fixture_events() {
    let mut events = 0;
    for case in cases("") {
        for options in variants() {
            events += check(&case.bytes, &options).0;
        }
    }
    assert!(events > 300, "{events}");
}

#[test]
fn field_list_rebuilds_generated_events() {
    let kinds =
        [(Kind::Hostile, 6000), (Kind::Realistic, 1500), (Kind::SignIns, 1500), (Kind::Webhooks, 1500)];
    for (kind, records) in kinds {
        let mut bytes = Vec::new();
        testdata::write(kind, records, 7, &mut bytes).expect("writing to memory cannot fail");
        for options in variants() {
            let (events, rejects) = check(&bytes, &options);
            assert!(events > 1000, "{events} events, {rejects} rejects");
        }
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let keys = "(Display Name|First Name|Job Title|Department|Type|User Type|Role Name|User Role|Role|role|Description|Email Address|Location|Other|b@x.io|B@X.io)";
    let values = "(set to |from A to |from  to |)(Ann|Ä, é|b@x.io|x - y|\"q\"|\\\\|\u{1}|😀)?";
    let users = r#"(\[\{"userId":(" u1 "|7|\["a","b"\]|null|"\\u00e9")(,"assistant":(\["c","d"\]|"é"|\{"z": 1\}))?\}(,\{"userId":"u2"\}|,5|,\{\}|,\{"options":\["v", true\],"other":1\}){0,3}\])"#;
    proptest::string::string_regex(&format!(
        "(Change Role|Update User|)( a@x\\.io)?( b@x\\.io| A@X\\.IO| c@x\\.io){{0,3}} ?( - {keys}: ?{values}( {users}|from {users} to {users})?| - alone| - d@x\\.io| {users} tail){{0,5}} ?"
    ))
    .expect("the pattern is valid")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn field_list_rebuilds_any_event(
        detail in pieces(),
        operator in "(a@x\\.io| SCIM@Okta |\\PC{0,4})",
        event_type in "(USER_LOGIN|NONE|| USER_CREATION |STATUS_UPDATE)",
        time in "(2024-01-31T23:59:59Z|1700000000|x)",
        more in "(,\"other\":\\{\"a\":\\[1\\]\\}|,\"operator\":\\[\\]|,\"action\":5|,\"time\":null|,\"t\\\\u0069me\":\"2024-01-01\"){0,3}",
    ) {
        let record = json!({
            "time": time, "operator": operator, "event_type": event_type, "action": "ä".repeat(40), "operation_detail": detail,
        });
        let record = record.to_string().strip_suffix('}').expect("the record is an object").to_owned() + &more + "}";
        for options in variants() {
            check(record.as_bytes(), &options);
        }
    }
}

/// Returns a record of the given shape whose size grows with `n`.
fn record_of_size(shape: &str, n: usize) -> Vec<u8> {
    let many = |unit: fn(usize) -> String, between: &str| (0..n).map(unit).collect::<Vec<_>>().join(between);
    let list = |n: usize| serde_json::to_string(&vec!["v"; n]).expect("serialization cannot fail");
    let detail = match shape {
        "a list" => format!(r#"x  - K: [{{"userId":"u","options":{}}}]"#, list(n)),
        "a list of a further user" => format!(r#"x  - K: [{{}},{{"assistant":{}}}]"#, list(n)),
        "a list of names" => format!(r#"x  - K: [{{"userId":{}}}]"#, list(n)),
        "a list that no row asks for" => format!(r#"x  - K: [{{"userId":"u","other":{}}}]"#, list(n)),
        "users" => format!("x  - K: [{}]", many(|n| format!(r#"{{"userId":"u{n}","options":"o"}}"#), ",")),
        "elements" => format!(r#"x  - K: [{{}},{}]"#, many(|n| n.to_string(), ",")),
        "members" => format!(r#"x  - K: [{{{}}}]"#, many(|n| format!(r#""m{n}":1"#), ",")),
        "changes" => format!("x  - {}", many(|n| format!("K{n}: from A to B"), " - ")),
        "changes of one field" => format!("x  - {}", many(|_| "Job Title: from A to B".to_owned(), " - ")),
        "addresses" => many(|n| format!("a{n}@x.io"), " "),
        "a value" => format!("x  - Job Title: {}", many(|_| "é".to_owned(), "")),
        _ => panic!("unknown shape {shape}"),
    };
    json!({"time": TIME, "operator": "a@x.io", "operation_detail": detail}).to_string().into_bytes()
}

#[test]
fn explanation_size_is_linear_in_record_size() {
    for shape in [
        "a list",
        "a list of a further user",
        "a list of names",
        "a list that no row asks for",
        "users",
        "elements",
        "members",
        "changes",
        "changes of one field",
        "addresses",
        "a value",
    ] {
        for rules in [MappingOptions::default(), enriched(Values::New)] {
            let options = Options { rules, ..Options::default() };
            let told = |n: usize| {
                let told = explain::slice(&record_of_size(shape, n), &options);
                serde_json::to_vec(&told[0]).expect("serialization cannot fail").len()
            };
            let (once, twice) = (told(1000), told(2000));
            assert!(twice < once * 22 / 10, "{shape}, {rules:?}: {once}, then {twice}");
        }
    }
}

#[test]
fn each_list_element_has_its_own_source_span() {
    let told = explain::slice(&record_of_size("a list", 2), &Options::default());
    let Outcome::Event(story) = &told[0].outcome else { panic!("not an event") };
    let sources: Vec<_> =
        story.fills.iter().filter(|fill| fill.path.contains("labels")).map(|fill| &fill.source).collect();
    let sources: Vec<_> =
        sources.into_iter().flatten().map(|source| (&*source.text, &source.at, &source.taken)).collect();
    let [first, second] =
        [r#"x  - K: [{"userId":"u","options":["#, r#"x  - K: [{"userId":"u","options":["v","#].map(str::len);
    let at = |start: usize| (vec![[start, start + 3]], vec![[start + 1, start + 2]]);
    let [first, second] = [at(first), at(second)];
    let of = |at: &(Vec<Span>, Vec<Span>)| (r#""v""#, at.0.clone(), at.1.clone());
    let found: Vec<_> =
        sources.into_iter().map(|(text, at, taken)| (text, at.clone(), taken.clone())).collect();
    assert_eq!(found, [of(&first), of(&first), of(&second), of(&second)]);
}

/// A record that fills something of every kind.
const FULL: &str = r#"{"time":"2024-01-31T23:59:59Z","operator":" SCIM@Okta ","category_type":"User","action":"Update","event_type":"NONE","operation_detail":"Update User a@x.io  - Display Name: from Bo to Ann - Plan: Pro - User Type: Basic - K: [{\"userId\":\" u1 \",\"group\":7},{\"userId\":\"u2\",\"options\":[\"view\",\"edit\"]},5] ","ip":"192.0.2.1"}"#;

#[test]
fn text_output_shows_record_fields_rules_and_sources() {
    let input = [FULL, r#"{"operator":"no time"}"#, "{\"cut", ""].join("\n");
    let seen = run_cli(&["explain", "--namespace", "ns", "--label", "env=prod"], input.as_bytes());
    assert_eq!((seen.code, &*seen.stderr), (1, ""));
    insta::assert_snapshot!(String::from_utf8(seen.out.events).expect("valid UTF-8"));
}

#[test]
fn json_output_matches_the_library() {
    let input = [FULL, "5", FULL].join("\n");
    let seen = run_cli(&["explain", "--format", "json"], input.as_bytes());
    let told = json_lines(
        &serde_json::to_vec(&explain::slice(input.as_bytes(), &Options::default())[0])
            .expect("serialization cannot fail"),
    );
    let mut lines = json_lines(&seen.out.events);
    assert_eq!((seen.code, lines.len()), (1, 3));
    lines[0]["input"] = json!("memory");
    assert_eq!(lines[0], told[0]);
    assert_eq!(lines[1]["reject"]["reason"], "not_object");
    assert_eq!(lines[2]["line"], 3);
    let kinds: Vec<_> =
        lines[2]["unmapped"].as_array().expect("a list").iter().map(|left| &left["kind"]).collect();
    assert_eq!(kinds, ["event_type", "unknown_field", "change", "change", "json", "json"]);
    assert_eq!(lines[2]["notes"][0]["note"], "event_type_unknown");
}

#[test]
fn files_arrays_pages_and_gzip_are_accepted() {
    let page = format!("{{\"operation_logs\":[{FULL},{FULL}]}}");
    let pretty = serde_json::to_string_pretty(&json_lines(page.as_bytes())[0]).expect("it can be serialized");
    let packed = gzip(pretty.as_bytes());
    let files = directory(&[("a.json", pretty.as_bytes()), ("b.json.gz", &packed)]);
    let explain = |name: &str| run_cli(&["explain", "--format", "json", text(&files.path().join(name))], b"");
    let (plain, unpacked) = (explain("a.json"), explain("b.json.gz"));
    assert_eq!((plain.code, unpacked.code), (0, 0));
    let [mut plain, mut unpacked] = [plain, unpacked].map(|ran| ran.out.events());
    assert_eq!(
        (plain.len(), plain[1]["line"].as_u64()),
        (2, plain[1]["line"].as_u64().filter(|line| *line > 2))
    );
    plain.iter_mut().chain(&mut unpacked).for_each(|told| told["input"] = Value::Null);
    assert_eq!(plain, unpacked);
    assert_eq!(run_cli(&["explain", "--format", "json", "-"], &packed).out.events().len(), 2);
    let missing = run_cli(&["explain", "no-such-file"], b"");
    assert!(missing.code == 3 && missing.stderr.contains("file not found"), "{missing:?}");
    assert_eq!(run_cli(&["explain", "--values", "other"], b"").code, 2);
    assert_eq!(run_cli(&["explain", "--default-time", "then"], b"").code, 2);
}

#[test]
fn record_cannot_control_the_terminal() {
    let attack = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{7f}\r\u{8}\u{202e}\u{200b}";
    let record = json!({
        "time": TIME, "operator": attack, "category_type": attack, "action": attack, attack: attack, "event_type": attack,
        "operation_detail": format!("{attack}  - {attack}: {attack} - Display Name: {attack} [{{\"userId\":\"{attack}\"}}]"),
    });
    let refused = json!({"time": attack, "operator": attack}).to_string();
    let broken = format!("{attack}\n\u{1b}[31m\n{{\"a\":{attack}}}");
    let input = format!("{record}\n{refused}\n{broken}\n").into_bytes();
    let input = [&input[..], b"\x1b[2J\xff\n"].concat();
    let seen = run_cli(&["explain", "--color", "never"], &input);
    let shown = String::from_utf8(seen.out.events).expect("valid UTF-8");
    let steers = |c: char| c.is_control() && c != '\n' || ['\u{202e}', '\u{200b}'].contains(&c);
    assert_eq!(shown.chars().find(|c| steers(*c)), None, "{shown}");
    assert!(shown.contains("\\u{1b}[2J"), "{shown}");
    // With colors, the only escape sequences are those that set a style.
    let seen = run_cli(&["explain", "--color", "always"], &input);
    let coloured = String::from_utf8(seen.out.events).expect("valid UTF-8");
    let style = regex::Regex::new("\u{1b}\\[[0-9;]*m").expect("the pattern is valid");
    assert_eq!(style.replace_all(&coloured, ""), shown);
    assert!(style.is_match(&coloured));
}

#[test]
fn color_is_used_on_terminals_or_on_request() {
    let escapes = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = zoom_udm();
        command.arg("explain").args(arguments).envs(variables.iter().copied());
        command.write_stdin(FULL).output().expect("the program runs").stdout.contains(&0x1b)
    };
    assert!(!escapes(&[], &[]), "a pipe is not a terminal");
    assert!(escapes(&["--color", "always"], &[("NO_COLOR", "1")]), "the flag overrides NO_COLOR");
    assert!(!escapes(&["--color", "never"], &[("NO_COLOR", "")]));
}
