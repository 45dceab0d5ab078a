//! The floors of the house, as the docs of `src/lib.rs` have them: no file uses one above its own.

mod common;

use common::{files, root};
use regex::Regex;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::LazyLock;

/// What `crate::` offers at its root: the ground floor's.
const ROOT_ITEMS: [&str; 2] = ["Reason", "Refusal"];

#[test]
fn no_module_uses_a_higher_layer() {
    let mut wrong = Vec::new();
    for path in files(&root().join("src"), "rs") {
        let from = room(&path);
        // The root names the rooms; the binary is above them all.
        if from == "lib" || from == "main" {
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("a source can be read");
        wrong.extend(
            used(&source)
                .into_iter()
                .filter(|to| !may_use(&from, to))
                .map(|to| format!("{}: {from} uses {to}", path.display())),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_has_a_layer() {
    let declared = Regex::new(r"(?m)^(?:pub )?mod (\w+);").expect("it is a pattern");
    let lib = std::fs::read_to_string(root().join("src/lib.rs")).expect("it can be read");
    let rooms: HashSet<&str> = declared.captures_iter(&lib).map(|room| room.extract::<1>().1[0]).collect();
    assert_eq!(rooms, FLOORS.keys().map(String::as_str).collect());
}

#[test]
fn use_of_a_higher_or_equal_layer_is_detected() {
    assert_eq!(
        used("use crate::cli;\n x = crate::udm::Event;\nuse crate::{email, json::{a, b}, time};"),
        ["cli", "udm", "email", "json", "time"]
    );
    assert_eq!(used("//! [`crate::detail`]\n/// crate::cli"), [""; 0]);
    assert!(may_use("mapping", "detail") && may_use("cli", "normalize") && may_use("detail", "detail"));
    assert!(
        !may_use("detail", "mapping")
            && !may_use("record", "udm")
            && !may_use("normalize", "store")
            && !may_use("store", "ingest")
    );
}

/// The room a file is in: the first name below `src`.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).expect("it is a source");
    let first = inside.iter().next().expect("it has a name").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a source names behind `crate::`, comments aside.
fn used(source: &str) -> Vec<String> {
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let names = Regex::new(r"\bcrate::(?:(\w+)|\{((?:[^{}]|\{[^{}]*\})*)\})").expect("it is a pattern");
    let inner = Regex::new(r"\{[^{}]*\}").expect("it is a pattern");
    let mut used = Vec::new();
    for found in names.captures_iter(&code) {
        match (found.get(1), found.get(2)) {
            (Some(one), _) => used.push(one.as_str().to_owned()),
            (None, list) => {
                let list = inner.replace_all(list.map_or("", |list| list.as_str()), "");
                used.extend(list.split(',').filter_map(|item| {
                    item.trim().split("::").next().filter(|name| !name.is_empty()).map(str::to_owned)
                }));
            }
        }
    }
    used
}

/// The floor of each room, as the table in the docs of `src/lib.rs` has it.
static FLOORS: LazyLock<HashMap<String, u8>> = LazyLock::new(|| {
    let docs = std::fs::read_to_string(root().join("src/lib.rs")).expect("it can be read");
    let row = Regex::new(r"(?m)^//! \| (\d+) \| \[?`(\w+)`\]? \|").expect("it is a pattern");
    row.captures_iter(&docs).map(|row| (row[2].to_owned(), row[1].parse().expect("it is a number"))).collect()
});

fn may_use(from: &str, to: &str) -> bool {
    if ROOT_ITEMS.contains(&to) || to.starts_with(char::is_uppercase) {
        return true;
    }
    match (FLOORS.get(from), FLOORS.get(to)) {
        (Some(above), Some(below)) => from == to || below < above,
        _ => false,
    }
}
