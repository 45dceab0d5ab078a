//! Tests of every flag and form of the command line.

use serde_json::{Value, json};
use testkit::files::{directory, gzip, text};
use testkit::normalize::{TIME, descriptions, json_lines, record, run_cli, zoom_udm};

const FULL: &str = r#"{"time":"2024-01-31T23:59:59.5Z","operator":"o@x.com","category_type":"User","action":"Update","operation_detail":"Update User a@x.io  - Display Name: set to Ann - Job Title: from Boss to Chief - Department: IT - First Name: Ann - Last Name: Lee - Description: d - User Role: Admin - Location: Oslo [{\"userId\":\"u1\",\"options\":\"e\"},{\"userId\":\"u2\"}]"}"#;

/// Returns the single event or request of a record under some flags.
fn one(flags: &[&str], record: &str) -> Value {
    let ran = run_cli(&[&["normalize"], flags].concat(), record.as_bytes());
    assert_eq!(ran.code, 0, "{flags:?}: {}", ran.stderr);
    let mut values = ran.out.events();
    assert_eq!(values.len(), 1, "{flags:?}");
    values.remove(0)
}

#[test]
fn event_is_written_in_camel_case() {
    let description = json_lines(FULL.as_bytes())[0]["operation_detail"].clone();
    let expected = json!({
        "metadata": {
            "eventTimestamp": "2024-01-31T23:59:59.500Z", "eventType": "USER_UNCATEGORIZED",
            "logType": "ZOOM_OPERATION_LOGS", "productName": "ZOOM_OPERATION_LOGS", "vendorName": "ZOOM",
            "productEventType": "Update", "description": description,
        },
        "additional": {"category_type": "User"},
        "principal": {"user": {"emailAddresses": ["o@x.com"]}},
        "target": {
            "user": {
                "userid": "u1", "emailAddresses": ["a@x.io"], "userDisplayName": "Ann", "firstName": "Ann", "lastName": "Lee",
                "title": "Chief", "department": ["IT"], "roleDescription": "d",
                "attribute": {"roles": [{"name": "Admin"}], "labels": [{"key": "options", "value": "e"}]},
            },
            "location": {"name": "Oslo"},
        },
        "about": [{"user": {"userid": "u2"}}],
    });
    assert_eq!(one(&[], FULL), expected);
    assert_eq!(one(&["--format", "udm", "--case", "camel"], FULL), expected);
}

/// Converts the names of all members to snake_case.
fn snake(value: &Value) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(snake).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (snake_name(name), snake(value))).collect())
        }
        other => other.clone(),
    }
}

fn snake_name(name: &str) -> String {
    name.chars().flat_map(|c| c.is_uppercase().then_some('_').into_iter().chain(c.to_lowercase())).collect()
}

#[test]
fn snake_case_changes_only_field_names() {
    assert_eq!(one(&["--case", "snake"], FULL), snake(&one(&[], FULL)));
    let feed = ["--namespace", "n", "--label", "camelCase=v", "--event-id"];
    assert_eq!(one(&[&feed[..], &["--case", "snake"]].concat(), FULL), snake(&one(&feed, FULL)));
}

#[test]
fn import_request_contains_its_events() {
    assert_eq!(
        one(&["--format", "import"], FULL),
        json!({"inlineSource": {"events": [{"udm": one(&[], FULL)}]}})
    );
    let in_snake = one(&["--format", "import", "--case", "snake"], FULL);
    assert_eq!(in_snake["inlineSource"]["events"][0]["udm"], snake(&one(&[], FULL)));
}

#[test]
fn batch_create_request_has_customer_and_events() {
    let request = one(&["--format", "batch-create", "--customer-id", "c\"1"], FULL);
    assert_eq!(request, json!({"customer_id": "c\"1", "events": [one(&[], FULL)]}));
    let without = run_cli(&["normalize", "--format", "batch-create"], b"");
    assert_eq!(without.code, 2);
    assert!(without.stderr.contains("--customer-id"), "{}", without.stderr);
}

#[test]
fn parser_format_matches_run_parser() {
    let event = json!({"timestamp": "2024-01-31T23:59:59.500Z", "idm": {"readOnlyUdm": one(&[], FULL)}});
    assert_eq!(one(&["--format", "parser"], FULL), json!({"events": [{"event": event}]}));
}

#[test]
fn bigquery_row_has_numeric_times_and_types() {
    let mut expected = snake(&one(&[], FULL));
    expected["metadata"]["event_timestamp"] = json!({"seconds": 1_706_745_599, "nanos": 500_000_000});
    expected["additional"] = json!({"fields": [{"key": "category_type", "value": {"string_value": "User"}}]});
    let row = one(&["--format", "bigquery"], FULL);
    assert!(row["metadata"]["event_type"].is_u64());
    expected["metadata"]["event_type"] = row["metadata"]["event_type"].clone();
    assert_eq!(row, expected);
}

