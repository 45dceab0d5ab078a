//! The lower bound: parses each line with `serde_json` into five borrowed fields, and counts the records.
//!
//! `parse_only FILE` parses each line as bytes (`from_slice`). `parse_only --str FILE` validates UTF-8 a block at a
//! time and parses each line as text (`from_str`), which is faster.

use anyhow::{Context, Result};
use memchr::{memchr_iter, memrchr};
use serde::Deserialize;
use std::borrow::Cow;
use std::fs::File;
use std::hint::black_box;
use std::io::Read;

#[derive(Deserialize)]
struct Record<'a> {
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

const BLOCK: usize = 1 << 20;

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.pop().context("usage: parse_only [--str] FILE")?;
    let as_text = arguments.first().is_some_and(|flag| flag == "--str");

    let mut file = File::open(path)?;
    let (mut block, mut held, mut count) = (vec![0; BLOCK], 0, 0_u64);
    loop {
        let read = file.read(&mut block[held..])?;
        held += read;
        // Complete lines, and the rest of the file at its end.
        let whole = match memrchr(b'\n', &block[..held]) {
            _ if read == 0 => held,
            Some(newline) => newline + 1,
            None => 0,
        };
        count += if as_text { texts(&block[..whole])? } else { slices(&block[..whole])? };
        block.copy_within(whole..held, 0);
        held -= whole;
        if read == 0 {
            break;
        }
        if held == block.len() {
            block.resize(2 * held, 0);
        }
    }
    println!("{count}");
    Ok(())
}

fn slices(lines: &[u8]) -> Result<u64> {
    let (mut start, mut count) = (0, 0);
    for end in memchr_iter(b'\n', lines).chain([lines.len()]) {
        if start < end {
            take(&serde_json::from_slice(&lines[start..end])?);
            count += 1;
        }
        start = end + 1;
    }
    Ok(count)
}

fn texts(lines: &[u8]) -> Result<u64> {
    let lines = std::str::from_utf8(lines)?;
    let (mut start, mut count) = (0, 0);
    for end in memchr_iter(b'\n', lines.as_bytes()).chain([lines.len()]) {
        if start < end {
            take(&serde_json::from_str(&lines[start..end])?);
            count += 1;
        }
        start = end + 1;
    }
    Ok(count)
}

/// Prevents the optimizer from removing unused results.
fn take(record: &Record<'_>) {
    black_box((
        &record.time,
        &record.operator,
        &record.category_type,
        &record.action,
        &record.operation_detail,
    ));
}
