//! Tests that the same input produces the same bytes for any number of threads, from a file, a pipe or gzip, and for
//! any read size, and that nothing panics or is lost.

use proptest::prelude::*;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use testdata::Kind;
use testkit::files::{directory, gzip, line_ends, text};
use testkit::normalize::{Out, run_chunked, run_cli};
use zoom_udm::normalize::{self, Format, Input, Options, Reject, RejectWriter, Sink, Summary};

/// The numbers of bytes per read.
const PIECES: [usize; 5] = [1, 7, 100, 4096, usize::MAX];

/// Returns generated lines.
fn lines(kind: Kind, records: u64, seed: u64) -> Vec<u8> {
    let mut out = Vec::new();
    testdata::write(kind, records, seed, &mut out).expect("writing to memory cannot fail");
    out
}

#[test]
fn same_seed_generates_the_same_records() {
    for kind in [Kind::Realistic, Kind::Plain, Kind::Escaped, Kind::SignIns, Kind::Webhooks, Kind::Hostile] {
        let found = lines(kind, 100, 1);
        assert_eq!(line_ends(&found), 100, "{kind:?}");
        assert_eq!(found, lines(kind, 100, 1), "{kind:?}");
        assert_ne!(found, lines(kind, 100, 2), "{kind:?}");
    }
}

/// Returns a page, an array or separate records, pretty-printed.
fn pretty(seed: u64, records: u64, form: u8) -> Vec<u8> {
    let records = testkit::normalize::json_lines(&lines(Kind::Realistic, records, seed));
    let value = match form % 3 {
        0 => json!({"from": "2024-01-01", "page_size": 30, "operation_logs": records, "to": "2024-01-31"}),
        1 => Value::Array(records),
        _ => return records.iter().flat_map(|record| format!("{record:#}\n").into_bytes()).collect(),
    };
    format!("{value:#}\n").into_bytes()
}

/// Generates inputs of all kinds, complete and truncated.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        3 => (any::<u64>(), 0..20_u64).prop_map(|(seed, records)| lines(Kind::Hostile, records, seed)),
        2 => (any::<u64>(), 0..6_u64, any::<u8>()).prop_map(|(seed, records, form)| pretty(seed, records, form)),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => "[\\[\\]{},:\"a-z0-9 \r\n\\\\-]{0,60}".prop_map(String::into_bytes),
        1 => Just(b"{\n".to_vec()),
        1 => Just("\u{feff}".into()),
        1 => "(a,b,c,d,e\r?\n|\"a\",\"b\"\"\n\",,c,\"d\"\n|a,b,\"){0,6}".prop_map(|rows| {
            format!("Time,Admin,Category,Action,Operation Detail\n{rows}").into_bytes()
        }),
    ];
    // A part may be truncated anywhere.
    let cut = (part, 0..3_u8, any::<prop::sample::Index>()).prop_map(|(mut part, cut, end)| {
        if cut == 0 {
            part.truncate(end.index(part.len() + 1));
        }
        part
    });
    proptest::collection::vec(cut, 0..4).prop_map(|parts| parts.concat())
}

fn formats() -> impl Strategy<Value = Format> {
    prop_oneof![3 => Just(Format::Auto), 1 => Just(Format::Ndjson), 1 => Just(Format::Json), 1 => Just(Format::Csv)]
}

/// Normalizes an input on one thread, reading it at once.
fn run_single_threaded(input: &[u8], options: &Options) -> (Out, Summary) {
    run_chunked("in", input, usize::MAX, 1, options)
}

