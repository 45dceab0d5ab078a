//! Tests of Zoom's CSV export of operation logs.

use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::files::{directory, gzip, text};
use testkit::normalize::{TIME, descriptions, raw, run_chunked, run_cli};
use zoom_udm::normalize::{Format, Options};
use zoom_udm::record::Field;
use zoom_udm::timestamp::Timestamp;

const HEADER: &str = "Time,Operator,Category,Action,Operation Detail";

/// Returns an export with one row per detail.
fn export(details: &[&str]) -> String {
    let rows: Vec<_> =
        details.iter().map(|detail| format!("{TIME},o@x.com,User,Update,{detail}\n")).collect();
    format!("{HEADER}\n{}", rows.concat())
}

/// Returns the events of records with these details.
fn events_of(details: &[&str]) -> Vec<u8> {
    let record = |detail: &&str| {
        json!({
            "time": TIME, "operator": "o@x.com", "category_type": "User", "action": "Update", "operation_detail": detail,
        })
    };
    let lines: Vec<_> = details.iter().map(|detail| record(detail).to_string() + "\n").collect();
    run_cli(&["normalize"], lines.concat().as_bytes()).out.events
}

#[test]
fn csv_rows_produce_the_events_of_their_records() {
    let details =
        ["Add User a@b.example ", "", "x, y", "he said \"no\"", "two\nlines", "\u{e9}\u{1f600}\\ \t"];
    let rows =
        ["Add User a@b.example ", "", "\"x, y\"", "\"he said \"\"no\"\"\"", "\"two\nlines\"", details[5]];
    let input = export(&rows);
    for input in [
        input.clone(),
        format!("\u{feff}{input}"),
        format!("\n\r\n{input}\n\n"),
        input.trim_end_matches('\n').to_owned(),
    ] {
        for format in ["auto", "csv"] {
            for bytes in [input.clone().into_bytes(), gzip(input.as_bytes())] {
                let ran = run_cli(&["normalize", "--input-format", format], &bytes);
                assert_eq!(
                    (ran.code, ran.stderr.contains("rejected")),
                    (0, false),
                    "{input:?}: {}",
                    ran.stderr
                );
                assert!(ran.out.events == events_of(&details), "{input:?}");
            }
        }
    }
    let many: Vec<String> = (0..500).map(|number| format!("Add User a{number}@b.example ")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (details, end) in [(&["a", "b"][..], "\r\n"), (&["a", "b"], "\r"), (&many, "\r")] {
        let ran = run_cli(&["normalize"], export(details).replace('\n', end).as_bytes());
        assert!(ran.out.events == events_of(details) && ran.code == 0, "{end:?}: {}", ran.stderr);
    }
}

#[test]
fn header_is_found_in_any_case_and_order() {
    for (header, row) in [
        ("time,admin,category,action,operation detail", "T,o@x.com,User,Update,d"),
        (
            "\"TIME\",\"Admin\",\"Category Type\",\"Action Type\",\"Operation Details\"",
            "\"T\",\"o@x.com\",\"User\",\"Update\",\"d\"",
        ),
        ("operation_detail, Action ,category_type,Operator,Time", "d,Update,User,o@x.com,T"),
        ("No,Time,IP,Operator,Category,Action,Operation Detail,", "1,T,::1,o@x.com,User,Update,d,"),
    ] {
        let ran = run_cli(&["normalize"], format!("{header}\n{}\n", row.replace('T', TIME)).as_bytes());
        assert!(ran.out.events == events_of(&["d"]) && ran.code == 0, "{header}: {}", ran.stderr);
    }
    assert_eq!(run_cli(&["normalize"], HEADER.as_bytes()).code, 0);
    assert_eq!(run_cli(&["normalize", "--input-format", "csv"], b"").code, 0);
}

#[test]
fn unrelated_csv_is_one_error_naming_the_columns() {
    for (table, missing) in [
        ("Name,Email,Department\nA,a@b.c,IT\nB,b@b.c,HR\n", "time, or operator, or category"),
        ("Time,Operator,Category,Action\n1,2,3,4\n", "is called operation detail;"),
    ] {
        let files = directory(&[("a.csv", table.as_bytes()), ("b.csv", export(&["b"]).as_bytes())]);
        let ran = run_cli(&["normalize", "--rejects", "REJECTS", text(files.path())], b"");
        assert_eq!((descriptions(&ran.out.events()), ran.out.rejects.len(), ran.code), (vec!["b"], 0, 3));
        assert_eq!(ran.stderr.matches("CSV, but not Zoom's export").count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(missing), "{}", ran.stderr);
    }
    let forced = run_cli(&["normalize", "--input-format", "csv"], b"{}\n{}\n");
    assert!(forced.code == 3 && forced.stderr.contains("CSV, but not"), "{}", forced.stderr);
    // Lines that do not form a table are rejected individually, and records after them are read.
    let record = testkit::normalize::record("x");
    for lines in
        [format!("a, b, c\n{record}\n"), format!("a, b, c\nd, e, f\n{record}\n"), format!("one\n{record}\n")]
    {
        let lines = run_cli(&["normalize"], lines.as_bytes());
        assert_eq!((lines.out.events().len(), lines.code), (1, 1), "{}", lines.stderr);
    }
}

/// Returns the rejects of an export, and asserts their positions and that replaying them produces the same rejects.
fn rejected(input: &[u8], flags: &[&str]) -> Vec<Value> {
    let files = directory(&[("in.csv", input)]);
    let [input_file, first, second] = ["in.csv", "first", "second"].map(|name| files.path().join(name));
    let normalize = |arguments: &[&str]| {
        run_cli(&[&["normalize"], arguments, flags].concat(), b"");
    };
    normalize(&[text(&input_file), "--rejects", text(&first)]);
    normalize(&["--from-rejects", text(&first), "--rejects", text(&second)]);
    let [first, second] = [first, second].map(|file| std::fs::read_to_string(file).expect("the file exists"));
    assert_eq!(first, second);
    let rejects = testkit::normalize::json_lines(first.as_bytes());
    for reject in &rejects {
        let offset = usize::try_from(reject["offset"].as_u64().expect("a number")).expect("fits usize");
        assert!(input[offset..].starts_with(&raw(reject)), "{reject}");
        assert_eq!(reject["line"], 1 + testkit::files::line_ends(&input[..offset]), "{reject}");
        assert_eq!(reject["header"], HEADER);
    }
    rejects
}

#[test]
fn rejected_rows_keep_position_bytes_and_header() {
    let long = "x".repeat(3000);
    let rows = [
        "soon,o,c,a,\"two\nlines\"\n",
        "01/30/2024 10:00:00 AM,o,c,a,d\r\n",
        "\n",
        &format!("{TIME},o,c,a,good\n"),
        &format!("{TIME},o,c,a\n"),
        &format!("{TIME},o,c,a,b,c\n"),
        &format!("{TIME},o,c,a,{long}\n"),
        &format!("{TIME},o,c,a,\"not closed\n\n"),
    ];
    let mut input = format!("{HEADER}\n{}", rows[..6].concat()).into_bytes();
    input.extend_from_slice(b"2024-01-31T00:00:00Z,o,c,a,caf\xe9\n");
    input.extend_from_slice(rows[6..].concat().as_bytes());
    let rejects = rejected(&input, &["--max-line-bytes", "1000"]);
    let reasons: Vec<_> =
        rejects.iter().map(|reject| reject["reason"].as_str().expect("the field is a string")).collect();
    assert_eq!(
        reasons,
        ["no_time", "no_time", "not_object", "not_object", "not_utf8", "line_too_long", "not_object"]
    );
    assert_eq!(raw(&rejects[0]), b"soon,o,c,a,\"two\nlines\"");
    assert_eq!(raw(&rejects[1]), b"01/30/2024 10:00:00 AM,o,c,a,d");
    assert!(rejects[2]["message"].as_str().expect("the field is a string").contains("4 fields, expected 5"));
    assert_eq!(raw(&rejects[5]), rows[6].trim_end().as_bytes());
    assert_eq!(raw(&rejects[6]), rows[7].as_bytes());
}

#[test]
fn fixed_rejected_row_replays_to_its_event() {
    let files = directory(&[("in", export(&[]).as_bytes())]);
    let path = |name: &str| files.path().join(name);
    std::fs::write(path("in"), format!("{HEADER}\nsoon,o@x.com,User,Update,\"d, e\"\n"))
        .expect("the file is writable");
    assert_eq!(run_cli(&["normalize", text(&path("in")), "--rejects", text(&path("r"))], b"").code, 1);
    let late = run_cli(&["normalize", "--from-rejects", text(&path("r")), "--default-time", TIME], b"");
    assert_eq!((late.code, late.out.events == events_of(&["d, e"])), (0, true), "{}", late.stderr);
    let fixed = std::fs::read_to_string(path("r"))
        .expect("the file exists")
        .replace("\"raw\":\"soon", &format!("\"raw\":\"{TIME}"));
    std::fs::write(path("r"), fixed).expect("the file is writable");
    let fixed = run_cli(&["normalize", "--from-rejects", text(&path("r"))], b"");
    assert_eq!((fixed.code, fixed.out.events == events_of(&["d, e"])), (0, true), "{}", fixed.stderr);
}

#[test]
fn explain_shows_rows_as_their_records() {
    let input = export(&["Add User a@b.example "]) + "soon,o,c,a,d\n";
    let told = run_cli(&["explain", "--format", "json"], input.as_bytes());
    let told = told.out.events();
    let record: Value =
        serde_json::from_str(told[0]["record"].as_str().expect("a string")).expect("valid JSON");
    assert_eq!((&record["operation_detail"], &told[0]["line"]), (&json!("Add User a@b.example "), &json!(2)));
    assert_eq!(told[0]["event"]["target"]["user"]["emailAddresses"][0], "a@b.example");
    assert_eq!((&told[1]["record"], &told[1]["header"]), (&json!("soon,o,c,a,d"), &json!(HEADER)));
    assert_eq!(told[1]["reject"]["reason"], "no_time");
}

#[cfg(feature = "cloud")]
#[test]
fn ingest_reads_csv_exports_and_quarantines_others() {
    let packed = gzip(export(&["b"]).as_bytes());
    let other = b"Name,Email,Department\nA,a@b.c,IT\n";
    let files = directory(&[
        ("in/a.csv", export(&["a"]).as_bytes()),
        ("in/b.csv.gz", &packed),
        ("in/other.csv", other),
        ("in/noise.bin", &[&[0; 99][..], b"\n"].concat()),
    ]);
    let [from, to] = ["in", "out"].map(|name| files.path().join(name));
    let ran = run_cli(
        &["ingest", text(&from), "--to", text(&to), "--max-age", "none", "--delete", "transferred"],
        b"",
    );
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("CSV, but not Zoom") && ran.stderr.contains("not text: "), "{}", ran.stderr);
    assert_eq!(testkit::files::list_files(&to, "gz").len(), 2);
    let left = [
        testkit::files::list_files(&from, "csv"),
        testkit::files::list_files(&from, "bin"),
        testkit::files::list_files(&from, "gz"),
    ]
    .concat();
    assert_eq!(left.len(), 2, "files that are not logs are kept: {left:?}");
}

