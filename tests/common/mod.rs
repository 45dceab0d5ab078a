//! What several tests share: inputs read in pieces, and a sink in memory.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests are read, not called"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::io::{self, Cursor, Read, Write as _};
use std::path::{Path, PathBuf};
use zoom_udm::normalize::{self, Input, Options, Reject, RejectWriter, Sink, Summary};

/// A time for records that are about something else.
pub const TIME: &str = "2024-01-31T23:59:59Z";

/// Bytes that come in pieces of a size.
pub struct ChunkedReader(pub Cursor<Vec<u8>>, pub usize);

impl Read for ChunkedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}

/// What came out of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Out {
    /// Bytes of events.
    pub events: Vec<u8>,
    /// Bytes of the rejects file.
    pub rejects: Vec<u8>,
}

impl Out {
    pub fn events(&self) -> Vec<Value> {
        json_lines(&self.events)
    }

    pub fn rejects(&self) -> Vec<Value> {
        json_lines(&self.rejects)
    }
}

struct Memory {
    events: Vec<u8>,
    rejects: RejectWriter<Vec<u8>>,
}

impl Sink for Memory {
    fn events(&mut self, events: &[u8]) -> io::Result<()> {
        self.events.extend_from_slice(events);
        Ok(())
    }

    fn reject(&mut self, reject: &Reject<'_>) -> io::Result<()> {
        self.rejects.write(reject)
    }
}

/// Normalizes one input into memory.
pub fn run(input: Input, options: &Options) -> (Out, Summary) {
    let mut sink = Memory { events: Vec::new(), rejects: RejectWriter::new(Vec::new()) };
    let summary =
        normalize::run(std::iter::once(input), options, &mut sink).expect("a sink in memory takes all");
    let rejects = sink.rejects.finish().expect("memory takes all");
    (Out { events: sink.events, rejects }, summary)
}

/// Normalizes bytes that come in pieces of a size, on some threads.
pub fn run_chunked(
    name: &str,
    bytes: &[u8],
    piece: usize,
    threads: usize,
    options: &Options,
) -> (Out, Summary) {
    let input = Input::new(name, ChunkedReader(Cursor::new(bytes.to_vec()), piece));
    run(input, &Options { threads, ..options.clone() })
}

/// The values of JSON lines.
pub fn json_lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).expect("output is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect()
}

/// The bytes as one member of gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

/// The root of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a directory whose name ends so, sorted.
pub fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in directory.read_dir().expect("the directory is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A record with a detail, as a line without its end.
pub fn record(detail: &str) -> String {
    serde_json::json!({"time": TIME, "operator": "o@x.com", "operation_detail": detail}).to_string()
}

/// What the binary did.
#[derive(Debug)]
pub struct CliOutput {
    pub code: i32,
    pub out: Out,
    pub stderr: String,
}

/// The binary, with neither settings of its own nor a terminal.
pub fn zoom_udm() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_zoom-udm"));
    command.env_remove("ZOOM_UDM_NOW");
    command
}

/// Runs the binary with arguments on standard input. The argument `REJECTS` stands for a file whose content comes back.
pub fn run_cli(arguments: &[&str], stdin: &[u8]) -> CliOutput {
    let directory = tempfile::tempdir().expect("a directory for the rejects");
    let rejects = directory.path().join("rejects.ndjson");
    let mut command = zoom_udm();
    for argument in arguments {
        match *argument {
            "REJECTS" => command.arg(&rejects),
            argument => command.arg(argument),
        };
    }
    let output = command.write_stdin(stdin).output().expect("it runs");
    let rejects = std::fs::read(&rejects).unwrap_or_default();
    CliOutput {
        code: output.status.code().expect("no signal ended it"),
        out: Out { events: output.stdout, rejects },
        stderr: String::from_utf8(output.stderr).expect("messages are UTF-8"),
    }
}

/// The bytes that a reject holds.
pub fn raw(reject: &Value) -> Vec<u8> {
    match (&reject["raw"], &reject["raw_base64"]) {
        (Value::String(raw), Value::Null) => raw.clone().into_bytes(),
        (Value::Null, Value::String(raw)) => STANDARD.decode(raw).expect("it is base64"),
        _ => panic!("neither raw nor raw_base64, or both: {reject}"),
    }
}

/// The description of each event: which record it came from.
pub fn descriptions(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["metadata"]["description"].as_str().unwrap_or_default()).collect()
}

/// A directory with files in it.
pub fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, content) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("it is below the directory")).expect("it can be made");
        std::fs::write(path, content).expect("it can be written");
    }
    directory
}

/// How many lines end in some bytes.
pub fn line_ends(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a test's path is UTF-8")
}