/// Asserts that every reject contains the bytes at its position, and that the summary adds up.
fn assert_reconciled(input: &[u8], out: &Out, summary: &Summary) {
    for reject in out.rejects() {
        let offset = reject["offset"]
            .as_u64()
            .and_then(|offset| usize::try_from(offset).ok())
            .expect("the offset is a number");
        assert!(input[offset..].starts_with(&testkit::normalize::raw(&reject)), "{reject}");
        let ends = testkit::files::line_ends(&input[..offset]);
        assert_eq!(reject["line"], ends + 1, "{reject}");
    }
    assert_eq!(summary.records, summary.events + summary.rejects);
    assert_eq!(summary.events, summary.events_by_type.iter().map(|(_, count)| count).sum::<u64>());
    assert_eq!(summary.rejects, summary.rejects_by_reason.iter().sum::<u64>());
    assert_eq!((summary.events, summary.rejects), (out.events().len() as u64, out.rejects().len() as u64));
    assert_eq!(summary.bytes_out, out.events.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn output_is_independent_of_read_size_and_threads(
        input in inputs(), format in formats(), limit in prop_oneof![Just(4 << 20), 1..2000_usize], at in 1..3000_usize,
    ) {
        let options = Options { format, max_line_bytes: limit, ..Options::default() };
        let (expected, summary) = run_single_threaded(&input, &options);
        assert_reconciled(&input, &expected, &summary);
        // Input that is not a log at all is a single failure without records.
        let is_log = summary.failures.is_empty();
        prop_assert!(is_log || summary.records == 0 && matches!(format, Format::Auto | Format::Csv));
        prop_assert_eq!(summary.bytes_in, if is_log { input.len() as u64 } else { 0 });
        for (piece, threads) in PIECES.into_iter().chain([at]).zip([1, 2, 8, 1, 8, 2]) {
            let (found, _) = run_chunked("in", &input, piece, threads, &options);
            prop_assert!(found == expected, "pieces of {} on {} threads:\n{}\n{}\nnot\n{}\n{}", piece, threads,
                String::from_utf8_lossy(&found.events), String::from_utf8_lossy(&found.rejects),
                String::from_utf8_lossy(&expected.events), String::from_utf8_lossy(&expected.rejects));
        }
    }

    #[test]
    fn output_is_independent_of_gzip_members(
        input in inputs().prop_filter("it looks like gzip itself", |input| !zoom_udm::normalize::is_gzip(input)),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..4), piece in 1..300_usize,
    ) {
        let (expected, of_expected) = run_single_threaded(&input, &Options::default());
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(input.len() + 1)).chain([0, input.len()]).collect();
        cuts.sort_unstable();
        let packed: Vec<u8> = cuts.windows(2).flat_map(|cut| gzip(&input[cut[0]..cut[1]])).collect();
        let (found, summary) = run_chunked("in", &packed, piece, 2, &Options::default());
        prop_assert_eq!(summary.failures.len(), of_expected.failures.len());
        prop_assert!(found == expected);
    }

    #[test]
    fn no_input_causes_a_panic(input in proptest::collection::vec(any::<u8>(), 0..300), gzipped in any::<bool>(), format in formats()) {
        let input = if gzipped { [&[0x1f, 0x8b, 0x08], &input[..]].concat() } else { input };
        let (out, summary) = run_single_threaded(&input, &Options { format, ..Options::default() });
        if !gzipped {
            assert_reconciled(&input, &out, &summary);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blocks_are_written_in_input_order(seed in any::<u64>(), hostile in any::<bool>(), piece in 1000..600_000_usize) {
        let input = lines(if hostile { Kind::Hostile } else { Kind::Realistic }, 8000, seed);
        let (expected, summary) = run_single_threaded(&input, &Options::default());
        assert_reconciled(&input, &expected, &summary);
        for threads in [1, 2, 8] {
            prop_assert!(run_chunked("in", &input, piece, threads, &Options::default()).0 == expected);
            prop_assert!(run_chunked("in", &gzip(&input), piece, threads, &Options::default()).0 == expected);
        }
    }

    #[test]
    fn overlong_document_equals_its_records_as_lines(seed in any::<u64>(), form in 0..2_u8, piece in 1000..600_000_usize) {
        let document = pretty(seed, 4000, form);
        let options = Options { max_line_bytes: 10_000, ..Options::default() };
        prop_assert!(document.len() > 100 * options.max_line_bytes);
        let (expected, _) = run_single_threaded(&lines(Kind::Realistic, 4000, seed), &options);
        for threads in [1, 8] {
            let (found, summary) = run_chunked("in", &document, piece, threads, &options);
            prop_assert_eq!((summary.events, summary.rejects), (4000, 0));
            prop_assert!(found.events == expected.events);
        }
    }
}

#[test]
fn document_near_limit_is_independent_of_read_size() {
    let document = pretty(1, 20, 0);
    for limit in document.len() - 3..document.len() + 2 {
        let options = Options { max_line_bytes: limit, ..Options::default() };
        for piece in PIECES {
            let (found, summary) = run_chunked("in", &document, piece, 1, &options);
            assert_eq!(
                (summary.events, summary.rejects),
                (20, 0),
                "limit {limit} of {}, pieces of {piece}",
                document.len()
            );
            assert!(found == run_single_threaded(&document, &options).0);
        }
    }
}

#[test]
fn malformed_element_rejects_only_itself() {
    for form in [0, 1] {
        let document = String::from_utf8(pretty(3, 6, form)).expect("valid UTF-8");
        let (whole, _) = run_single_threaded(document.as_bytes(), &Options::default());
        for broken in 0..6 {
            let (fault, _) = document.match_indices("\"action\":").nth(broken).expect("it has an action");
            let broken_one = format!("{}\"action\"{}", &document[..fault], &document[fault + 9..]);
            let (out, summary) = run_single_threaded(broken_one.as_bytes(), &Options::default());
            assert_reconciled(broken_one.as_bytes(), &out, &summary);
            // The rejects are the beginning of the document and the malformed record.
            assert_eq!((summary.events, summary.rejects), (5, 2), "{broken}: {:#?}", out.rejects());
            let kept: Vec<_> =
                whole.events().into_iter().enumerate().filter(|(index, _)| *index != broken).collect();
            assert!(out.events().into_iter().eq(kept.into_iter().map(|(_, event)| event)));
        }
    }
}

#[test]
fn truncated_document_yields_its_complete_records() {
    let page = String::from_utf8(pretty(3, 6, 0)).expect("valid UTF-8");
    let cut = &page[..page.len() * 2 / 3];
    let (out, summary) = run_single_threaded(cut.as_bytes(), &Options::default());
    assert_reconciled(cut.as_bytes(), &out, &summary);
    assert!(summary.events >= 3 && summary.rejects > 0, "{summary:?}");
}

#[test]
fn malformed_document_does_not_affect_the_next() {
    let (first, second) = (
        String::from_utf8(pretty(4, 3, 0)).expect("valid UTF-8"),
        String::from_utf8(pretty(5, 2, 0)).expect("valid UTF-8"),
    );
    let cut = first.rfind("\"time\"").expect("the text is found");
    let both = format!("{}\n{second}", &first[..cut]);
    let (out, summary) = run_single_threaded(both.as_bytes(), &Options::default());
    assert_reconciled(both.as_bytes(), &out, &summary);
    let (expected, _) = run_single_threaded(second.as_bytes(), &Options::default());
    assert!(out.events.ends_with(&expected.events));
    assert!(summary.events >= 4 && summary.rejects > 0);
}

#[test]
fn binary_output_is_independent_of_input_kind() {
    let input = lines(Kind::Hostile, 5000, 11);
    let packed = gzip(&input);
    let files = directory(&[("in", &input), ("in.gz", &packed)]);
    let [file, gz] = ["in", "in.gz"].map(|name| files.path().join(name));
    let expected = run_cli(&["normalize", "--threads", "1", "--rejects", "REJECTS"], &input);
    assert_eq!(expected.code, 1);
    assert!(expected.out.events().len() > 1000 && expected.out.rejects().len() > 100);
    // Each reject contains the name of the input.
    let renamed = |out: &Out, name: &str| {
        String::from_utf8_lossy(&out.rejects).replace(&format!("{{\"input\":\"{name}\""), "{\"input\":\"-\"")
    };
    for threads in ["1", "2", "8"] {
        for (name, stdin) in
            [("-", &input), ("-", &packed), (text(&file), &Vec::new()), (text(&gz), &Vec::new())]
        {
            let found = run_cli(&["normalize", name, "--threads", threads, "--rejects", "REJECTS"], stdin);
            assert!(found.out.events == expected.out.events, "{name} on {threads} threads");
            assert_eq!(renamed(&found.out, name), renamed(&expected.out, "-"), "{name} on {threads} threads");
        }
    }
}

#[test]
fn event_is_independent_of_neighboring_records() {
    let input = lines(Kind::Hostile, 300, 5);
    let whole = run_single_threaded(&input, &Options { format: Format::Ndjson, ..Options::default() }).0;
    let each = input.split_inclusive(|&byte| byte == b'\n').flat_map(|line| {
        run_single_threaded(line, &Options { format: Format::Ndjson, ..Options::default() }).0.events
    });
    assert!(whole.events == each.collect::<Vec<u8>>());
}

/// A sink that panics after the given number of blocks.
struct Panics(u32);

impl Sink for Panics {
    fn events(&mut self, _: &[u8]) -> std::io::Result<()> {
        self.0 = self.0.checked_sub(1).expect("a panic on purpose");
        Ok(())
    }

    fn reject(&mut self, _: &Reject<'_>) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn panicking_sink_ends_the_run() {
    let input = lines(Kind::Realistic, 40_000, 3);
    for threads in [1, 2, 8] {
        let options = Options { threads, ..Options::default() };
        for after in 0..4 {
            let input = Input::new("in", std::io::Cursor::new(input.clone()));
            let run = || normalize::run(std::iter::once(input), &options, &mut Panics(after));
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "{threads} threads, {after} blocks");
        }
    }
}

/// A reader that returns pieces of the given size, and then an error.
struct Broken(std::io::Cursor<Vec<u8>>, usize);

impl std::io::Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(self.1);
        match self.0.read(&mut buffer[..most])? {
            0 => Err(std::io::Error::other("as asked")),
            read => Ok(read),
        }
    }
}

