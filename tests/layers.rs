//! Checks the layers that the docs of `src/lib.rs` list, and that files do not use each other in a circle.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::LazyLock;
use testkit::files::{list_files, root};

/// Folders of `src` that still contain a circle, also in folders within them. A folder without one must not be listed.
const WITH_CIRCLES: [&str; 1] = ["collect"];

/// Folders whose `mod.rs` still holds more than `mod`, `use` and docs. A folder that needs no exception must not be listed.
const WITH_ITEMS_IN_MOD: [&str; 0] = [];

#[test]
fn modules_use_only_lower_layers() {
    let mut wrong = Vec::new();
    for source in sources(Tests::Kept).values() {
        // The root names all modules; the binary is above them.
        let Some(from) = source.path.first().filter(|from| *from != "main") else { continue };
        let uses = source.paths.iter().filter(|path| path.names[0] == "crate").map(|path| &path.names[1]);
        wrong.extend(
            uses.filter(|to| !may_use(from, to)).map(|to| format!("{}: {from} uses {to}", source.file)),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_has_a_layer() {
    let declared = Regex::new(r"(?m)^\s*(?:pub )?mod (\w+);").expect("the pattern is valid");
    let lib = std::fs::read_to_string(root().join("src/lib.rs")).expect("the file can be read");
    let modules: HashSet<&str> =
        declared.captures_iter(&lib).map(|module| module.extract::<1>().1[0]).collect();
    assert_eq!(modules, LAYERS.keys().map(String::as_str).collect());
}

#[test]
fn files_do_not_use_each_other_in_circles() {
    let circles = circles(&SOURCES);
    let folders: BTreeSet<&str> = circles.iter().map(|circle| top(circle[0])).collect();
    let listed = BTreeSet::from(WITH_CIRCLES);
    let new: Vec<_> = circles.iter().filter(|circle| !listed.contains(top(circle[0]))).collect();
    assert!(new.is_empty(), "each of these files uses the next one: {new:#?}");
    let gone: Vec<_> = listed.difference(&folders).collect();
    assert!(gone.is_empty(), "these folders have no circle; remove them from WITH_CIRCLES: {gone:?}");
}

#[test]
fn mod_files_hold_only_mod_and_use() {
    let with_items = SOURCES.values().filter(|source| source.is_mod_file && source.has_items);
    let found: BTreeSet<&str> = with_items.map(|source| folder(&source.file)).collect();
    let listed = BTreeSet::from(WITH_ITEMS_IN_MOD);
    let new: Vec<_> = found.difference(&listed).collect();
    assert!(new.is_empty(), "move the items of these folders from mod.rs to files named after them: {new:?}");
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "remove these folders from WITH_ITEMS_IN_MOD: {gone:?}");
}

#[test]
fn upward_and_sideways_uses_are_refused() {
    assert!(may_use("mapping", "detail") && may_use("cli", "normalize") && may_use("detail", "detail"));
    assert!(!may_use("detail", "mapping") && !may_use("record", "udm"));
    assert!(!may_use("normalize", "store") && !may_use("store", "ingest"));
}

#[test]
fn paths_are_read_from_code_only() {
    let source = Source::parse(
        "a/b.rs",
        r#"
        //! [`crate::comment`]
        use crate::{email, json::{self, trim as t}, udm::*};
        pub(super) fn f() { super::g("crate::text"); inner::h() }
        mod inner { use super::super::k; }
        #[cfg(test)]
        mod tests { use crate::test; }
        #[cfg(not(test))]
        use crate::real;
        "#,
        Tests::Skipped,
    );
    let paths: Vec<_> = source.paths.iter().map(|path| path.names.join("::")).collect();
    let expected = [
        "crate::email",
        "crate::json",
        "crate::json::trim",
        "crate::udm::*",
        "super::g",
        "inner::h",
        "super::super::k",
        "crate::real",
    ];
    assert_eq!(paths, expected);
    assert_eq!(source.paths[2].alias.as_deref(), Some("t"));
    assert_eq!(source.paths[6].module, ["a", "b", "inner"]);
}

#[test]
fn circles_are_found_through_reexports() {
    let sources = |b: &str| {
        [
            ("m/mod.rs", "mod a; mod b; mod c; pub use a::One; pub use b::{Two as Zwei, three};"),
            ("m/a.rs", "use super::Zwei; use super::c; pub struct One;"),
            ("m/b.rs", b),
            ("m/c.rs", "use super::b::three;"),
            ("n.rs", "use crate::m::Zwei;"),
        ]
        .map(|(file, text)| Source::parse(file, text, Tests::Skipped))
        .map(|source| (source.path.clone(), source))
        .into()
    };
    assert_eq!(circles(&sources("pub struct Two; use crate::n::x;")), [["m/b.rs", "n.rs"]]);
    assert_eq!(circles(&sources("use crate::m::One;")), [["m/a.rs", "m/b.rs", "m/c.rs"]]);
    assert_eq!(circles(&sources("fn f() { super::One; }")), [["m/a.rs", "m/b.rs", "m/c.rs"]]);
    assert_eq!(circles(&sources("mod d { use super::Two; } struct Two;")), [[""; 2]; 0]);
}

/// The path of a module from the root: `["json", "scan"]`.
type ModulePath = Vec<String>;

/// Whether the items that only tests and fuzz targets contain are read.
#[derive(Clone, Copy, PartialEq)]
enum Tests {
    Kept,
    Skipped,
}

/// One source file.
struct Source {
    /// The file below `src`.
    file: String,
    path: ModulePath,
    is_mod_file: bool,
    /// Whether it holds anything but `mod` and `use`.
    has_items: bool,
    paths: Vec<UsedPath>,
}

/// A path of at least two names that a file uses.
struct UsedPath {
    /// The module that it is relative to: that of the file, or one within the file.
    module: ModulePath,
    names: Vec<String>,
    alias: Option<String>,
}

impl Source {
    fn parse(file: &str, text: &str, tests: Tests) -> Self {
        let mut path: ModulePath = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        let is_mod_file = path.last().is_some_and(|name| name == "mod");
        if is_mod_file || file == "lib.rs" {
            path.pop();
        }
        let tokens: TokenStream = text.parse().expect(file);
        let mut source = Self {
            file: file.to_owned(),
            path: path.clone(),
            is_mod_file,
            has_items: false,
            paths: Vec::new(),
        };
        source.has_items = has_items(&code(tokens.clone(), Tests::Skipped));
        source.read(tokens, &path, tests);
        source
    }

    /// Adds the paths in `tokens`, which are in `module`.
    fn read(&mut self, tokens: TokenStream, module: &ModulePath, tests: Tests) {
        let tokens = code(tokens, tests);
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Ident(name)
                    if name == "pub" && is_group(tokens.get(at), Delimiter::Parenthesis) =>
                {
                    at += 1;
                }
                TokenTree::Ident(name) if name == "mod" => {
                    if let [TokenTree::Ident(name), TokenTree::Group(body), ..] = &tokens[at..] {
                        let inner = module.iter().cloned().chain([name.to_string()]).collect();
                        self.read(body.stream(), &inner, tests);
                        at += 2;
                    }
                }
                TokenTree::Ident(_) => at = self.read_path(&tokens, at - 1, module, &[]),
                TokenTree::Group(group) => self.read(group.stream(), module, tests),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// Adds the path, or tree of paths, that begins at `at` after `prefix`; returns where it ends.
    fn read_path(
        &mut self,
        tokens: &[TokenTree],
        mut at: usize,
        module: &ModulePath,
        prefix: &[String],
    ) -> usize {
        let mut names = prefix.to_vec();
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(name)) if name == "self" && !prefix.is_empty() => {}
                Some(TokenTree::Ident(name)) => names.push(name.to_string()),
                Some(TokenTree::Punct(star)) if star.as_char() == '*' && names.len() > 1 => {
                    names.push("*".into());
                }
                Some(TokenTree::Group(group))
                    if group.delimiter() == Delimiter::Brace && names.len() > prefix.len() =>
                {
                    self.read_list(group, module, &names);
                    return at + 1;
                }
                // Generic arguments, which are read on their own.
                _ => break,
            }
            at += 1;
            if !is_colons(&tokens[at..]) {
                break;
            }
            at += 2;
        }
        let alias = match &tokens[at.min(tokens.len())..] {
            [TokenTree::Ident(word), TokenTree::Ident(alias), ..] if word == "as" => Some(alias.to_string()),
            _ => None,
        };
        if names.len() > 1 {
            self.paths.push(UsedPath { module: module.clone(), names, alias });
        }
        at
    }

    fn read_list(&mut self, group: &Group, module: &ModulePath, prefix: &[String]) {
        let tokens: Vec<_> = group.stream().into_iter().collect();
        for tree in tokens.split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',')) {
            if !tree.is_empty() {
                self.read_path(tree, 0, module, prefix);
            }
        }
    }
}

