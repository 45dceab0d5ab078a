//! Runs a VRL program (`mapping.vrl`) with the crate that Vector uses.
//!
//! `vrl PROGRAM FILE` prints one event per line, and counts lines that are not records on standard error.

use anyhow::{Context, Result, anyhow};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use vrl::compiler::runtime::Runtime;
use vrl::compiler::{TargetValue, TimeZone, compile};
use vrl::diagnostic::Formatter;
use vrl::value::{ObjectMap, Secrets, Value};

const EVENT_TYPES: &str = include_str!("../../../src/udm/event_types.tsv");

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (program, path) = arguments.next().zip(arguments.next()).context("usage: vrl PROGRAM FILE")?;
    let source = std::fs::read_to_string(program)?;
    let program = compile(&source, &vrl::stdlib::all())
        .map_err(|wrong| anyhow!("{}", Formatter::new(&source, wrong)))?
        .program;
    // The program looks up valid event types in `%event_types`.
    let names = EVENT_TYPES.lines().skip(1).filter_map(|line| line.split('\t').nth(1));
    let known: ObjectMap = names.map(|name| (name.into(), Value::from(true))).collect();
    let metadata = ObjectMap::from([("event_types".into(), Value::Object(known))]);
    let mut target =
        TargetValue { value: Value::Null, metadata: Value::Object(metadata), secrets: Secrets::default() };

    let mut runtime = Runtime::default();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut refused = 0;
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let message = Value::from(line?.as_slice());
        target.value = Value::Object(ObjectMap::from([("message".into(), message)]));
        match runtime.resolve(&mut target, &program, &TimeZone::default()) {
            Ok(_) => {
                serde_json::to_writer(&mut out, &target.value)?;
                out.write_all(b"\n")?;
            }
            Err(_) => refused += 1,
        }
        runtime.clear();
    }
    out.flush()?;
    if refused > 0 {
        eprintln!("{refused} refused");
    }
    Ok(())
}