#[test]
fn partial_page_result_is_independent_of_chunks() {
    let (head, record) = ("{\"operation_logs\": [", testkit::normalize::record("one"));
    for whole in [0, 1, 2] {
        let page = format!("{head}{}{}", format!("{record},\n").repeat(whole), &record[..record.len() - 1]);
        let options = Options { format: Format::Json, max_line_bytes: record.len(), ..Options::default() };
        for piece in 1..=page.len() {
            let (mut events, mut rejects) = (Vec::new(), RejectWriter::new(Vec::new()));
            let input = Input::new("in", Broken(std::io::Cursor::new(page.clone().into()), piece));
            let mut sink = Both(&mut events, &mut rejects);
            let summary = normalize::run(std::iter::once(input), &options, &mut sink).expect("it continues");
            assert_eq!((summary.events, summary.failures.len()), (whole as u64, 1), "in pieces of {piece}");
            let rejects = testkit::normalize::json_lines(&rejects.finish().expect("cannot fail"));
            // The failure reports the truncated record, so it is not also rejected.
            assert!(rejects.is_empty(), "in pieces of {piece}: {rejects:?}");
        }
    }
}

struct Both<'o>(&'o mut Vec<u8>, &'o mut RejectWriter<Vec<u8>>);

impl Sink for Both<'_> {
    fn events(&mut self, events: &[u8]) -> std::io::Result<()> {
        self.0.extend_from_slice(events);
        Ok(())
    }

    fn reject(&mut self, reject: &Reject<'_>) -> std::io::Result<()> {
        self.1.write(reject)
    }
}