fn is_group(token: Option<&TokenTree>, delimiter: Delimiter) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
}

fn is_colons(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(one), TokenTree::Punct(other), ..] if one.as_char() == ':' && other.as_char() == ':')
}

/// Returns the tokens without attributes and, if `tests` says so, without the items that only tests contain.
fn code(tokens: TokenStream, tests: Tests) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    let mut is_test = false;
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Punct(hash) if hash.as_char() == '#' => {
                tokens.next_if(|token| matches!(token, TokenTree::Punct(not) if not.as_char() == '!'));
                let attribute = tokens.next_if(|token| is_group(Some(token), Delimiter::Bracket));
                let text = attribute.map(|attribute| attribute.to_string()).unwrap_or_default();
                is_test |= tests == Tests::Skipped
                    && text.contains("cfg")
                    && TEST.is_match(&text)
                    && !text.contains("not");
            }
            // An item ends with a semicolon or a block.
            TokenTree::Punct(end) if is_test && end.as_char() == ';' => is_test = false,
            TokenTree::Group(block) if is_test && block.delimiter() == Delimiter::Brace => is_test = false,
            _ if is_test => {}
            _ => kept.push(token),
        }
    }
    kept
}

static TEST: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\btest\b").expect("the pattern is valid"));

/// Returns the tokens with the items of `cfg_if!`, which groups modules, in its place.
fn without_cfg_if(tokens: &[TokenTree]) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut tokens = tokens.iter();
    while let Some(token) = tokens.next() {
        if !matches!(token, TokenTree::Ident(name) if name == "cfg_if") {
            kept.push(token.clone());
            continue;
        }
        let branches = tokens.find(|token| is_group(Some(token), Delimiter::Brace));
        let Some(TokenTree::Group(branches)) = branches else { continue };
        for branch in branches.stream() {
            if let TokenTree::Group(items) = branch
                && items.delimiter() == Delimiter::Brace
            {
                kept.extend(code(items.stream(), Tests::Skipped));
            }
        }
    }
    kept
}

