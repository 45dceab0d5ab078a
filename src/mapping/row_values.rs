//! The values of the rows that take a text of an operation log or a sign-in.

use super::diagnostics::{Diagnostic, DiagnosticCounts};
use super::ip_address::ip_address;
use super::options::Values;
use super::row::Setter;
use super::row_lookup::{self, KindRows, sign_in};
use super::table::ROWS;
use super::trace::Trace;
use crate::detail::{Detail, eq_ignore_case, new_value};
use crate::email;
use crate::json::trim;
use crate::record::{Field, Record};
use crate::udm::{Event, Role};
use std::num::NonZero;

/// The values of the rows of one kind of records, numbered as in [`KindRows`].
pub(super) struct MappedValues<'a, const COUNT: usize> {
    texts: [&'a str; COUNT],
    /// One bit for each row that has a value.
    rows: u64,
    /// The total length of all values that were set, in bytes.
    pub(super) length: usize,
}

/// The values of an operation log.
pub(super) type OperationValues<'a> = MappedValues<'a, { KindRows::OPERATION.count }>;
/// The values of a sign-in.
pub(super) type SignInValues<'a> = MappedValues<'a, { KindRows::SIGN_IN.count }>;

impl<const COUNT: usize> Default for MappedValues<'_, COUNT> {
    // Not derived, because arrays of more than 32 elements have no default.
    #[inline]
    fn default() -> Self {
        Self { texts: [""; COUNT], rows: 0, length: 0 }
    }
}

impl<'a> OperationValues<'a> {
    #[inline]
    pub(super) fn gather<'d: 'a>(&mut self, record: &Record<'a>, detail: &Detail<'d>, values: Values) {
        self.gather_fields(record);
        let [email, second] = detail.emails();
        self.set(row_lookup::EMAIL, email);
        self.set(row_lookup::EMAIL2, second);
        self.gather_changes(detail, values);
    }

    /// Sets the values that come from fields of the record.
    #[expect(clippy::inline_always, reason = "called for each record, from two places")]
    #[inline(always)]
    pub(super) fn gather_fields(&mut self, record: &Record<'a>) {
        self.set(row_lookup::ACTION, record.get(Field::Action));
        self.set(row_lookup::DESCRIPTION, record.get(Field::OperationDetail));
        self.set(row_lookup::CATEGORY_TYPE, record.get(Field::CategoryType));
        if let Some(operator) = record.get(Field::Operator).map(trim) {
            let row = if email::is_email(operator) {
                row_lookup::OPERATOR_EMAIL
            } else {
                row_lookup::OPERATOR_USERID
            };
            self.set(row, Some(operator));
        }
    }

    /// Sets the values of changes.
    #[expect(clippy::inline_always, reason = "called for each record, from two places")]
    #[inline(always)]
    pub(super) fn gather_changes<'d: 'a>(&mut self, detail: &Detail<'d>, values: Values) {
        let value = |text: &'d str| match values {
            Values::New => new_value(text),
            Values::Verbatim => Some(text).filter(|text| !text.is_empty()),
        };
        for change in &detail.changes {
            if let Some(row) = row_lookup::of_key(change.key) {
                let value = value(change.value);
                if value.is_none() {
                    self.texts[row] = "";
                }
                self.set(row, value);
            }
        }
        if detail.is_change_of_role() {
            let mut of_email = detail.changes.iter().filter(|change| email::is_email(change.key));
            if let Some(role) = of_email.find_map(|change| value(change.value)) {
                self.set(row_lookup::ROLE, Some(role));
            }
        }
        let may_repeat = self.rows & row_lookup::MAY_REPEAT;
        if may_repeat & may_repeat.wrapping_sub(1) != 0 {
            self.drop_repeated();
        }
    }

    /// Drops values that their list already contains: addresses that differ only in case, and equal roles.
    fn drop_repeated(&mut self) {
        for row in bits(self.rows & row_lookup::MAY_REPEAT) {
            let (path, text) = (ROWS[row].path, self.texts[row]);
            let mut before = bits(self.rows & ((1 << row) - 1)).filter(|&known| ROWS[known].path == path);
            let repeated = match path {
                row_lookup::EMAILS_PATH => before.any(|known| eq_ignore_case(self.texts[known], text)),
                _ => before.any(|known| self.texts[known] == text),
            };
            if repeated {
                self.rows &= !(1 << row);
            }
        }
    }

    /// Returns whether the operator or a target is named; `email2` is only present with `email`.
    pub(super) fn names_user(&self) -> bool {
        self.has_any(row_lookup::OPERATOR | 1 << row_lookup::EMAIL)
    }
}

