//! Refuses words that no native technical writer would use, in documents, help, messages and doc comments.

use regex::Regex;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use testkit::files::{list_files, root};

/// Words and phrases, each with a replacement.
const REFUSED: [(&str, &str); 12] = [
    (r"mend(s|ed|ing)?", "fix"),
    ("lest", "so that … not"),
    ("anew", "again"),
    ("told apart", "distinguished, detected"),
    ("twins?", "identical records"),
    (r"of itself\.?$", "name the actor"),
    ("is no", "is not a"),
    ("there is no such", "name what is missing"),
    ("comes? to nothing", "say what happens"),
    ("what it comes to", "the result"),
    ("behind", "after"),
    ("a passing trouble|passing trouble", "a transient error"),
];

/// Allowed uses of these words.
static ALLOWED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)behind (an? |the )?(authenticating |Cloud Run )?(proxy|IAM)|there is no (?-i:[^s]|s[^u])|is no longer|\{behind\}|`(super::)?twins`|is no (user|value)")
        .expect("the pattern is valid")
});

#[test]
fn documents_and_messages_use_plain_english() {
    let mut found = Vec::new();
    for path in documents().into_iter().chain(sources()) {
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        let is_code = path.extension().is_some_and(|extension| extension == "rs");
        for (index, line) in text.lines().enumerate() {
            let prose = if is_code { prose_of(line) } else { line.to_owned() };
            for (word, better) in refused(&prose) {
                found.push(format!("{}:{}: {word:?}; write {better:?}", path.display(), index + 1));
            }
        }
    }
    assert!(found.is_empty(), "{} words to replace:\n{}", found.len(), found.join("\n"));
}

#[test]
fn banned_word_is_found_in_comments_and_strings() {
    assert_eq!(refused(&prose_of(r#"    let x = 1; // the twins are mended"#)).len(), 2);
    assert_eq!(refused(&prose_of(r#"    let twins = "that is no file";"#)).len(), 1);
    assert!(refused(&prose_of("    let twins = behind(lest);")).is_empty());
    assert!(refused("runs behind an authenticating proxy such as Cloud Run").is_empty());
    assert_eq!(refused("the text behind the colon").len(), 1);
}

/// Returns the comments and string literals of a line of Rust.
fn prose_of(line: &str) -> String {
    static LITERAL: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#""(?:[^"\\]|\\.)*"?"#).expect("the pattern is valid"));
    let trimmed = line.trim_start();
    if trimmed.starts_with("//") {
        return trimmed.to_owned();
    }
    // A line of a string that spans lines has no quotes of its own.
    let code = trimmed.split_once("// ").map_or(trimmed, |(code, _)| code);
    let comment = &trimmed[code.len()..];
    let literals: Vec<&str> = LITERAL.find_iter(code).map(|literal| literal.as_str()).collect();
    format!("{} {comment}", literals.join(" "))
}

/// Returns the refused words of a text, each with what to write instead.
fn refused(text: &str) -> Vec<(String, &'static str)> {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let pattern = |word: &str| Regex::new(&format!(r"(?i)\b(?:{word})\b")).expect("the pattern is valid");
        REFUSED.iter().map(|(word, better)| (pattern(word), *better)).collect()
    });
    let text = ALLOWED.replace_all(text, "");
    let matches = |(pattern, better): &(Regex, &'static str)| {
        pattern.find(&text).map(|found| (found.as_str().to_owned(), *better))
    };
    PATTERNS.iter().filter_map(matches).collect()
}

/// Returns all Markdown files but those below `fixtures`, `target` and `try`.
fn documents() -> Vec<PathBuf> {
    let skipped = |path: &Path| {
        let inside = path.strip_prefix(root()).unwrap_or(path);
        let first = inside.iter().next().unwrap_or_default();
        ["fixtures", "target", "try", ".git"].iter().any(|name| first == *name)
    };
    list_files(root(), "md").into_iter().filter(|path| !skipped(path)).collect()
}

/// Returns all sources of the program and its page.
fn sources() -> Vec<PathBuf> {
    let source = root().join("src");
    ["rs", "html", "js"].iter().flat_map(|extension| list_files(&source, extension)).collect()
}
