//! Benchmarks the whole pipeline, in bytes of input per second: `cargo bench --locked --bench pipeline`.
//!
//! Runs with one thread and with all, on plain and gzip input, and compares with lower bounds: only parsing with
//! `serde_json`, and only decompressing.

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use std::borrow::Cow;
use std::hint::black_box;
use std::io::{self, Cursor, Read};
use testdata::Kind;
use zoom_udm::normalize::{Input, Options, Reject, Sink, run};

const RECORDS: u64 = 20_000;

struct NullSink(u64);

impl Sink for NullSink {
    fn events(&mut self, events: &[u8]) -> io::Result<()> {
        self.0 += events.len() as u64;
        Ok(())
    }
    fn reject(&mut self, _: &Reject<'_>) -> io::Result<()> {
        Ok(())
    }
}

/// Normalizes `bytes` and returns the number of events.
fn events(bytes: &[u8], threads: usize) -> u64 {
    let options = Options { threads, ..Options::default() };
    // An input owns its bytes, so the copy is timed too; its cost is small.
    let input = Input::new("corpus", Cursor::new(bytes.to_vec()));
    run(std::iter::once(input), &options, &mut NullSink(0)).expect("the sink cannot fail").events
}

/// The fields that the lower bound parses.
#[derive(serde::Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    operator: Cow<'a, str>,
    #[serde(borrow)]
    category_type: Cow<'a, str>,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    operation_detail: Cow<'a, str>,
}

fn parse_alone(bytes: &[u8]) -> u64 {
    let mut records = 0;
    for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let fields: Fields<'_> = serde_json::from_slice(line).expect("the corpus contains records");
        black_box((
            &fields.time,
            &fields.operator,
            &fields.category_type,
            &fields.action,
            &fields.operation_detail,
        ));
        records += 1;
    }
    records
}

fn unpack_alone(packed: &[u8]) -> u64 {
    io::copy(&mut GzDecoder::new(packed), &mut io::sink()).expect("the corpus is intact")
}

fn corpus(group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>, name: &str, kind: Kind) {
    let mut bytes = Vec::new();
    testdata::write(kind, RECORDS, 1, &mut bytes).expect("writing to memory cannot fail");
    let mut packed = Vec::new();
    GzEncoder::new(&bytes[..], Compression::default()).read_to_end(&mut packed).expect("cannot fail");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for count in [events(&bytes, 1), events(&bytes, threads), events(&packed, threads), parse_alone(&bytes)] {
        assert_eq!(count, RECORDS);
    }
    assert_eq!(unpack_alone(&packed), bytes.len() as u64);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function(format!("{name}/1 thread"), |b| b.iter(|| events(&bytes, 1)));
    group.bench_function(format!("{name}/{threads} threads"), |b| b.iter(|| events(&bytes, threads)));
    group.bench_function(format!("{name}/gzip, {threads} threads"), |b| b.iter(|| events(&packed, threads)));
    group.bench_function(format!("{name}/floor: serde_json alone"), |b| b.iter(|| parse_alone(&bytes)));
    group.bench_function(format!("{name}/floor: gunzip alone"), |b| b.iter(|| unpack_alone(&packed)));
}

fn pipeline(c: &mut Criterion) {
    let mut group = c.benchmark_group("pipeline");
    group.sample_size(20);
    corpus(&mut group, "realistic", Kind::Realistic);
    corpus(&mut group, "escaped", Kind::Escaped);
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