/// Returns whether a file holds anything but `mod` and `use`.
fn has_items(tokens: &[TokenTree]) -> bool {
    let tokens = without_cfg_if(tokens);
    let items = tokens.split(|token| matches!(token, TokenTree::Punct(end) if end.as_char() == ';'));
    items.filter(|item| !item.is_empty()).any(|item| {
        let word = item.iter().find(|token| {
            !matches!(token, TokenTree::Ident(word) if word == "pub")
                && !is_group(Some(token), Delimiter::Parenthesis)
        });
        !matches!(word, Some(TokenTree::Ident(word)) if word == "mod" || word == "use")
    })
}

type Sources = BTreeMap<ModulePath, Source>;

static SOURCES: LazyLock<Sources> = LazyLock::new(|| sources(Tests::Skipped));

fn sources(tests: Tests) -> Sources {
    let src = root().join("src");
    let sources = list_files(&src, "rs").into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).expect("the source can be read");
        Source::parse(&name_below(&path, &src), &text, tests)
    });
    sources.map(|source| (source.path.clone(), source)).collect()
}

fn name_below(path: &Path, directory: &Path) -> String {
    let names = path.strip_prefix(directory).expect("the file is below the directory").iter();
    names.map(|name| name.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The folder of a file: `json` of `json/scan.rs`.
fn folder(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The folder or file directly below `src`.
fn top(file: &str) -> &str {
    file.split('/').next().unwrap_or(file)
}

/// Returns the files that use each other, directly or through others: one list for each group.
fn circles(sources: &Sources) -> Vec<Vec<&str>> {
    let edges: HashMap<&ModulePath, BTreeSet<&ModulePath>> =
        sources.values().map(|source| (&source.path, used_by(sources, source))).collect();
    let reachable: HashMap<&ModulePath, BTreeSet<&ModulePath>> =
        edges.keys().map(|start| (*start, reachable(&edges, start))).collect();
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for path in sources.keys() {
        let circle: Vec<_> =
            reachable[path].iter().filter(|other| reachable[**other].contains(path)).collect();
        if !circle.is_empty() && seen.insert(circle.clone()) {
            circles.push(circle.into_iter().map(|path| sources[*path].file.as_str()).collect());
        }
    }
    circles
}

fn reachable<'s>(
    edges: &HashMap<&'s ModulePath, BTreeSet<&'s ModulePath>>,
    start: &ModulePath,
) -> BTreeSet<&'s ModulePath> {
    let mut found = BTreeSet::new();
    let mut open: Vec<_> = edges[start].iter().copied().collect();
    while let Some(path) = open.pop() {
        if found.insert(path) {
            open.extend(&edges[path]);
        }
    }
    found
}

/// Returns the files that a file uses. The root only names modules, and a `mod.rs` may do so, too.
fn used_by<'s>(sources: &'s Sources, source: &Source) -> BTreeSet<&'s ModulePath> {
    if source.path.is_empty() || source.is_mod_file && !source.has_items {
        return BTreeSet::new();
    }
    let used = source.paths.iter().filter_map(|path| resolve(sources, &path.module, &path.names, 0));
    used.filter(|used| *used != &source.path && !used.is_empty()).collect()
}

