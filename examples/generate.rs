//! Writes generated records, the same for the same seed: `generate [--records N] [--seed N] [--kind KIND]`.

use clap::{Parser, ValueEnum};
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
    #[arg(long, value_enum, default_value_t)]
    kind: KindFlag,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum KindFlag {
    #[default]
    Realistic,
    Plain,
    Escaped,
    SignIns,
    Webhooks,
    Hostile,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let kind = match arguments.kind {
        KindFlag::Realistic => Kind::Realistic,
        KindFlag::Plain => Kind::Plain,
        KindFlag::Escaped => Kind::Escaped,
        KindFlag::SignIns => Kind::SignIns,
        KindFlag::Webhooks => Kind::Webhooks,
        KindFlag::Hostile => Kind::Hostile,
    };
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    testdata::write(kind, arguments.records, arguments.seed, &mut out)?;
    out.flush()
}