#[test]
fn bigquery_event_types_are_udm_enum_numbers() {
    let types = event_types();
    assert!(types.len() > 100);
    // Each record has a target user. Some types have further requirements that no operation log meets.
    let record = |name: &str| json!({"time": TIME, "event_type": name, "operation_detail": "Add a@x.io"});
    let records: String = types.iter().map(|(_, name)| record(name).to_string() + "\n").collect();
    let [rows, events] = ["bigquery", "udm"]
        .map(|format| run_cli(&["normalize", "--format", format], records.as_bytes()).out.events());
    let unmet =
        ["USER_LOGIN", "USER_LOGOUT", "USER_RESOURCE_", "SETTING_", "GROUP_", "EVENTTYPE_UNSPECIFIED"];
    for ((number, name), (row, event)) in types.iter().zip(rows.iter().zip(&events)) {
        let (number, name) = if unmet.iter().any(|start| name.starts_with(start)) {
            (&15000, "USER_UNCATEGORIZED")
        } else {
            (number, name.as_str())
        };
        assert_eq!(
            (&row["metadata"]["event_type"], &event["metadata"]["eventType"]),
            (&json!(number), &json!(name))
        );
    }
}

fn event_types() -> Vec<(u32, String)> {
    let table = include_str!("../src/udm/event_types.tsv");
    let rows = table.lines().skip(1).filter_map(|line| line.split_once('\t'));
    let name = |rest: &str| rest.split('\t').next().map(str::to_owned);
    rows.filter_map(|(number, rest)| Some((number.parse().ok()?, name(rest)?))).collect()
}

#[test]
fn requests_are_split_by_event_count() {
    let input: String = (0..7).map(|index| record(&index.to_string()) + "\n").collect();
    for format in [&["--format", "import"][..], &["--format", "batch-create", "--customer-id", "c"]] {
        let out = run_cli(&[&["normalize", "--request-events", "3"], format].concat(), input.as_bytes())
            .out
            .events();
        let counts: Vec<_> = out.iter().map(|request| events_in(request).len()).collect();
        assert_eq!(counts, [3, 3, 1]);
        let all: Vec<Value> = out.iter().flat_map(events_in).collect();
        assert_eq!(descriptions(&all), ["0", "1", "2", "3", "4", "5", "6"]);
    }
}

#[test]
fn requests_are_split_only_at_the_byte_limit() {
    let input: String =
        (0..7).map(|index| record(&format!("{index}{}", "é".repeat(index * 20))) + "\n").collect();
    let whole = run_cli(&["normalize", "--format", "import"], input.as_bytes()).out.events;
    let length = whole.len() - 1;
    for limit in [1, 500, 1000, length - 1, length] {
        let limit_text = limit.to_string();
        let out =
            run_cli(&["normalize", "--format", "import", "--request-bytes", &limit_text], input.as_bytes())
                .out
                .events;
        let lines: Vec<&[u8]> = out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
        for (index, line) in lines.iter().enumerate() {
            let events = events_in(&json_lines(line)[0]);
            assert!(line.len() <= limit || events.len() == 1, "{limit}");
            // The next event would have exceeded the limit.
            if let Some(next) = lines.get(index + 1) {
                let first = events_in(&json_lines(next)[0])[0].to_string().len() + ",{\"udm\":}".len();
                assert!(line.len() + first > limit, "{limit}");
            }
        }
        let all: usize = lines.iter().map(|line| events_in(&json_lines(line)[0]).len()).sum();
        assert_eq!(all, 7);
    }
    assert_eq!(
        run_cli(
            &["normalize", "--format", "import", "--request-bytes", &length.to_string()],
            input.as_bytes()
        )
        .out
        .events,
        whole
    );
}

#[test]
fn default_request_limits_apply() {
    let by_count =
        run_cli(&["normalize", "--format", "import"], format!("{}\n", record("x")).repeat(1001).as_bytes())
            .out
            .events();
    assert_eq!(by_count.iter().map(|request| events_in(request).len()).collect::<Vec<_>>(), [1000, 1]);
    let by_bytes = run_cli(
        &["normalize", "--format", "import"],
        format!("{}\n", record(&"x".repeat(10_000))).repeat(500).as_bytes(),
    )
    .out
    .events;
    let longest = by_bytes.split(|&byte| byte == b'\n').map(<[u8]>::len).max();
    assert!(longest.is_some_and(|longest| (1_980_000..=2_000_000).contains(&longest)), "{longest:?}");
}

#[test]
fn no_events_produce_no_request() {
    let ran = run_cli(&["normalize", "--format", "import"], b"");
    assert_eq!((ran.out.events.len(), ran.code), (0, 0));
}

fn events_in(request: &Value) -> Vec<Value> {
    match request.get("inlineSource") {
        Some(source) => {
            source["events"].as_array().expect("an array").iter().map(|event| event["udm"].clone()).collect()
        }
        None => request["events"].as_array().expect("the events are an array").clone(),
    }
}