/// Returns the file that defines what `names` mean in `module`, if it is one of this crate.
fn resolve<'s>(
    sources: &'s Sources,
    module: &[String],
    names: &[String],
    depth: usize,
) -> Option<&'s ModulePath> {
    let (mut at, mut names) = (module.to_vec(), names);
    match names[0].as_str() {
        "crate" => (at, names) = (Vec::new(), &names[1..]),
        "self" => names = &names[1..],
        "super" => {
            while names.first().is_some_and(|name| name == "super") {
                at.pop();
                names = &names[1..];
            }
        }
        child => {
            at.push(child.to_owned());
            sources.get(&at)?;
            names = &names[1..];
        }
    }
    while let Some((name, rest)) = names.split_first() {
        at.push(name.clone());
        if !sources.contains_key(&at) {
            at.pop();
            break;
        }
        names = rest;
    }
    // A module within a file.
    while !sources.contains_key(&at) {
        at.pop();
    }
    let (path, source) = sources.get_key_value(&at)?;
    let reexport = names
        .first()
        .and_then(|name| source.paths.iter().find(|path| path.module == at && path.name() == name));
    // A glob is followed no further.
    match reexport {
        Some(reexport) if depth < 8 && path != module => {
            resolve(sources, &at, &reexport.names, depth + 1).or(Some(path))
        }
        _ => Some(path),
    }
}

impl UsedPath {
    /// The name that it has where it is used.
    fn name(&self) -> &str {
        self.alias.as_deref().unwrap_or_else(|| self.names.last().expect("the path has names"))
    }
}

/// The layer of each module, from the table in the docs of `src/lib.rs`.
static LAYERS: LazyLock<HashMap<String, u8>> = LazyLock::new(|| {
    let docs = std::fs::read_to_string(root().join("src/lib.rs")).expect("the file can be read");
    let row = Regex::new(r"(?m)^//! \| (\d+) \| \[?`(\w+)`\]? \|").expect("the pattern is valid");
    let layer = |row: regex::Captures<'_>| (row[2].to_owned(), row[1].parse().expect("layers are numbers"));
    row.captures_iter(&docs).map(layer).collect()
});

fn may_use(from: &str, to: &str) -> bool {
    // The root re-exports the types of the lowest layer.
    if to.starts_with(char::is_uppercase) {
        return true;
    }
    match (LAYERS.get(from), LAYERS.get(to)) {
        (Some(above), Some(below)) => from == to || below < above,
        _ => false,
    }
}
