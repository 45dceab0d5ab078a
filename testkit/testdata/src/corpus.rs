//! Records as Zoom and collectors write them.

use fastrand::Rng;

/// Generates lines of records.
pub(super) struct Corpus {
    pub(super) random: Rng,
    /// Seconds since the epoch: a few records per minute.
    clock: i64,
}

struct Record {
    time: String,
    operator: String,
    category: &'static str,
    action: &'static str,
    detail: String,
}

const PEOPLE: [&str; 10] = [
    "homer",
    "marge.simpson",
    "lisa",
    "ned-flanders",
    "moe_s",
    "apu.n",
    "carl",
    "lenny.l",
    "edna",
    "w.smithers",
];
const DOMAINS: [&str; 5] =
    ["springfield.example", "duff.io", "nuclear.example.com", "kwik-e-mart.example", "panther.io"];
const DEPARTMENTS: [&str; 6] =
    ["Engineering", "Sales", "IT - Helpdesk", "People", "Finance & Legal", "Support"];
const ROLES: [&str; 5] = ["Member", "Admin", "Owner", "Billing Admin", "Co-Owner"];
const SETTINGS: [&str; 6] = [
    "Require a passcode when scheduling new meetings",
    "Automatically sign users out after a specified time",
    "Require that all meetings are secured with one security option",
    "Allow users to sign in with Google",
    "Personal Meeting ID (PMI) Passcode",
    "Sign in with Two-Factor Authentication",
];
const BEYOND_ASCII: [&str; 8] =
    ["Müller", "José", "Łukasz", "Zoë", "北京办公室", "Søren Kierkegård", "Ольга", "Renée"];
const CLIENTS: [&str; 6] = ["Browser", "Mac", "Windows", "iOS", "android", "Zoom Rooms"];
const NAMES: [&str; 6] =
    ["Homer Simpson", "Marge", "Lisa S.", "Ned Flanders", "Montgomery Burns", "Barney G"];

