//! Tests that memory is allocated at the start of a run, not per record.

use testdata::Kind;
use zoom_udm::detail::SpliceBuf;
use zoom_udm::mapping::{Content, DiagnosticCounts, MappingOptions, map};
use zoom_udm::normalize::{Options, slice};
use zoom_udm::record::{Record, Scratch};
use zoom_udm::udm::Writer;

fn lines(kind: Kind, records: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    testdata::write(kind, records, 1, &mut bytes).expect("writing to memory cannot fail");
    bytes
}

#[test]
fn plain_record_is_mapped_without_allocation() {
    assert_mapped_without_allocation(MappingOptions::default());
}

#[test]
fn plain_record_is_enriched_without_allocation() {
    assert_mapped_without_allocation(MappingOptions { enrich: true, ..MappingOptions::default() });
}

fn assert_mapped_without_allocation(rules: MappingOptions) {
    let bytes = lines(Kind::Plain, 2000);
    let text = String::from_utf8(bytes).expect("the corpus is UTF-8");
    let text: Vec<&str> = text.lines().filter(|line| !line.contains('[')).collect();
    assert!(text.len() > 1500, "most records contain no JSON");
    let (mut scratch, mut cut, mut notes) =
        (Scratch::default(), SpliceBuf::default(), DiagnosticCounts::default());
    let (writer, mut out) = (Writer::default(), Vec::with_capacity(4 << 20));
    let mut all = || {
        out.clear();
        for line in &text {
            let record = Record::read(line, &mut scratch).expect("the line is a record");
            let time = record.time().expect("the record has a time");
            let content = Content::parse(&record, &mut cut);
            writer.write(&map(&record, line, &content, time, rules, &mut notes, &mut ()), &mut out);
        }
    };
    // Initializes lazily created values.
    all();
    assert_eq!(allocation_counter::measure(all).count_total, 0);
}

#[test]
fn twice_the_records_allocate_no_more() {
    // Both inputs fit into one block, so the allocations for blocks are the same.
    for (kind, enrich) in
        [(Kind::Plain, false), (Kind::Escaped, false), (Kind::SignIns, false), (Kind::Plain, true)]
    {
        let rules = MappingOptions { enrich, ..MappingOptions::default() };
        let options = Options { rules, ..Options::default() };
        let without_json = |records| {
            let text = String::from_utf8(lines(kind, records)).expect("the corpus is UTF-8");
            let kept: Vec<&str> = text.lines().filter(|line| !line.contains('[')).collect();
            kept.join("\n").into_bytes()
        };
        let (some, more) = (without_json(300), without_json(600));
        let count = |bytes: &[u8]| {
            let run = || assert_eq!(slice(bytes, &options).1.rejects, 0);
            run();
            allocation_counter::measure(run).count_total
        };
        // The event buffer grows by doubling, so twice the events need one more allocation.
        let (first, second) = (count(&some), count(&more));
        assert!(second <= first + 3, "{first} allocations for 300 records, {second} for 600: {rules:?}");
    }
}