#[test]
fn values_flag_selects_new_or_verbatim_values() {
    let detail =
        record("Change Role  - a@x.io: from User to Admin - Job Title: set to Boss - Type: from A to");
    let verbatim = &one(&["--values", "verbatim"], &detail)["target"]["user"];
    assert_eq!(verbatim["title"], "set to Boss");
    assert_eq!(
        verbatim["attribute"],
        json!({"roles": [{"name": "from User to Admin"}], "labels": [{"key": "Type", "value": "from A to"}]})
    );
    let new = &one(&["--values", "new"], &detail)["target"]["user"];
    assert_eq!(new["title"], "Boss");
    assert_eq!(new["attribute"], json!({"roles": [{"name": "Admin"}]}));
}

#[test]
fn default_time_applies_only_without_usable_time() {
    let input =
        format!("{{\"action\":\"a\"}}\n{{\"time\":\"soon\",\"action\":\"a\"}}\n{}\n", record("has one"));
    let times = |events: &[Value]| {
        events.iter().map(|event| event["metadata"]["eventTimestamp"].clone()).collect::<Vec<_>>()
    };
    let given = run_cli(&["normalize", "--default-time", "2020-02-29 12:00:00+0100"], input.as_bytes());
    assert_eq!(times(&given.out.events()), ["2020-02-29T11:00:00Z", "2020-02-29T11:00:00Z", TIME]);
    let now = zoom_udm()
        .args(["normalize", "--default-time", "now"])
        .env("ZOOM_UDM_NOW", "1600000000")
        .write_stdin(input)
        .output();
    assert_eq!(
        times(&json_lines(&now.expect("the program runs").stdout)),
        ["2020-09-13T12:26:40Z", "2020-09-13T12:26:40Z", TIME]
    );
}

#[test]
fn default_time_now_uses_the_clock() {
    let before = chrono::Utc::now();
    let event = one(&["--default-time", "now"], "{\"action\":\"a\"}");
    let time = event["metadata"]["eventTimestamp"]
        .as_str()
        .and_then(|time| time.parse::<chrono::DateTime<chrono::Utc>>().ok());
    assert!(time.is_some_and(|time| before <= time && time <= chrono::Utc::now()));
}

#[test]
fn invalid_default_time_is_a_usage_error() {
    let bad = run_cli(&["normalize", "--default-time", "soon"], b"");
    assert_eq!(bad.code, 2);
    assert!(bad.stderr.contains("--default-time is \"soon\"; expected a time like"), "{}", bad.stderr);
    zoom_udm().args(["normalize", "--default-time", "now"]).env("ZOOM_UDM_NOW", "x").assert().code(2);
}

#[test]
fn clip_cuts_to_udm_limits_at_char_boundaries() {
    let record =
        json!({"time": TIME, "action": "é".repeat(40), "operation_detail": format!("a{}", "é".repeat(600))})
            .to_string();
    let whole = one(&[], &record);
    let clipped = one(&["--clip"], &record);
    assert_eq!(whole["metadata"]["description"], format!("a{}", "é".repeat(600)));
    assert_eq!(clipped["metadata"]["description"], format!("a{}", "é".repeat(511)));
    assert_eq!(clipped["metadata"]["productEventType"], "é".repeat(32));
    let exact =
        json!({"time": TIME, "action": "x".repeat(64), "operation_detail": "y".repeat(1024)}).to_string();
    assert_eq!(one(&["--clip"], &exact), one(&[], &exact));
}

#[test]
fn namespace_is_set_on_each_noun_present() {
    let event = one(&["--namespace", "corp \"x\""], FULL);
    for noun in ["/principal", "/target", "/about/0"] {
        assert_eq!(event.pointer(noun).expect("the noun is present")["namespace"], "corp \"x\"");
    }
    let bare = one(&["--namespace", "corp"], &json!({"time": TIME, "action": "x"}).to_string());
    assert_eq!(bare.as_object().expect("the value is an object").keys().collect::<Vec<_>>(), ["metadata"]);
}

#[test]
fn labels_are_written_to_metadata_in_order() {
    let event = one(&["--label", "env=prod", "--label", "a=b=c"], FULL);
    let expected = json!([{"key": "env", "value": "prod"}, {"key": "a", "value": "b=c"}]);
    assert_eq!(event["metadata"]["ingestionLabels"], expected);
    for bad in ["novalue", "=v", "e="] {
        assert_eq!(run_cli(&["normalize", "--label", bad], b"").code, 2);
    }
}

