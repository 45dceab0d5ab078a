//! Details of which `--enrich` maps everything, detected without mapping them.

use crate::detail::{Change, Detail, old_and_new};
use crate::mapping::row_of_key;

/// The number of changes up to which each is compared with those before it.
const MOST_COMPARED: usize = 8;

/// The lists of which a value can be left out, because they hold an equal one.
const LISTS: [&str; 2] = ["target.user.emailAddresses", "target.user.attribute.roles[].name"];

/// Returns whether `--enrich` maps all parts of a detail but those of its JSON, which it maps as the default does; `false` also
/// if that must be found out by mapping it.
///
/// HEAD is the summary, a piece without a key is a label or an address, and of each change the old and the new value are
/// labels or roles; a change without a value is named as changed.
pub(crate) fn is_mapped_by_enrich(detail: &Detail<'_>) -> bool {
    // One address is that of the target.
    let has_one_address = !detail.may_have_addresses();
    let is_simple = || !detail.is_change_of_role() && !detail.unkeyed.is_some_and(|text| text.contains('@'));
    let is_mapped = |index| is_mapped(&detail.changes, index, has_one_address);
    detail.changes.len() <= MOST_COMPARED
        && (has_one_address || is_simple())
        && (0..detail.changes.len()).all(is_mapped)
}

fn is_mapped(changes: &[Change<'_>], index: usize, has_one_address: bool) -> bool {
    let Change { key, value } = changes[index];
    let is_of_list = || row_of_key(key).is_some_and(|row| LISTS.contains(&row.path));
    // Only the first change with a key names it.
    let is_repeated = || changes[..index].iter().any(|change| change.key == key);
    let names_another = !has_one_address && key.contains('@');
    // Few keys are repeated, so most values are not read.
    !(names_another || is_of_list() || is_repeated() && says_nothing(value))
}

fn says_nothing(value: &str) -> bool {
    // Other values than `set to …` and `from … to …` are new values.
    match value.as_bytes().first() {
        None => true,
        Some(b's' | b'f') => old_and_new(value) == [None, None],
        Some(_) => false,
    }
}
