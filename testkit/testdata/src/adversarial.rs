//! Adversarial lines, for the second implementation of the rules and for fuzzing.

use super::adversarial_kinds::{sign_in, webhook};
use super::adversarial_values::{OPERATORS, TIMES, member, odd_value, pick, text};
use fastrand::Rng;

/// Appends one line without its end.
pub(super) fn line(random: &mut Rng, out: &mut String) {
    match random.u8(..44) {
        0 => out.push_str(pick(random, &NO_RECORDS)),
        1 => {
            let records: Vec<_> = (0..random.usize(..4)).map(|_| record(random)).collect();
            out.push_str(&format!("[{}]", records.join(pick(random, &[",", " , "]))));
        }
        2 => {
            let records: Vec<_> = (0..random.usize(..4)).map(|_| record(random)).collect();
            let token = pick(random, &["\"\"", "null", "\"a+b\""]);
            out.push_str(&format!(
                r#"{{"from":"2024-01-01","next_page_token":{token},"operation_logs":[{}]}}"#,
                records.join(",")
            ));
        }
        3 => {
            let record = record(random);
            let mut end = random.usize(..record.len());
            while !record.is_char_boundary(end) {
                end -= 1;
            }
            out.push_str(&record[..end]);
        }
        4 => out.push_str(&format!("{}\r", record(random))),
        5 => {
            for _ in 0..random.usize(2..4) {
                out.push_str(&value(random, 0));
                out.push_str(pick(random, &["", "", " ", "\t"]));
            }
        }
        6..8 => out.push_str(&value(random, 0)),
        _ => out.push_str(&record(random)),
    }
}

