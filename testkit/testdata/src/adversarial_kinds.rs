//! Adversarial sign-ins and webhook events.

use super::adversarial_values::{OPERATORS, TIMES, member, odd_value, pick, text};
use fastrand::Rng;

/// Returns a sign-in, or nearly one.
pub(super) fn sign_in(random: &mut Rng) -> String {
    let mut members = vec![
        member(random, "type", &["Sign in", "Sign out", " sign  in ", "", "x"], 12),
        member(random, "email", &OPERATORS, 12),
    ];
    if random.u8(..20) > 0 {
        let times = if random.u8(..4) == 0 { &TIMES[..] } else { &["2024-01-31T23:59:59Z"] };
        members.push(member(random, "time", times, 0));
    }
    if random.bool() {
        members.push(member(random, "ip_address", &ADDRESSES, 8));
    }
    if random.bool() {
        members.push(member(random, "client_type", &["Browser", "Mac", " ", "\u{fc}\t\"x\""], 8));
    }
    if random.bool() {
        members.push(member(random, "version", &["-", " - ", "5.9.1.2581", "--", ""], 8));
    }
    if random.u8(..4) == 0 {
        members.push(some_member(
            random,
            &["operator", "event", "payload", "event_type", "other", "operation_logs"],
        ));
    }
    object(random, members)
}

/// Returns a webhook event, or nearly one.
pub(super) fn webhook(random: &mut Rng) -> String {
    let mut members = vec![member(random, "event", &EVENTS, 12)];
    if random.u8(..8) > 0 {
        let times = if random.bool() { &TIMES[..] } else { &["1626230691572", "1626230691"] };
        members.push(member(random, "event_ts", times, 0));
    }
    let payload = if random.u8(..12) == 0 { odd_value(random).to_owned() } else { payload(random) };
    members.push(format!("\"payload\":{payload}"));
    if random.u8(..4) == 0 {
        members.push(some_member(random, &["time", "type", "email", "event_type", "payload", "other"]));
    }
    object(random, members)
}

fn payload(random: &mut Rng) -> String {
    let mut members = Vec::new();
    for key in ["operator", "operator_id", "account_id", "time_stamp"] {
        if random.bool() {
            members.push(value_of(random, key));
        }
    }
    for key in ["object", "old_object"] {
        if random.u8(..3) > 0 {
            let inner = if random.u8(..12) == 0 { odd_value(random).to_owned() } else { object_of(random) };
            members.push(format!("\"{key}\":{inner}"));
        }
    }
    object(random, members)
}

/// Returns the object of a payload.
fn object_of(random: &mut Rng) -> String {
    let mut members = Vec::new();
    for _ in 0..random.usize(..8) {
        let key = pick(random, &OBJECT_KEYS).to_owned();
        members.push(value_of(random, &key));
    }
    if random.u8(..3) == 0 {
        members.push(format!("\"settings\":{}", settings(random, 0)));
    }
    if random.u8(..3) == 0 {
        let mut inner = Vec::new();
        for _ in 0..random.usize(..6) {
            let key = pick(random, &PARTICIPANT_KEYS).to_owned();
            inner.push(value_of(random, &key));
        }
        members.push(format!("\"participant\":{}", object(random, inner)));
    }
    object(random, members)
}

/// Returns settings: objects, arrays and scalars in one another.
fn settings(random: &mut Rng, depth: u8) -> String {
    match random.u8(..8) {
        0 if depth == 0 => {
            let levels = random.usize(..80);
            format!("{}true{}", "{\"a\":".repeat(levels), "}".repeat(levels))
        }
        1 => odd_value(random).to_owned(),
        2 => text(pick(random, &OPERATORS), random),
        3 | 4 if depth < 4 => {
            let elements: Vec<_> = (0..random.usize(..4)).map(|_| settings(random, depth + 1)).collect();
            format!("[{}]", elements.join(","))
        }
        _ if depth < 4 => {
            let mut members = Vec::new();
            for _ in 0..random.usize(..5) {
                let key =
                    text(pick(random, &["chat", "a.b", "", "chat", "\u{fc}", "\u{1f600}", "q\"\\"]), random);
                members.push(format!("{key}:{}", settings(random, depth + 1)));
            }
            object(random, members)
        }
        _ => "1.50".to_owned(),
    }
}

/// Returns a member with a value that suits no key in particular.
fn value_of(random: &mut Rng, key: &str) -> String {
    let values = match random.u8(..6) {
        0 => &ADDRESSES[..],
        1 => &TIMES[..],
        2 => &["101", " 101 ", "100", "-", " - "],
        _ => &OPERATORS[..],
    };
    member(random, key, values, 6)
}

fn some_member(random: &mut Rng, keys: &[&str]) -> String {
    let key = pick(random, keys).to_owned();
    match random.u8(..3) {
        0 => format!("\"{key}\":{}", odd_value(random)),
        _ => value_of(random, &key),
    }
}

/// Returns an object of these members in any order, one of them repeated now and then.
fn object(random: &mut Rng, mut members: Vec<String>) -> String {
    if random.u8(..8) == 0 && !members.is_empty() {
        members.push(members[random.usize(..members.len())].clone());
    }
    random.shuffle(&mut members);
    format!("{{{}}}", members.join(pick(random, &[",", ",", ", ", " ,\t"])))
}

const EVENTS: [&str; 10] = [
    "user.updated",
    "user.created",
    " user.signed_in ",
    "group.created",
    "meeting.started",
    "meeting.participant_joined",
    "account.settings_updated",
    "User.updated",
    "",
    "meeting",
];

const ADDRESSES: [&str; 12] = [
    "192.0.2.8",
    " 192.0.2.8 ",
    "2001:db8::8",
    "2001:0db8::8",
    "::ffff:192.0.2.8",
    "192.0.2.08",
    "192.0.2.8:443",
    "fe80::1%eth0",
    "[::1]",
    "1.2.3",
    "-",
    "",
];

const OBJECT_KEYS: [&str; 24] = [
    "id",
    "email",
    "first_name",
    "last_name",
    "display_name",
    "dept",
    "role_name",
    "role",
    "name",
    "version",
    "client_type",
    "login_type",
    "status_id",
    "status_name",
    "date_time",
    "topic",
    "host_id",
    "start_time",
    "duration",
    "timezone",
    "uuid",
    "settings",
    "participant",
    "other",
];

const PARTICIPANT_KEYS: [&str; 8] = [
    "join_time",
    "user_name",
    "user_id",
    "participant_user_id",
    "public_ip",
    "participant_uuid",
    "id",
    "email",
];
