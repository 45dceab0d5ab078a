//! A fake Zoom server, for running `zoom-udm collect` by hand without Zoom:
//!
//! `fake_zoom [--listen 127.0.0.1:0] [--now TIME] [--days 3] [--per-day 1000] [FILE.ndjson]...`
//!
//! Serves the operation logs of the files, or generated operation logs and sign-ins of the last days. Prints its address
//! and the environment variables that point the program to it. While it runs, control it with `POST /stand-in/records`
//! (record lines; with `?report=activities`, of sign-ins), `/stand-in/clock?now=TIME`,
//! `/stand-in/fail?status=503&times=2` and `GET /stand-in/counts`.

use std::collections::VecDeque;
use testkit::zoom::{ACCOUNT, CLIENT, SECRET, Zoom, at, iso, log_store};

struct Options {
    listen: String,
    now: Option<i64>,
    days: u64,
    per_day: u64,
    files: Vec<String>,
}

fn options() -> Options {
    let mut options =
        Options { listen: "127.0.0.1:0".into(), now: None, days: 3, per_day: 1000, files: Vec::new() };
    let mut arguments: VecDeque<String> = std::env::args().skip(1).collect();
    while let Some(argument) = arguments.pop_front() {
        let mut value = || arguments.pop_front().unwrap_or_default();
        match argument.as_str() {
            "--listen" => options.listen = value(),
            "--now" => options.now = Some(at(&value())),
            "--days" => options.days = value().parse().unwrap_or(3),
            "--per-day" => options.per_day = value().parse().unwrap_or(1000),
            file => options.files.push(file.into()),
        }
    }
    options
}

fn main() -> std::io::Result<()> {
    let options = options();
    let server = Zoom::start_at(&options.listen);
    if let Some(now) = options.now {
        server.set_clock(now);
    }
    let now = server.now();
    for file in &options.files {
        let text = std::fs::read(file)?;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        server.add(lines.map(|line| log_store::record_from_line(line, now)));
    }
    if options.files.is_empty() {
        let length = i64::try_from(options.days).unwrap_or(3) * 86_400;
        server.add(log_store::spread(0, options.days * options.per_day, now - length..now));
        server.add_sign_ins(log_store::spread_sign_ins(0, options.days * options.per_day, now - length..now));
    }
    let (records, sign_ins) = {
        let state = server.lock();
        (state.log_store.record_count(), state.sign_ins.record_count())
    };
    println!("# {records} records and {sign_ins} sign-ins on {}", server.base());
    for (name, value) in [
        ("ZOOM_API_BASE", server.base()),
        ("ZOOM_TOKEN_URL", server.token_url()),
        ("ZOOM_ACCOUNT_ID", ACCOUNT.into()),
        ("ZOOM_CLIENT_ID", CLIENT.into()),
        ("ZOOM_CLIENT_SECRET", SECRET.into()),
    ] {
        println!("export {name}={value}");
    }
    if options.now.is_some() {
        println!("export ZOOM_UDM_NOW={}", iso(now));
    }
    loop {
        std::thread::park();
    }
}
