//! Writes lines of a kind.

use super::adversarial;
use super::corpus::Corpus;
use std::io::{self, Write};

/// The kind of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As stored in a bucket: half of the lines as Google's reference collector writes them, with a space after each
    /// separator and escaped text beyond ASCII; the other half as Zoom sends them.
    Realistic,
    /// As Zoom sends them, without escapes.
    Plain,
    /// As Google's reference collector writes them, with an escape in every line.
    Escaped,
    /// Sign-ins, as Zoom sends them.
    SignIns,
    /// Webhook events, as Zoom sends them.
    Webhooks,
    /// Adversarial records in all framings.
    Hostile,
}

impl Kind {
    /// The kinds with their names in arguments.
    pub const NAMED: [(&str, Self); 6] = [
        ("realistic", Self::Realistic),
        ("plain", Self::Plain),
        ("escaped", Self::Escaped),
        ("sign-ins", Self::SignIns),
        ("webhooks", Self::Webhooks),
        ("hostile", Self::Hostile),
    ];
}

/// Writes `records` lines of a kind.
///
/// # Errors
/// The errors of the writer.
pub fn write(kind: Kind, records: u64, seed: u64, out: &mut impl Write) -> io::Result<()> {
    let mut corpus = Corpus::new(seed);
    let mut line = String::new();
    for _ in 0..records {
        line.clear();
        match kind {
            Kind::Realistic if corpus.random.bool() => corpus.collected(&mut line),
            Kind::Realistic => corpus.sent(&mut line, true),
            Kind::Plain => corpus.sent(&mut line, false),
            Kind::Escaped => corpus.collected(&mut line),
            Kind::SignIns => corpus.sign_in(&mut line),
            Kind::Webhooks => corpus.webhook(&mut line),
            Kind::Hostile => adversarial::line(&mut corpus.random, &mut line),
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}
