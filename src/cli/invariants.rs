//! Properties of settings; used by fuzz targets.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how they say no")]

use super::collect_config::{address, days, page_size};
use super::collect_layout::parse_state_url;
use super::error::CliError;
use super::event_args::{default_time, label};
use super::ingest::shard;
use super::parsers::{age, duration, timeout};
use super::{collect, serve};
use crate::clock::duration_millis;
use crate::collect::{API_BASE, Date, MAX_PAGE, Secret};
use std::net::IpAddr;
use std::time::Duration;

/// Every setting accepts a value, or says what was expected.
pub(crate) fn setting(text: &str) {
    times(text);
    numbers(text);
    urls(text);
    let secret = Secret::new(text);
    assert_eq!(format!("{secret:?}"), "Secret(…)");
    assert!(label(text).is_ok() == text.find('=').is_some_and(|at| at > 0 && at + 1 < text.len()));
    if let Ok(glob) = crate::globs::compile_glob(text) {
        let _ = glob.compile_matcher().is_match("zoom/2024/01/31/a.json.gz");
    }
}

/// Flags in an environment variable.
pub(crate) fn flags(text: &str) {
    for outcome in serve::check_embedded_flags(text) {
        if let Err(fault) = outcome {
            usage(&fault, "_FLAGS");
        }
    }
}

fn times(text: &str) {
    if let Ok(time) = duration(text) {
        assert_eq!(age(text), Ok(Some(time)));
        assert_eq!(duration(&format!("{}ms", time.as_millis())), Ok(time));
        // However long, it can be added to the current time.
        assert!(i64::MAX / 2 > duration_millis(time), "{text:?}");
        let before = Date::from_millis(0).add_days(-days(time));
        assert!(
            days(time) >= 0 && before <= Date::from_millis(0) && before.to_string().parse() == Ok(before)
        );
        assert!(collect::since(text).is_ok());
    } else {
        assert!(age(text).is_ok() == (text == "none"));
    }
    if let Ok(date) = text.parse::<Date>() {
        assert_eq!(date.to_string(), text);
        assert_eq!(date.to_string().parse(), Ok(date));
        match collect::since(text) {
            Ok(since) => assert_eq!(since, date),
            Err(fault) => usage(&fault, "is to come"),
        }
    }
    if let Err(fault) = default_time(text) {
        usage(&fault, "--default-time");
    }
}

fn numbers(text: &str) {
    let given = || Some(text.to_owned());
    match page_size(given()) {
        Ok(size) => assert!((1..=MAX_PAGE).contains(&size)),
        Err(why) => assert!(why.starts_with("PAGE_SIZE")),
    }
    match timeout(given()) {
        Ok(time) => assert!((Duration::from_secs(1)..=Duration::from_secs(600)).contains(&time)),
        Err(why) => assert!(why.starts_with("TIMEOUT")),
    }
    match serve::listen(None, given()) {
        Ok(at) => assert_eq!(text.parse(), Ok(at.port())),
        Err(fault) => usage(&fault, "PORT"),
    }
    if let Ok(shard) = shard(text) {
        assert!(shard.index < shard.count);
    }
}

fn urls(text: &str) {
    if let Ok((location, name)) = parse_state_url(text) {
        assert!(!name.is_empty() && !name.contains('/'), "{text:?}");
        assert_eq!(location.to_string().parse(), Ok(location.clone()), "{text:?}");
    }
    if let Ok(url) = address("ZOOM_API_BASE", text, API_BASE) {
        let host = url.host_str().unwrap();
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
        let here = host == "localhost" || literal.is_ok_and(|literal| literal.is_loopback());
        assert!(url.scheme() == "https" || here, "a secret would go to {url} in clear");
    }
}

/// The error is a usage error that names the setting.
fn usage(fault: &CliError, name: &str) {
    assert!(matches!(fault, CliError::Usage(message) if message.contains(name)), "{fault:?}");
}
