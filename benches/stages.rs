//! Benchmarks each stage separately on the generated corpus, in bytes of input per second: `cargo bench --locked
//! --bench stages`.
//!
//! Each benchmark checks its result before it is timed.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use testdata::Kind;
use zoom_udm::detail::{Detail, SpliceBuf};
use zoom_udm::mapping::{Content, DiagnosticCounts, MappingOptions, map};
use zoom_udm::record::{Field, Record, Scratch};
use zoom_udm::udm::{Event, Writer};

const RECORDS: u64 = 2000;

/// A generated corpus.
struct Corpus {
    text: String,
}

impl Corpus {
    fn new(kind: Kind) -> Self {
        let mut bytes = Vec::new();
        testdata::write(kind, RECORDS, 1, &mut bytes).expect("writing to memory cannot fail");
        Self { text: String::from_utf8(bytes).expect("the corpus is UTF-8") }
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    /// Calls `look` with the event of each record.
    fn each_event(&self, mut look: impl FnMut(&Event<'_>)) {
        let (mut scratch, mut cut, mut notes) =
            (Scratch::default(), SpliceBuf::default(), DiagnosticCounts::default());
        for line in self.lines() {
            let record = Record::read(line, &mut scratch).expect("the corpus contains records");
            let time = record.time().expect("the record has a time");
            let content = Content::parse(&record, &mut cut);
            look(&map(&record, line, &content, time, MappingOptions::default(), &mut notes, &mut ()));
        }
    }

    /// Returns the `operation_detail` of each record.
    fn details(&self) -> Vec<String> {
        let mut scratch = Scratch::default();
        let detail =
            |line| Record::read(line, &mut scratch).ok()?.get(Field::OperationDetail).map(str::to_owned);
        self.lines().filter_map(detail).collect()
    }
}

fn record(c: &mut Criterion) {
    let mut group = c.benchmark_group("record");
    for (name, kind) in [("plain", Kind::Plain), ("realistic", Kind::Realistic), ("escaped", Kind::Escaped)] {
        let corpus = Corpus::new(kind);
        let mut scratch = Scratch::default();
        for line in corpus.lines() {
            let twin: serde_json::Value = serde_json::from_str(line).expect("the corpus is JSON");
            let record = Record::read(line, &mut scratch).expect("the corpus contains records");
            for field in Field::ALL {
                assert_eq!(record.get(field), twin[field.name()].as_str());
            }
        }
        group.throughput(Throughput::Bytes(corpus.text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                for line in corpus.lines() {
                    let _ = black_box(Record::read(black_box(line), &mut scratch));
                }
            });
        });
    }
    group.finish();
}

fn detail(c: &mut Criterion) {
    let details = Corpus::new(Kind::Realistic).details();
    let mut cut = SpliceBuf::default();
    for text in &details {
        let detail = Detail::parse(text, &mut cut);
        assert!(text.contains(detail.head), "HEAD is a part of the text");
    }
    let mut group = c.benchmark_group("detail");
    group.throughput(Throughput::Bytes(details.iter().map(String::len).sum::<usize>() as u64));
    group.bench_function("parse", |b| {
        b.iter(|| {
            for text in &details {
                black_box(Detail::parse(black_box(text), &mut cut));
            }
        });
    });
    group.finish();
}

fn mapping(c: &mut Criterion) {
    let corpus = Corpus::new(Kind::Realistic);
    let mut events = 0;
    corpus.each_event(|event| {
        assert!(event.metadata.description.is_some());
        events += 1;
    });
    assert_eq!(events, RECORDS);
    let mut group = c.benchmark_group("mapping");
    group.throughput(Throughput::Bytes(corpus.text.len() as u64));
    group.bench_function("record, detail and map", |b| {
        b.iter(|| corpus.each_event(|event| drop(black_box(event.clone()))));
    });
    group.finish();
}

fn write(c: &mut Criterion) {
    let corpus = Corpus::new(Kind::Realistic);
    let writer = Writer::default();
    let mut out = Vec::new();
    corpus.each_event(|event| writer.write(event, &mut out));
    let length = out.len();
    for line in out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        serde_json::from_slice::<serde::de::IgnoredAny>(line).expect("events are JSON");
    }
    let mut group = c.benchmark_group("write");
    group.throughput(Throughput::Bytes(corpus.text.len() as u64));
    group.bench_function("record, detail, map and write", |b| {
        b.iter_batched_ref(
            || Vec::with_capacity(length),
            |out| corpus.each_event(|event| writer.write(event, out)),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, record, detail, mapping, write);
criterion_main!(benches);