impl Corpus {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed), clock: 1_704_067_200 }
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.random.usize(..from.len())]
    }

    fn email(&mut self) -> String {
        format!("{}{}@{}", self.pick(&PEOPLE), self.random.u16(..100), self.pick(&DOMAINS))
    }

    /// Returns the time of the next record.
    fn time(&mut self) -> chrono::DateTime<chrono::Utc> {
        self.clock += self.random.i64(0..40);
        chrono::DateTime::from_timestamp(self.clock, 0).unwrap_or_default()
    }

    fn record(&mut self, name: &str) -> Record {
        let time = self.time();
        let operator = match self.random.u8(..20) {
            0 => "SCIM@Okta".to_owned(),
            1 => "Marketplace App".to_owned(),
            _ => self.email(),
        };
        let (category, action, detail) = self.operation(name);
        Record { time: time.format("%Y-%m-%dT%H:%M:%SZ").to_string(), operator, category, action, detail }
    }

    /// The operation; `name` is inserted where people are named.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of operation is one list")]
    fn operation(&mut self, name: &str) -> (&'static str, &'static str, String) {
        let email = self.email();
        let (role, other) = (self.pick(&ROLES), self.pick(&ROLES));
        let department = self.pick(&DEPARTMENTS);
        match self.random.u8(..100) {
            0..22 => (
                "User",
                "Update",
                format!(
                    "Update User {email}  - Department: from {department} to {} - Display Name: set to {name} - Job Title: set to Staff Engineer",
                    self.pick(&DEPARTMENTS)
                ),
            ),
            22..36 => (
                "User",
                "Add",
                format!(
                    "Add User {email}  - User Type: Licensed - First Name: {name} - Department: {department} - Location: Plant 7G"
                ),
            ),
            36..44 => (
                "User",
                "Batch Update",
                format!(
                    "Change Role  - {email}: from {role} to {other} - Requested by: {name}, ticket OPS-{}",
                    self.random.u16(..9999)
                ),
            ),
            44..58 => {
                let (setting, on) = (self.pick(&SETTINGS), self.random.bool());
                let (from, to) = if on { ("Off", "On") } else { ("On", "Off") };
                (
                    "Account",
                    "Update",
                    format!(
                        "Security  - {setting}: from {from} to {to} - Note: changed for {name} of {department} until further notice"
                    ),
                )
            }
            58..66 => (
                "User Group",
                "Update",
                format!("Edit Group {name} {department}  - {}: from On to Off", self.pick(&SETTINGS)),
            ),
            66..74 => (
                "User",
                "SCIM API - Update",
                format!(
                    "Edit User {email}  - Change Type: from Basic to Licensed - Display Name: from {} to {name}",
                    self.pick(&NAMES)
                ),
            ),
            74..80 => (
                "Zoom Rooms",
                "Add",
                format!(
                    "Add Room  - Room Name: {name} Atrium - Type: Zoom Room - Location: Building {}, floor {}",
                    self.random.u8(..20),
                    self.random.u8(..9)
                ),
            ),
            80..84 => (
                "User",
                "Update",
                format!(
                    "Update User {email}  - Schedule Privilege: [{{\"userId\":\"{:022x}\",\"assistant\":\"{}\",\"options\":\"{name}\"}},{{\"userId\":\"{:022x}\"}}]",
                    self.random.u64(..),
                    self.email(),
                    self.random.u64(..)
                ),
            ),
            84..92 => (
                "Recording",
                "Delete",
                format!(
                    "Delete cloud recording for meeting {} of {name} ",
                    self.random.u64(10_000_000_000..99_999_999_999)
                ),
            ),
            _ => ("User", "Update", format!("Deactivate User {email} ({name}, {department}) ")),
        }
    }

    /// Appends one line as Zoom sends it.
    pub(super) fn sent(&mut self, line: &mut String, beyond_ascii: bool) {
        let odd = beyond_ascii && self.random.u8(..4) == 0;
        let name = if odd { self.pick(&BEYOND_ASCII) } else { self.pick(&NAMES) };
        let record = loop {
            let record = self.record(name);
            if beyond_ascii || !record.detail.contains('"') {
                break record;
            }
        };
        write_record(&record, line, ("", ""), false);
    }

    /// Appends one sign-in as Zoom sends it.
    pub(super) fn sign_in(&mut self, line: &mut String) {
        let (email, time) = (self.email(), self.time().format("%Y-%m-%dT%H:%M:%SZ"));
        let kind = self.pick(&["Sign in", "Sign in", "Sign out"]);
        let ip = match self.random.u8(..4) {
            0 => format!("2001:db8:{:x}::{:x}", self.random.u16(..), self.random.u16(..)),
            _ => format!("192.0.2.{}", self.random.u8(..)),
        };
        let (client, version) = (self.pick(&CLIENTS), self.pick(&["-", "5.9.1.2581", "6.0.0.1000"]));
        line.push_str(&format!(
            r#"{{"email":"{email}","time":"{time}","type":"{kind}","ip_address":"{ip}","client_type":"{client}","version":"{version}"}}"#
        ));
    }

    /// Appends one webhook event as Zoom sends it.
    pub(super) fn webhook(&mut self, line: &mut String) {
        let (operator, email, millis) = (self.email(), self.email(), self.time().timestamp_millis());
        let (name, department) = (self.pick(&NAMES), self.pick(&DEPARTMENTS));
        let on = self.random.bool();
        let (event, objects) = match self.random.u8(..4) {
            0 => (
                "user.created",
                format!(
                    r#""object":{{"id":"u1","first_name":"{name}","email":"{email}","dept":"{department}","type":2}}"#
                ),
            ),
            1 => (
                "account.settings_updated",
                format!(
                    r#""object":{{"id":"a1","settings":{{"in_meeting":{{"chat":{on},"annotation":{}}},"recording":{{"auto_recording":"cloud"}}}}}},"old_object":{{"id":"a1","settings":{{"in_meeting":{{"chat":{}}}}}}}"#,
                    self.random.bool(),
                    !on
                ),
            ),
            2 => (
                "group.updated",
                format!(
                    r#""object":{{"id":"g1","name":"{department}"}},"old_object":{{"id":"g1","name":"{name}"}}"#
                ),
            ),
            _ => (
                "meeting.participant_joined",
                format!(
                    r#""object":{{"id":"{}","topic":"{name}","host_id":"h1","duration":60,"participant":{{"user_name":"{name}","id":"p1","public_ip":"192.0.2.9"}}}}"#,
                    self.random.u64(10_000_000_000..99_999_999_999)
                ),
            ),
        };
        line.push_str(&format!(
            r#"{{"event":"{event}","event_ts":{millis},"payload":{{"account_id":"AAAAAABBBB","operator":"{operator}","operator_id":"z8yEXAMPLE",{objects}}}}}"#
        ));
    }

    /// Appends one line as Python's `json.dumps` writes it.
    pub(super) fn collected(&mut self, line: &mut String) {
        let name = self.pick(&BEYOND_ASCII);
        let record = self.record(name);
        write_record(&record, line, (" ", " "), true);
    }
}

fn write_record(record: &Record, line: &mut String, (comma, colon): (&str, &str), ascii: bool) {
    let members = [
        ("time", record.time.as_str()),
        ("operator", &record.operator),
        ("category_type", record.category),
        ("action", record.action),
        ("operation_detail", &record.detail),
    ];
    for (index, (key, value)) in members.into_iter().enumerate() {
        line.push(if index == 0 { '{' } else { ',' });
        line.push_str(if index == 0 { "" } else { comma });
        line.push_str(&format!("\"{key}\":{colon}\""));
        write_text(value, line, ascii);
        line.push('"');
    }
    line.push('}');
}

fn write_text(text: &str, line: &mut String, ascii: bool) {
    for character in text.chars() {
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            _ if ascii && !character.is_ascii() => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    line.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => line.push(character),
        }
    }
}
