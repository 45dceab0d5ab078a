//! The fuzz targets: they decode bytes into inputs for the properties of each module. `fuzz/README.md` explains how to
//! run them. `cargo test` replays `fuzz/seeds` and `fuzz/regressions`.

mod records;
mod state;

use crate::normalize::{Format, MAX_EVENT_BYTES, Options, TemplateCache};
use crate::timestamp::Timestamp;
use crate::udm::{Case, IngestionMetadata, OutputShape, Writer};
use crate::{cli, collect, detail, email, json, mapping, record, serve, store, timestamp};
use arbitrary::Unstructured;
use flate2::Compression;
use flate2::write::GzEncoder;
use once_cell::sync::Lazy;
use std::io::Write as _;

/// A target accepts any bytes, and panics if a property is violated.
pub type Target = fn(&[u8]);

/// Every target, by name.
pub const TARGETS: [(&str, Target); 9] = [
    ("normalize", normalize),
    ("records", records::records),
    ("detail", detail_),
    ("fast", fast),
    ("gzip", gzip),
    ("state", state::state),
    ("push", serve::properties::request),
    ("answer", collect::answer),
    ("settings", settings),
];

/// Runs a target by its name.
pub fn run(target: &str, bytes: &[u8]) {
    for (name, check) in TARGETS {
        if name == target {
            check(bytes);
        }
    }
}

/// Normalizes: the last two bytes select options, the rest is the input.
fn normalize(bytes: &[u8]) {
    if let Some((input, how)) = bytes.split_last_chunk::<2>() {
        hold(input, *how);
    }
}

/// Options for each output shape, compiled once.
static SHAPED: Lazy<[Options; 4]> = Lazy::new(|| {
    let feed = IngestionMetadata {
        namespace: Some("n\"".to_owned()),
        labels: vec![("k".to_owned(), "v".to_owned())],
    };
    let writers = [
        Writer::default(),
        Writer::new(OutputShape::Udm(Case::Snake), &feed),
        Writer::new(OutputShape::Parser(Case::Camel), &feed),
        Writer::new(OutputShape::BigQuery, &IngestionMetadata::default()),
    ];
    writers.map(|writer| Options { writer, compiled: TemplateCache::default(), ..Options::default() })
});

/// Checks the properties of one input normalized in one of many ways.
fn hold(input: &[u8], [how, more]: [u8; 2]) {
    const LONGEST: [usize; 4] = [4 << 20, 200, 40, 1];
    const PIECES: [usize; 4] = [1, 2, 7, 64];
    let (format, shape) = (how & 3, how >> 2 & 3);
    let options = Options {
        format: [Format::Auto, Format::Ndjson, Format::Json, Format::Csv][usize::from(format)],
        event_id: how & 16 != 0,
        default_time: (how & 32 != 0).then(|| Timestamp::parse("2024-01-31T00:00:00Z")).flatten(),
        rules: mapping::MappingOptions {
            values: if how & 64 == 0 { mapping::Values::New } else { mapping::Values::Verbatim },
            clip: how & 128 != 0,
        },
        max_line_bytes: LONGEST[usize::from(more & 3)],
        max_event_bytes: if more & 16 == 0 { MAX_EVENT_BYTES } else { 300 },
        reject_large_events: more & 32 != 0,
        ..SHAPED[usize::from(shape)].clone()
    };
    crate::normalize::properties::input(input, &options, PIECES[usize::from(more >> 2 & 3)]);
}

/// The grammar of `operation_detail`.
fn detail_(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        detail::properties::text(text);
    }
}

/// Every fast path against its reference.
fn fast(bytes: &[u8]) {
    json::properties::plain(bytes);
    bytes.first().iter().for_each(|byte| json::properties::marked(bytes, **byte));
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    json::properties::text(text);
    record::properties::text(text);
    mapping::properties::text(text);
    text.split(['"', '\n']).for_each(timestamp::properties::text);
    email::properties::text(text);
    if text.len() < 200 {
        detail::properties::leftmost_of_usual(text);
    }
}

/// Compressed bytes as they are; or, after an even byte, a script of members, zeros, other bytes and a cut.
fn gzip(bytes: &[u8]) {
    match bytes.split_first() {
        Some((first, script)) if first % 2 == 0 && !bytes.starts_with(&[0x1f]) => {
            let packed = packed(&mut Unstructured::new(script)).unwrap_or_default();
            crate::normalize::properties::gzip::bytes(&packed);
        }
        _ => crate::normalize::properties::gzip::bytes(bytes),
    }
}

fn packed(script: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    let mut packed = Vec::new();
    for _ in 0..script.int_in_range(1..=4)? {
        match script.int_in_range(0..=9)? {
            0 => packed.extend(vec![0; script.int_in_range(1..=600)?]),
            1 => packed.extend_from_slice(script.bytes(script.len().min(3))?),
            2 => {
                // Highly compressible, and more than is ever held in memory.
                let length = script.int_in_range(0..=3 << 20)?;
                packed.extend(member(&vec![b'{'; length], 9));
            }
            level => {
                let length = script.arbitrary_len::<u8>()?;
                packed.extend(member(script.bytes(length)?, level));
            }
        }
    }
    if script.ratio(1, 3)? {
        packed.truncate(script.int_in_range(0..=packed.len())?);
    }
    if script.ratio(1, 3)? && !packed.is_empty() {
        let at = script.choose_index(packed.len())?;
        packed[at] ^= script.int_in_range(1..=255)?;
    }
    Ok(packed)
}

fn member(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level.min(9)));
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Settings: each line is a value, the whole text is a listing page, and it is flags if it begins with `--`.
fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if text.starts_with("--") {
        return cli::properties::flags(text);
    }
    store::properties::listing(text);
    for line in text.lines().take(8) {
        cli::properties::setting(line);
        store::properties::location(line);
        store::properties::emulator(line);
        store::properties::name(line);
    }
}

#[cfg(test)]
mod tests {
    use super::TARGETS;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn files(directory: &Path) -> Vec<PathBuf> {
        let Ok(entries) = directory.read_dir() else { return Vec::new() };
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    #[test]
    fn fuzz_seeds_and_regressions_pass() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        // The published package does not contain `fuzz/`.
        if !fuzz.exists() {
            return;
        }
        for (name, check) in TARGETS {
            let mut seeds = files(&fuzz.join("seeds").join(name));
            assert!(seeds.len() > 3, "{name} has no seeds");
            seeds.extend(files(&fuzz.join("regressions").join(name)));
            for seed in seeds {
                // The panic message names the seed.
                let bytes = fs::read(&seed).unwrap();
                let held = std::panic::catch_unwind(|| check(&bytes));
                assert!(held.is_ok(), "{name} does not hold of {}", seed.display());
            }
        }
    }
}
