//! The lower bound for `.json.gz` input: decompresses a file with flate2's zlib-rs backend, and prints the size.

use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};

const BLOCK: usize = 1 << 18;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("usage: gunzip FILE")?;
    let mut gzip = MultiGzDecoder::new(BufReader::with_capacity(BLOCK, File::open(path)?));
    let (mut block, mut size) = (vec![0; BLOCK], 0);
    loop {
        match gzip.read(&mut block)? {
            0 => break,
            read => size += read,
        }
    }
    println!("{size}");
    Ok(())
}