impl<'a> SignInValues<'a> {
    /// Sets the values of a sign-in. Notes an address that is not one.
    #[inline]
    pub(super) fn gather_sign_in(&mut self, record: &Record<'a>, notes: &mut DiagnosticCounts) {
        self.set(sign_in::TYPE, record.get(Field::Type));
        self.set(sign_in::VERSION, record.get(Field::Version).filter(|text| is_version(text)));
        self.set(sign_in::CLIENT_TYPE, record.get(Field::ClientType));
        self.set(sign_in::ADDITIONAL_TYPE, record.get(Field::Type));
        if let Some(address) = record.get(Field::IpAddress) {
            if let Some(ip) = ip_address(address) {
                self.set(sign_in::IP, Some(ip));
                self.set(sign_in::ASSET_IP, Some(ip));
            } else {
                self.set(sign_in::OTHER_ADDRESS, Some(address));
                notes.add(Diagnostic::IpAddressInvalid, 1);
            }
        }
        if let Some(email) = record.get(Field::Email).map(trim) {
            let row = if email::is_email(email) { sign_in::EMAIL } else { sign_in::USERID };
            self.set(row, Some(email));
        }
    }
}

impl<'a, const COUNT: usize> MappedValues<'a, COUNT> {
    /// Sets the value of a row, or clears it; the last value counts.
    #[inline]
    pub(super) fn set(&mut self, row: usize, text: Option<&'a str>) {
        match text {
            Some(text) => {
                self.texts[row] = text;
                self.rows |= 1 << row;
                self.length += text.len();
            }
            None => self.rows &= !(1 << row),
        }
    }

    /// Returns the last value that was set for a row; empty if there was none. A list may hold an equal one instead.
    pub(super) fn last_value(&self, row: usize) -> &'a str {
        self.texts[row]
    }

    /// Returns the rows that have a value, with it, in table order.
    #[inline]
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, &'a str)> {
        self.each_of(u64::MAX)
    }

    /// Returns those of these rows, a bit for each.
    #[inline]
    pub(super) fn each_of(&self, rows: u64) -> impl Iterator<Item = (usize, &'a str)> {
        bits(self.rows & rows).map(|row| (row, self.texts[row]))
    }

    /// Whether one of these rows has a text: a bit for each.
    #[inline]
    pub(super) fn has_any(&self, rows: u64) -> bool {
        self.rows & rows != 0
    }

    /// Writes the values of all rows, in table order.
    #[inline]
    pub(super) fn put(&self, rows: KindRows, event: &mut Event<'a>, trace: &mut impl Trace) {
        for (row, text) in self.each() {
            put_text(rows.in_table(row), text, event, trace);
        }
    }
}

/// Writes the text of the row with this index in the table.
#[inline]
pub(super) fn put_text<'a>(index: usize, text: &'a str, event: &mut Event<'a>, trace: &mut impl Trace) {
    let row = &ROWS[index];
    match row.put {
        Setter::Text(put) | Setter::Element(put) => put(event, text),
        Setter::TargetText | Setter::TargetList => {
            event.target.user.texts.push((&row_lookup::TEXT_FIELDS[index], text));
        }
        Setter::PrincipalText => {
            event.principal.user.texts.push((&row_lookup::TEXT_FIELDS[index], text));
        }
        Setter::Role => event.target.user.roles.push(Role { name: text, role_type: None }),
        Setter::Preset
        | Setter::Constant(..)
        | Setter::First(_)
        | Setter::Further(_)
        | Setter::Leaves(_)
        | Setter::Enriched
        | Setter::EnrichedElement => return,
    }
    trace.on_fill(row, text);
}

/// Returns whether the text of a version names one: Zoom writes `-` if it does not know it.
pub(super) fn is_version(text: &str) -> bool {
    trim(text) != "-"
}

/// Returns the positions of the set bits, lowest first.
#[inline]
fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        // The compiler uses one instruction for this because the value cannot be 0.
        let lowest = NonZero::new(set)?.trailing_zeros();
        set &= set - 1;
        Some(lowest as usize)
    })
}