#[test]
fn event_id_ignores_json_formatting() {
    let id =
        |record: &str| one(&["--event-id"], record)["metadata"]["productLogId"].as_str().map(str::to_owned);
    let first = id(r#"{"time":"2024-01-01T00:00:00Z","operator":"é/","other":1.50}"#);
    assert_eq!(first.as_ref().map(String::len), Some(64));
    assert_eq!(first, id(r#"{ "other" : 1.50, "operator":"\u00e9\/" , "time":"2024-01-01T00:00:00Z" }"#));
    assert_eq!(first, id(r#"{"time":"x","time":"2024-01-01T00:00:00Z","operator":"é/","other":1.50}"#));
    assert_eq!(first, id(r#"[{"time":"2024-01-01T00:00:00Z","operator":"é/","other":1.50}]"#));
    assert_eq!(
        first,
        id(
            "{\n\"operation_logs\":[\n{\"time\":\"2024-01-01T00:00:00Z\",\"operator\":\"é/\",\"other\":1.50}]}"
        )
    );
    assert_ne!(first, id(r#"{"time":"2024-01-01T00:00:00Z","operator":"é/","other":1.5}"#));
    assert_ne!(first, id(r#"{"time":"2024-01-01T00:00:00Z","operator":"é/"}"#));
    assert!(one(&[], FULL)["metadata"].get("productLogId").is_none());
}

/// One record of each kind.
const KINDS: [&str; 3] = [
    r#"{"time":"2024-01-31T23:59:59Z","action":"Add"}"#,
    r#"{"time":"2024-01-31T23:59:59Z","type":"Sign in","email":"a@x.io","ip_address":"192.0.2.8"}"#,
    r#"{"event":"user.updated","event_ts":1706745599000,"payload":{"account_id":"A","object":{"settings":{"inMeeting":true}}}}"#,
];

#[test]
fn summaries_count_events_by_kind() {
    let input = format!("{}\n{}\n{}\n{{\"code\":124}}\n", KINDS[0], KINDS[1].to_owned() + KINDS[1], KINDS[2]);
    let ran = run_cli(&["normalize", "--summary", "json", "--rejects", "REJECTS"], input.as_bytes());
    let summary: Value = serde_json::from_str(&ran.stderr).expect("stderr is JSON");
    assert_eq!(summary["events_by_kind"], json!({"operation": 1, "sign_in": 2, "webhook": 1}));
    assert_eq!(summary["rejects_by_reason"], json!({"unknown_record": 1}));
    let ran = run_cli(&["normalize", "--rejects", "REJECTS"], input.as_bytes());
    let kinds = "(operation 1, sign_in 2, webhook 1), 1 rejects (unknown_record 1)";
    assert!(ran.stderr.contains(kinds), "{}", ran.stderr);
    // With only operation logs the text names no kind.
    let ran = run_cli(&["normalize"], KINDS[0].as_bytes());
    assert!(ran.stderr.contains("1 events (GENERIC_EVENT 1), 0 rejects;"), "{}", ran.stderr);
}

#[test]
fn default_time_does_not_admit_unknown_records() {
    for record in
        [r#"{"code":124,"message":"x"}"#, r#"{"format":"zoom-udm-collect"}"#, "{}", r#"{"time":"x"}"#]
    {
        for flags in [&["normalize"][..], &["normalize", "--default-time", TIME]] {
            let ran = run_cli(&[flags, &["--rejects", "REJECTS"]].concat(), record.as_bytes());
            assert_eq!((ran.code, ran.out.events.len()), (1, 0), "{record}");
            assert_eq!(ran.out.rejects()[0]["reason"], "unknown_record", "{record}");
        }
    }
}

#[test]
fn options_apply_to_every_kind() {
    for record in KINDS {
        let spaced = record.replace("\":", "\" : ");
        let ids =
            [record, &spaced].map(|record| one(&["--event-id"], record)["metadata"]["productLogId"].clone());
        assert_eq!(ids[0].as_str().map(str::len), Some(64), "{record}");
        assert_eq!(ids[0], ids[1]);
        let event = one(&["--label", "a=b", "--namespace", "n"], record);
        assert_eq!(event["metadata"]["ingestionLabels"], json!([{"key": "a", "value": "b"}]));
        for noun in ["principal", "target"] {
            assert!(event.get(noun).is_none_or(|noun| noun["namespace"] == "n"), "{event}");
        }
    }
    let event = one(&["--case", "snake"], KINDS[1]);
    assert_eq!(event["principal"]["asset"]["ip"], json!(["192.0.2.8"]));
    assert_eq!(event["additional"], json!({"type": "Sign in"}));
    let event = one(&["--case", "snake"], KINDS[2]);
    assert_eq!(event["target"]["resource"]["product_object_id"], "A");
    assert_eq!(event["target"]["resource"]["attribute"]["labels"][0]["key"], "settings.inMeeting");
    let event = one(&["--format", "bigquery"], KINDS[1]);
    let fields = json!([{"key": "type", "value": {"string_value": "Sign in"}}]);
    assert_eq!(event["additional"]["fields"], fields);
    let request = one(&["--format", "import"], &KINDS.join("\n"));
    assert_eq!(request["inlineSource"]["events"].as_array().map(Vec::len), Some(3));
    let long = KINDS[1]
        .replace("Sign in", &"s".repeat(70))
        .replace("\"ip_address\":\"192.0.2.8\"", &format!("\"version\":\"{}\"", "1".repeat(40)));
    let clipped = one(&["--clip"], &long);
    assert_eq!(clipped["metadata"]["productEventType"], "s".repeat(64));
    assert_eq!(clipped["metadata"]["productVersion"], "1".repeat(32));
    let long = KINDS[2]
        .replace("user.updated", &"u".repeat(70))
        .replace("\"settings\"", &format!("\"version\":\"{}\",\"settings\"", "1".repeat(40)));
    let clipped = one(&["--clip"], &long);
    assert_eq!(clipped["metadata"]["productEventType"], "u".repeat(64));
    assert_eq!(clipped["metadata"]["productVersion"], "1".repeat(32));
}

#[test]
fn json_summary_totals_are_consistent() {
    let input = format!(
        "{FULL}\n5\n{{\"action\":1}}\n{{\n{}\n[{{\"time\":\"{TIME}\",\"event_type\":\"x\",\"category_type\":0,\"action\":{{}}}}]\n\n",
        record("x [{},5]")
    );
    let ran = run_cli(&["normalize", "--summary", "json", "--rejects", "REJECTS"], input.as_bytes());
    let summary: Value = serde_json::from_str(&ran.stderr).expect("stderr is JSON");
    let total = |name: &str| {
        summary[name]
            .as_object()
            .expect("the value is an object")
            .values()
            .map(|count| count.as_u64().expect("the count is a number"))
            .sum::<u64>()
    };
    assert_eq!(
        (&summary["records"], &summary["events"], &summary["rejects"]),
        (&json!(6), &json!(3), &json!(3))
    );
    assert_eq!((total("events_by_type"), total("rejects_by_reason")), (3, 3));
    assert_eq!(summary["events_by_type"], json!({"USER_UNCATEGORIZED": 2, "GENERIC_EVENT": 1}));
    assert_eq!(summary["rejects_by_reason"], json!({"not_object": 1, "no_time": 1, "not_json": 1}));
    assert_eq!(summary["notes"], json!({"event_type_unknown": 1, "field_not_text": 1, "json_skipped": 1}));
    assert_eq!(
        (&summary["bytes_in"], &summary["bytes_out"]),
        (&json!(input.len()), &json!(ran.out.events.len()))
    );
    assert_eq!((&summary["failures"], &summary["stopped"]), (&json!([]), &json!(false)));
    assert!(summary["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
}

#[test]
fn summary_is_text_by_default_and_can_be_disabled() {
    let human = run_cli(&["normalize"], FULL.as_bytes()).stderr;
    assert!(human.contains("1 record") && human.contains("USER_UNCATEGORIZED"), "{human}");
    assert_eq!(run_cli(&["normalize", "--summary", "none"], FULL.as_bytes()).stderr, "");
}

#[test]
fn input_format_can_be_forced() {
    let pretty = format!("{:#}", json_lines(FULL.as_bytes())[0]);
    assert_eq!(run_cli(&["normalize", "--input-format", "auto"], pretty.as_bytes()).out.events().len(), 1);
    assert_eq!(run_cli(&["normalize", "--input-format", "json"], pretty.as_bytes()).out.events().len(), 1);
    let lines =
        run_cli(&["normalize", "--input-format", "ndjson", "--rejects", "REJECTS"], pretty.as_bytes());
    assert_eq!((lines.out.events().len(), lines.code), (0, 1));
    let values = format!("{} {}\n{}", record("a"), record("b"), record("c"));
    assert_eq!(run_cli(&["normalize", "--input-format", "json"], values.as_bytes()).out.events().len(), 3);
}

#[test]
fn inputs_are_read_in_argument_order() {
    let gz = gzip(record("b").as_bytes());
    let (a, c) = (record("a"), record("c"));
    let files = directory(&[("x/a.json", a.as_bytes()), ("x/b.json", &gz), ("y.ndjson", c.as_bytes())]);
    let path = |name: &str| text(&files.path().join(name)).to_owned();
    let read = |arguments: &[&str]| {
        let ran = run_cli(&[&["normalize"], arguments].concat(), record("in").as_bytes());
        descriptions(&ran.out.events()).iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(read(&[&path("x/*.json")]), ["a", "b"]);
    assert_eq!(read(&[&path("y.ndjson"), "-", &path("x")]), ["c", "in", "a", "b"]);
    assert_eq!(read(&[&path("**/*.json")]), ["a", "b"]);
    assert_eq!(read(&["-"]), ["in"]);
    assert_eq!(read(&[]), ["in"]);
}

#[test]
fn glob_reads_each_file_once_and_hidden_only_if_named() {
    let names = ["x", "a/y", "a/b/z", ".f", ".h/q", "a/.g"];
    // In directories, files are selected by name. A file that matches a glob is read whatever its name is.
    let names = [&names[..], &["a/b/w.json", ".h/w.json"]].concat();
    let records: Vec<_> = names.iter().map(|name| (*name, record(name))).collect();
    let files: Vec<_> = records.iter().map(|(name, record)| (*name, record.as_bytes())).collect();
    let files = directory(&files);
    for (glob, expected) in [
        ("**/*", &["a/b/w.json", "a/b/z", "a/y", "x"][..]),
        ("**", &["a/b/w.json", "a/b/z", "a/y", "x"]),
        ("**/", &["a/b/w.json"]),
        ("**/**/", &["a/b/w.json"]),
        ("**/**/[yz]", &["a/b/z", "a/y"]),
        ("*", &["a/b/w.json", "x"]),
        ("*/", &["a/b/w.json"]),
        ("*/?", &["a/b/w.json", "a/y"]),
        ("a/*/z", &["a/b/z"]),
        ("[!a]", &["x"]),
        (".*", &[".f", ".h/w.json"]),
        (".h/*", &[".h/q", ".h/w.json"]),
        ("**/.g", &["a/.g"]),
    ] {
        let ran = run_cli(&["normalize", &format!("{}/{glob}", text(files.path()))], b"");
        assert_eq!(
            (descriptions(&ran.out.events()), ran.code),
            (expected.to_vec(), 0),
            "{glob}: {}",
            ran.stderr
        );
        let below = zoom_udm().current_dir(files.path()).args(["normalize", glob]).output().expect("it runs");
        assert_eq!(descriptions(&json_lines(&below.stdout)), expected, "{glob}");
    }
}

/// Reads a directory with files of many names. Returns the descriptions of the events, and stderr.
fn walked(flags: &[&str]) -> (Vec<String>, String) {
    let names =
        ["a.json", "b.NDJSON", "c.jsonl.gz", "d.log", "d/e.json", "f.txt", "g", "h.tar.gz", "i.json.bak"];
    let records: Vec<_> = names.iter().map(|name| (*name, record(name))).collect();
    let files: Vec<_> = records.iter().map(|(name, record)| (*name, record.as_bytes())).collect();
    let files = directory(&files);
    let mut read = Vec::new();
    let mut said = String::new();
    for verb in [&["normalize"][..], &["explain", "--format", "json"]] {
        let output =
            zoom_udm().current_dir(files.path()).args(verb).args(flags).arg(".").output().expect("it runs");
        assert_eq!(output.status.code(), Some(0));
        let out = String::from_utf8(output.stdout).expect("valid UTF-8");
        let is_read = |name: &&str| out.contains(&format!("\"description\":\"{name}\""));
        read.push(names.into_iter().filter(is_read).map(str::to_owned).collect::<Vec<_>>());
        said = String::from_utf8(output.stderr).expect("valid UTF-8");
    }
    assert_eq!(read[0], read[1], "explain and normalize read the same files");
    (read.remove(0), said)
}

#[test]
fn directory_yields_files_selected_by_name() {
    let (read, said) = walked(&[]);
    assert_eq!(read, ["a.json", "b.NDJSON", "c.jsonl.gz", "d.log", "d/e.json"]);
    assert!(said.contains(".: skipped 4 files") && said.contains("--include '**'"), "{said}");
    assert_eq!(walked(&["--include", "*.txt", "--include", "g"]).0, ["f.txt", "g"]);
    assert_eq!(walked(&["--include", "**"]).0.len(), 9);
    assert_eq!(walked(&["--exclude", "d/**", "--exclude", "*.gz"]).0, ["a.json", "b.NDJSON", "d.log"]);
    let bad = run_cli(&["normalize", "--include", "a[", "."], b"");
    assert!(bad.code == 2 && bad.stderr.contains("invalid glob"), "{}", bad.stderr);
}

#[test]
fn directory_without_input_is_a_warning() {
    let files = directory(&[("other/README.md", b"# no log"), ("empty/.hidden.json", b"{}")]);
    for (name, said) in [("empty", "no input files found"), ("other", "none of its 1 files matches")] {
        for verb in ["normalize", "explain"] {
            let ran = run_cli(&[verb, text(&files.path().join(name))], b"");
            assert_eq!((ran.code, ran.out.events.len()), (0, 0));
            assert!(ran.stderr.contains(said), "{}", ran.stderr);
        }
    }
}

#[test]
fn explain_reads_several_inputs_in_order() {
    let [a, b] = ["a", "b"].map(record);
    let files = directory(&[("x", a.as_bytes()), ("y/b.json", b.as_bytes())]);
    let [x, y] = ["x", "y"].map(|name| files.path().join(name));
    let told = run_cli(&["explain", "--format", "json", text(&y), "-", text(&x)], record("in").as_bytes());
    let events: Vec<Value> = told.out.events().iter().map(|told| told["event"].clone()).collect();
    assert_eq!((descriptions(&events), told.code), (vec!["b", "in", "a"], 0));
}

#[test]
fn glob_without_matches_is_reported() {
    let files = directory(&[]);
    let none = run_cli(&["normalize", text(&files.path().join("*.json"))], b"");
    assert_eq!(none.code, 3);
    assert!(none.stderr.contains("no file matches"), "{}", none.stderr);
}

#[test]
fn file_named_like_a_glob_is_read() {
    let file = record("it");
    let files = directory(&[("a[1].json", file.as_bytes())]);
    assert_eq!(run_cli(&["normalize", text(&files.path().join("a[1].json"))], b"").out.events().len(), 1);
}

#[test]
fn every_exit_code_has_a_case() {
    for (arguments, input, code) in [
        (&["normalize"][..], FULL, 0),
        (&["normalize"], "5", 1),
        (&["normalize", "--threads", "0"], "", 2),
        (&["normalize", "--nonsense"], "", 2),
        (&["normalize", "--max-line-bytes", "0"], "", 2),
        (&["normalize", "--from-rejects", "x", "y"], "", 2),
        (&["nonsense"], "", 2),
        (&[], "", 2),
        (&["normalize", "no/such/file"], "", 3),
        (&["normalize", "--from-rejects", "no/such/file"], "", 3),
        (&["normalize", "-o", "no/such/directory/file"], FULL, 3),
        (&["normalize", "--rejects", "no/such/directory/file"], FULL, 3),
    ] {
        assert_eq!(run_cli(arguments, input.as_bytes()).code, code, "{arguments:?}");
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run_cli(&["completions", shell], b"");
        assert_eq!(script.code, 0);
        assert!(String::from_utf8_lossy(&script.out.events).contains("from-rejects"), "{shell}");
    }
}

#[test]
fn bash_completes_the_flags_of_each_command() {
    let script = String::from_utf8(run_cli(&["completions", "bash"], b"").out.events).expect("valid UTF-8");
    let offered = |words: &[&str]| {
        let [before, word] = [words[words.len() - 2], words[words.len() - 1]];
        let line = format!(
            "{script}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_zoom__udm zoom-udm '{word}' '{before}'\necho \"${{COMPREPLY[*]}}\"",
            words.join(" "),
            words.len() - 1
        );
        let output = std::process::Command::new("bash").args(["--norc", "-c", &line]).output();
        String::from_utf8(output.expect("bash is installed").stdout).expect("valid UTF-8").trim().to_owned()
    };
    assert_eq!(offered(&["zoom-udm", "norm"]), "normalize");
    assert_eq!(offered(&["zoom-udm", "normalize", "--st"]), "--strict");
    assert_eq!(offered(&["zoom-udm", "collect", "backfill", "--unt"]), "--until");
    assert_eq!(offered(&["zoom-udm", "gen"]), "");
}

#[test]
fn help_lists_the_exit_codes() {
    let all = String::from_utf8(run_cli(&["--help"], b"").out.events).expect("valid UTF-8");
    assert!(all.contains("Exit codes"), "{all}");
}

#[test]
fn flags_without_effect_are_rejected() {
    for (flags, message) in [
        (&["--namespace="][..], "--namespace"),
        (&["--format", "batch-create", "--customer-id="], "--customer-id"),
        (&["--customer-id", "c"], "--customer-id requires --format batch-create; "),
        (&["--customer-id", "c", "--format", "import"], "--customer-id requires --format batch-create"),
        (&["--request-events", "5"], "--request-events requires --format import or batch-create; "),
        (
            &["--request-bytes", "2000000", "--format", "bigquery"],
            "--request-bytes requires --format import or batch-create",
        ),
    ] {
        let refused = run_cli(&[&["normalize"], flags].concat(), FULL.as_bytes());
        assert_eq!((refused.code, refused.out.events.len()), (2, 0), "{flags:?}");
        assert!(refused.stderr.contains(message), "{flags:?}: {}", refused.stderr);
    }
    assert_eq!(run_cli(&["explain", "--namespace", ""], b"").code, 2);
}

#[test]
#[cfg(feature = "cloud")]
fn invalid_flag_values_name_what_was_expected() {
    for (arguments, message) in [
        (&["normalize", "--threads", "0"][..], "'0' for '--threads <N>': expected a number from 1 to 256"),
        (&["normalize", "--threads", "257"], "expected a number from 1 to 256"),
        (&["ingest", "in", "--to", "out", "--concurrency", "0"], "expected a number of at least 1"),
        (&["ingest", "in", "--to", "out", "--every", "5s"], "--follow"),
        (
            &["ingest", "in", "--to", "out", "--follow", "--every", "0s"],
            "expected a duration greater than zero",
        ),
        (
            &["ingest", "in", "--to", "out", "--max-age", "9"],
            "'9' for '--max-age <AGE>': expected a number and a unit",
        ),
        (&["ingest", "in", "--to", "out", "--lease", "25h"], "expected at most one day"),
        (&["ingest", "in", "--to", "out", "--shard", "2/2"], "expected I/N with I from 0 to N-1"),
        (&["serve", "--max-connections", "0"], "expected a number of at least 1"),
        (&["collect", "--max-rate", "0"], "expected a number of at least 1"),
        (&["serve", "--concurrency", "-"], "expected a number of at least 1"),
        (&["serve", "--max-body", "0"], "0 is not in 1.."),
        (&["serve", "--idle-timeout", "0s"], "expected a duration greater than zero"),
        (&["serve", "--require-oidc", "", "--allow", "a@b"], "--require-oidc"),
        (&["serve", "--require-oidc", "a", "--allow", ""], "--allow"),
    ] {
        let refused = run_cli(arguments, b"");
        assert_eq!(refused.code, 2, "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(message), "{arguments:?}: {}", refused.stderr);
    }
    for verb in [&["serve"][..], &["ingest", "in", "--to", "out"]] {
        let refused = zoom_udm().args(verb).env("ZOOM_UDM_LOG", "inof").assert().code(2);
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains("ZOOM_UDM_LOG is \"inof\"; expected off, error, warn"), "{said}");
    }
}

#[test]
fn url_given_as_a_file_gets_a_hint() {
    for (address, told) in
        [("gs://b/x", "use zoom-udm ingest"), ("file:///x", "without file://"), ("x/y", "file not found")]
    {
        let ran = run_cli(&["normalize", address], b"");
        assert!(ran.code == 3 && ran.stderr.contains(told), "{}", ran.stderr);
    }
}

#[test]
fn unsupported_input_format_is_named() {
    for (start, name) in [
        (&b"\xFF\xFEt\0"[..], "UTF-16"),
        (b"\x28\xB5\x2F\xFD\x04", "zstd"),
        (b"\xFD7zXZ\0\x00\xFF", "xz"),
        (b"BZh91AY&SY\xFF", "bzip2"),
        (b"PK\x03\x04\x14\xFF", "zip"),
    ] {
        let ran = run_cli(&["normalize"], start);
        assert!(ran.code == 3 && ran.stderr.contains(&format!("this looks like {name}")), "{}", ran.stderr);
    }
    let error = run_cli(&["normalize"], br#"{"code":124,"message":"Invalid access token."}"#);
    assert!(
        error.stderr.contains("not a record of Zoom: found the keys code, message;")
            && !error.stderr.contains("--default-time"),
        "{}",
        error.stderr
    );
}

#[test]
fn error_is_printed_once() {
    let full = run_cli(&["normalize", "--rejects", "/dev/full"], b"5\n");
    assert_eq!(full.code, 3);
    assert_eq!(full.stderr.matches("No space left").count(), 1, "{}", full.stderr);
}

#[test]
fn file_name_with_newline_stays_on_one_line() {
    let files = directory(&[("a\nzoom-udm: all is well", b"5\n")]);
    let name = files.path().join("a\nzoom-udm: all is well");
    let missing = files.path().join("b\nzoom-udm: all is well");
    for name in [name, missing] {
        let said = run_cli(&["normalize", "--summary", "none", text(&name)], b"").stderr;
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn cli_docs_name_every_normalize_flag() {
    let docs =
        std::fs::read_to_string(testkit::files::root().join("docs/cli.md")).expect("docs/cli.md exists");
    let help = String::from_utf8(run_cli(&["normalize", "--help"], b"").out.events).expect("valid UTF-8");
    let flags = regex::Regex::new(r"(?m)^\s+(?:-\w, )?(--[a-z-]+)").expect("the pattern is valid");
    for flag in flags.captures_iter(&help).map(|found| found[1].to_owned()).filter(|flag| flag != "--help") {
        assert!(docs.contains(&format!("`{flag}")), "{flag} is not in docs/cli.md");
    }
}

#[test]
fn readme_example_matches_real_output() {
    let readme = std::fs::read_to_string(testkit::files::root().join("README.md")).expect("the file exists");
    let shown = regex::Regex::new(r#"(?s)<pre lang="json">(.*?)</pre>"#).expect("the pattern is valid");
    let shown: Vec<&str> =
        shown.captures_iter(&readme).filter_map(|found| found.get(1)).map(|json| json.as_str()).collect();
    let [record, event] = shown[..] else { unreachable!("one record and one event are shown") };
    let event: Value = serde_json::from_str(event).expect("valid JSON");
    assert_eq!(one(&[], record), event);
}

#[test]
fn readme_first_command_converts_every_record() {
    let records = testkit::files::root().join("fixtures/real/records.ndjson");
    let first = run_cli(&["normalize", text(&records)], b"");
    let lines = std::fs::read_to_string(&records).expect("the file exists").lines().count();
    assert_eq!((first.code, first.out.events().len(), lines), (0, 35, 35));
}