/// Returns the rows that the `csv` crate reads, each as a JSON line, or `None` if it does not have five fields.
fn by_another_reader(input: &[u8]) -> Vec<Option<String>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let names = [Field::Time, Field::Operator, Field::CategoryType, Field::Action, Field::OperationDetail];
    let record = |row: csv::StringRecord| {
        let members = names.iter().map(|field| field.name().to_owned()).zip(row.iter().map(Value::from));
        (row.len() == 5).then(|| Value::Object(members.collect()).to_string())
    };
    reader.records().map(|row| record(row.expect("valid UTF-8"))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn csv_rows_match_another_parser(
        rows in proptest::collection::vec(proptest::array::uniform5("[a-z\",\r\n \u{e9}]{0,12}"), 0..12),
        crlf in any::<bool>(), piece in 1..40_usize, threads in 1..4_usize,
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
        writer.write_record(HEADER.split(',')).expect("writing to memory cannot fail");
        for row in &rows {
            writer.write_record(row).expect("writing to memory cannot fail");
        }
        let input = writer.into_inner().expect("writing to memory cannot fail");
        let options = Options { default_time: Timestamp::parse(TIME), ..Options::default() };
        let lines: Vec<_> = by_another_reader(&input).into_iter().map(|row| row.expect("the row has five fields") + "\n").collect();
        prop_assert_eq!(lines.len(), rows.len());
        let (expected, of_lines) = run_chunked("in", lines.concat().as_bytes(), usize::MAX, 1, &options);
        let (out, summary) = run_chunked("in", &input, piece, threads, &options);
        // A row of empty fields is not a record of Zoom, in either form.
        prop_assert_eq!((summary.failures.len(), summary.rejects), (0, of_lines.rejects));
        prop_assert!(out.events == expected.events);
    }

    #[test]
    fn csv_output_is_independent_of_chunk_sizes(
        text in "[a,\"\r\n]{0,200}", piece in 1..60_usize, max in 1..60_usize, threads in 1..4_usize,
    ) {
        let input = format!("{HEADER}\n{text}").into_bytes();
        let options = Options {
            default_time: Timestamp::parse(TIME), format: Format::Csv, max_line_bytes: max, ..Options::default()
        };
        let (whole, summary) = run_chunked("in", &input, usize::MAX, 1, &options);
        let (pieces, _) = run_chunked("in", &input, piece, threads, &options);
        prop_assert_eq!(&whole, &pieces);
        let others = by_another_reader(&input);
        prop_assert_eq!(summary.records, others.len() as u64);
        for reject in whole.rejects() {
            let offset = usize::try_from(reject["offset"].as_u64().expect("a number")).expect("fits usize");
            prop_assert!(input[offset..].starts_with(&raw(&reject)), "{}", reject);
            prop_assert_eq!(&reject["line"], &json!(1 + testkit::files::line_ends(&input[..offset])));
        }
        // With a limit that no row exceeds, the only rejects are rows with another number of fields, rows that are rejected
        // as JSON too (such as rows of empty fields), and possibly an unclosed last one.
        let wide = Options { max_line_bytes: 1000, ..options };
        let (_, summary) = run_chunked("in", &input, piece, threads, &wide);
        let lines: Vec<_> = others.iter().flatten().map(|row| format!("{row}\n")).collect();
        let wide = Options { format: Format::Ndjson, ..wide };
        let (_, of_lines) = run_chunked("in", lines.concat().as_bytes(), usize::MAX, 1, &wide);
        let expected = of_lines.rejects + (others.len() - lines.len()) as u64;
        prop_assert!((expected..=expected + 1).contains(&summary.rejects), "{} rejects, {expected} expected", summary.rejects);
    }
}
