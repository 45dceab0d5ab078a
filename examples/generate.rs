//! Writes generated records, the same for the same seed: `generate [--records N] [--seed N] [--kind KIND]`.

use clap::Parser;
use std::io::{self, BufWriter, Write as _};
use testdata::Kind;

#[derive(Parser)]
struct Arguments {
    /// Number of records
    #[arg(long, default_value_t = 1000)]
    records: u64,
    /// Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Kind of records
    #[arg(long, value_parser = parse_kind, default_value = "realistic")]
    kind: Kind,
}

fn parse_kind(text: &str) -> Result<Kind, String> {
    let found = Kind::NAMED.iter().find(|(name, _)| *name == text);
    let expected = || Kind::NAMED.map(|(name, _)| name).join(", ");
    found.map(|(_, kind)| *kind).ok_or_else(|| format!("expected one of {}", expected()))
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    testdata::write(arguments.kind, arguments.records, arguments.seed, &mut out)?;
    out.flush()
}
