//! Runs `normalize` in memory or as a process, and parses its output.

use crate::process::binary;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::io::{self, Cursor, Read};
use zoom_udm::normalize::{self, Input, Options, Reject, RejectWriter, Sink, Summary};

/// The default time of a record.
pub const TIME: &str = "2024-01-31T23:59:59Z";

/// A reader that returns at most the given number of bytes per read.
pub struct ChunkedReader(pub Cursor<Vec<u8>>, pub usize);

impl Read for ChunkedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}

/// The output of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Out {
    /// Events, as JSON lines.
    pub events: Vec<u8>,
    /// Rejects, as JSON lines.
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

/// Normalizes one input in memory.
pub fn run(input: Input, options: &Options) -> (Out, Summary) {
    let mut sink = Memory { events: Vec::new(), rejects: RejectWriter::new(Vec::new()) };
    let summary =
        normalize::run(std::iter::once(input), options, &mut sink).expect("writing to memory cannot fail");
    let rejects = sink.rejects.finish().expect("writing to memory cannot fail");
    (Out { events: sink.events, rejects }, summary)
}

/// Normalizes bytes that are read in pieces of a given size, with a given number of threads.
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

/// Parses JSON lines.
pub fn json_lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).expect("output is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect()
}

/// Returns a record with the given `operation_detail`, without a line end.
pub fn record(detail: &str) -> String {
    serde_json::json!({"time": TIME, "operator": "o@x.com", "operation_detail": detail}).to_string()
}

/// The result of running the program.
#[derive(Debug)]
pub struct CliOutput {
    pub code: i32,
    pub out: Out,
    pub stderr: String,
}

/// Returns a command that runs the program without `ZOOM_UDM_NOW`.
pub fn zoom_udm() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(binary());
    command.env_remove("ZOOM_UDM_NOW");
    command
}

/// Runs the program with `stdin` as its standard input. An argument `REJECTS` becomes the path of a temporary file,
/// whose content is returned.
pub fn run_cli(arguments: &[&str], stdin: &[u8]) -> CliOutput {
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let rejects = directory.path().join("rejects.ndjson");
    let mut command = zoom_udm();
    for argument in arguments {
        match *argument {
            "REJECTS" => command.arg(&rejects),
            argument => command.arg(argument),
        };
    }
    let output = command.write_stdin(stdin).output().expect("the program runs");
    let rejects = std::fs::read(&rejects).unwrap_or_default();
    CliOutput {
        code: output.status.code().expect("no signal ended the program"),
        out: Out { events: output.stdout, rejects },
        stderr: String::from_utf8(output.stderr).expect("messages are UTF-8"),
    }
}

/// Returns the original bytes in a reject.
pub fn raw(reject: &Value) -> Vec<u8> {
    match (&reject["raw"], &reject["raw_base64"]) {
        (Value::String(raw), Value::Null) => raw.clone().into_bytes(),
        (Value::Null, Value::String(raw)) => STANDARD.decode(raw).expect("valid base64"),
        _ => panic!("neither raw nor raw_base64, or both: {reject}"),
    }
}

/// Returns the description of each event, which identifies its record.
pub fn descriptions(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["metadata"]["description"].as_str().unwrap_or_default()).collect()
}