/// A record, a page or an array of them, in one another now and then.
fn value(random: &mut Rng, depth: u8) -> String {
    if depth > 3 || random.u8(..3) == 0 {
        return record(random);
    }
    let elements: Vec<_> = (0..random.usize(..4))
        .map(|_| {
            if random.u8(..6) == 0 {
                pick(random, &NO_RECORDS[3..11]).to_owned()
            } else {
                value(random, depth + 1)
            }
        })
        .collect();
    let elements = elements.join(pick(random, &[",", " , "]));
    match random.u8(..6) {
        0 => format!("[{elements}]"),
        1 => format!(r#"{{"time":"2024-01-31T23:59:59Z","operation_logs":[{elements}],"action":"x"}}"#),
        2 => format!(r#"{{"operation_logs":[{elements}],"operation_logs":{}}}"#, odd_value(random)),
        3 => format!(
            r#"{{"activity_logs":[{elements}],"page_size":30,"operation_logs":[{}]}}"#,
            record(random)
        ),
        4 => format!(r#"{{"activity_logs":[{elements}]}}"#),
        _ => format!(r#"{{"page_size":300,"operation_logs":[{elements}]}}"#),
    }
}

const NO_RECORDS: [&str; 18] = [
    "",
    " ",
    "\t\r",
    "5",
    "\"text\"",
    "null",
    "[1]",
    "[[]]",
    "[]",
    "{}",
    "{\"operation_logs\":[]}",
    "[{\"time\":\"2024-01-01T00:00:00Z\"},5]",
    "{\"operation_logs\":5}",
    "NaN",
    "{'time':1}",
    "{\"time\":\"2024-01-01T00:00:00Z\"} x",
    "{\"time\":\"2024-01-01T00:00:00Z\"}{\"time\"",
    "{\"time\":\"2024-01-01T00:00:00Z\"} 5",
];

/// A record of any kind, mostly an operation log.
fn record(random: &mut Rng) -> String {
    match random.u8(..10) {
        0 => sign_in(random),
        1 => webhook(random),
        _ => operation(random),
    }
}

fn operation(random: &mut Rng) -> String {
    let mut members = Vec::new();
    match random.u8(..20) {
        0 => {}
        1..5 => members.push(member(random, "time", &TIMES, 0)),
        _ => members.push(member(random, "time", &["2024-01-31T23:59:59Z", "2024-03-01 00:00:00"], 0)),
    }
    if random.u8(..5) > 0 {
        members.push(member(random, "operator", &OPERATORS, 0));
    }
    if random.bool() {
        members.push(member(
            random,
            "category_type",
            &["User", "Zoom Rooms", " ", "", "Gr\u{fc}ppe\t\"x\""],
            12,
        ));
    }
    if random.bool() {
        members.push(member(random, "action", &["Add", "Update ", "", "L\u{f6}schen", "\u{1f600}"], 12));
    }
    if random.u8(..8) > 0 {
        let detail = text(&detail(random), random);
        members.push(format!(
            "\"operation_detail\":{}",
            if random.u8(..20) == 0 { odd_value(random).to_owned() } else { detail }
        ));
    }
    if random.u8(..6) == 0 {
        members.push(member(
            random,
            "event_type",
            &[
                "USER_LOGIN",
                "operation_log",
                "GENERIC_EVENT",
                " USER_CREATION ",
                "user_login",
                "",
                "SETTING_MODIFICATION",
                "USER_UNCATEGORIZED",
                "EVENTTYPE_UNSPECIFIED",
                "STATUS_UPDATE",
            ],
            12,
        ));
    }
    if random.u8(..10) == 0 {
        members.push(format!("\"other\":{}", odd_value(random)));
    }
    random.shuffle(&mut members);
    let separator = pick(random, &[",", ",", ", ", " ,\t"]);
    format!("{{{}}}", members.join(separator))
}

/// Appends a detail: parts of the grammar in any order.
fn detail(random: &mut Rng) -> String {
    let mut detail = String::new();
    for _ in 0..random.usize(1..8) {
        match random.u8(..10) {
            0..3 => detail.push_str(pick(random, &HEADS)),
            3..6 => {
                detail.push_str(pick(random, &["  - ", "  - ", " - ", " - ", "- ", " -", "   - "]));
                detail.push_str(pick(random, &KEYS));
                detail.push_str(pick(random, &[": ", ": ", ": ", ":", " : ", ""]));
                detail.push_str(pick(random, &VALUES));
            }
            6 => detail.push_str(pick(random, &JSON)),
            7 => detail.push_str(pick(random, &PIECES)),
            8 => detail.push_str(pick(random, &[" ", "  ", " - ", "-", ":", "\t", "\u{a0}"])),
            _ => detail.push_str(pick(random, &OPERATORS)),
        }
    }
    detail
}

const HEADS: [&str; 9] = [
    "Update User a@x.io",
    "Change Role",
    "CHANGE role x",
    "Add Group IT",
    "Sign-in Methods",
    "delete user",
    "x@y.zz and Y@y.ZZ or q@r.st",
    "Update b@x.io",
    "",
];
const KEYS: [&str; 22] = [
    "Email Address",
    "Display Name",
    "First Name",
    "Last Name",
    "Job Title",
    "Department",
    "Description",
    "Role Name",
    "User Role",
    "Role",
    "role",
    "Room Name",
    "Type",
    "User Type",
    "Location",
    "a@x.io",
    "B@X.io",
    "n@o.pq (New)",
    "job title",
    " Job Title ",
    "",
    "Key [x] {y}",
];
const VALUES: [&str; 24] = [
    "set to A",
    "set to",
    "set to ",
    "set topic",
    "from A to B",
    "from A to B to C",
    "from  to New",
    "from Old to",
    "from to New",
    "from to",
    "From A to B",
    "from A",
    "Basic",
    "IT - Helpdesk",
    "from IT - Helpdesk to Sales",
    "",
    " ",
    "z@z.zz",
    "from a@b.co to c@d.ef",
    "03/02/2023 - 03/30/2023",
    "http://x: y",
    "\u{fc}n\u{ef}c\u{f6}de \"q\" \\",
    "from x tomorrow to y",
    "set to from A to B",
];
const PIECES: [&str; 7] =
    [" - user2@example.com", " - no change", " - http://x", " - a:b", " - - ", " - :", " - K:v"];
const JSON: [&str; 24] = [
    "from [{\"userId\":\"old\"}] to [{\"userId\":\"new\"}]",
    "K: from {\"userId\":\"old\"} to {}",
    "from [{\"userId\":\"old\"}] to [{\"userId\"",
    "[{\"userId\":\"\\udc00u\",\"options\":[\"\\ud83d\",{\"\\ud83d\":1}]}]",
    "[{\"userId\":\"u1\",\"assistant\":\"b@x.io\",\"options\":\"edit\"},{\"userId\":\"u2\"}]",
    "{\"userId\":\" u1 \"}",
    "{}",
    "[{}]",
    "[ {\"userId\":5}, {\"userId\":true} , 7, null]",
    "[{\"userId\":null},{\"options\":[\"a\",1,null,\"\"]}]",
    "[{\"assistant\":{\"k\": [1, 2.50]}},{\"options\":[[1],{\"a\":\"b\"}]}]",
    "[1,{\"userId\":\"in\"}]",
    "[{\"userId\":\"cut",
    "[{\"a\":1},",
    "{ \"userId\":\"spaced\"}",
    "[\t{\"userId\":\"tab\"}]",
    "[[{\"userId\":\"deep\"}]]",
    "{\"userId\":\"a\",\"userId\":\"b\"}",
    "[x]",
    "{x}",
    "[{\"userId\":\"\\ud800\"}]",
    "[{\"a\":\"[{\\\"userId\\\":\\\"q\\\"}]\"}]",
    "[{\"options\":\" \"},{\"options\":[]},{\"userId\":\"\"}]",
    "[{\"userId\":\"- u - \", \"k\":\" - Job Title: X\"}]",
];
