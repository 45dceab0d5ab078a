//! Lines of any length that repeat one thing, to measure time and memory.

/// A way for a line to grow.
#[derive(Debug, Clone, Copy)]
pub struct LongLineKind {
    /// What is repeated, in words.
    pub name: &'static str,
    /// The repeated text, and the text before and after.
    parts: [&'static str; 3],
    /// The text that closes each repetition, before the text after.
    closer: &'static str,
    /// Whether it is the whole line, or a detail in which `'` stands for the quotes of its JSON.
    is_line: bool,
}

impl LongLineKind {
    const fn detail(
        name: &'static str,
        before: &'static str,
        unit: &'static str,
        behind: &'static str,
    ) -> Self {
        Self { name, parts: [before, unit, behind], closer: "", is_line: false }
    }

    const fn line(
        name: &'static str,
        before: &'static str,
        unit: &'static str,
        behind: &'static str,
    ) -> Self {
        Self { is_line: true, ..Self::detail(name, before, unit, behind) }
    }

    const fn closed(self, closer: &'static str) -> Self {
        Self { closer, ..self }
    }

    /// Returns a line of about `size` bytes, without its end.
    #[must_use]
    pub fn of(&self, size: usize) -> String {
        let text = |part: &str| if self.is_line { part.to_owned() } else { part.replace('\'', "\\\"") };
        let ([before, unit, behind], closer) = (self.parts.map(text), text(self.closer));
        let times = size / (unit.len() + closer.len());
        let all = format!("{before}{}{}{behind}", unit.repeat(times), closer.repeat(times));
        if self.is_line {
            return all;
        }
        format!(r#"{{"time":"2024-01-01T00:00:00Z","operator":"a@x.io","operation_detail":"{all}"}}"#)
    }
}

/// The start of a webhook event: up to its payload, its settings, and a list of these.
const WEBHOOK: &str = "{\"event\":\"a\",\"event_ts\":1577836800,\"payload\":{\"object\":{";
const SETTINGS: &str = "{\"event\":\"a\",\"event_ts\":1577836800,\"payload\":{\"object\":{\"settings\":{";
const LIST_SETTINGS: &str =
    "{\"event\":\"a\",\"event_ts\":1577836800,\"payload\":{\"object\":{\"settings\":{\"a\":[";

/// All families of long lines.
pub const LONG: [LongLineKind; 46] = [
    LongLineKind::detail("length of a word", "Update User a@x.io ", "x", ""),
    LongLineKind::detail("changes that are mapped", "Update User a@x.io ", " - Job Title: from A to B", ""),
    LongLineKind::detail("changes that are not", "Security ", " - Some setting: from On to Off", ""),
    LongLineKind::detail("pieces that are no change", "Update  - Search: a", " - b", ""),
    LongLineKind::detail("addresses", "", "a@x.io ", ""),
    LongLineKind::detail("signs that are no address", "", "a@", ""),
    LongLineKind::detail("letters beyond ASCII and signs", "", "é@é", ""),
    LongLineKind::detail("dots and signs", "", ".@a.", ""),
    LongLineKind::detail("changes of role", "Change Role ", " - a@x.io: from A to", ""),
    LongLineKind::detail("words of to", "x  - Job Title: from ", "tox ", ""),
    LongLineKind::detail("spaces", "a", "    ", "b"),
    LongLineKind::detail("what needs an escape", "a", "\\n", ""),
    LongLineKind::detail("elements of json_data", "x  - K: [{}", ",{'userId':'u','options':['a',1]}", "]"),
    LongLineKind::detail("user ids", "x  - K: [{}", ",{'userId':1}", "]"),
    LongLineKind::detail("users with options", "x  - K: [{}", ",{'options':1}", "]"),
    LongLineKind::detail("elements that are no user", "x  - K: [{}", ",1", "]"),
    LongLineKind::detail("options of the first user", "x  - K: [{'options':[0", ",1", "]}]"),
    LongLineKind::detail("options of another user", "x  - K: [{},{'options':[0", ",1", "]}]"),
    LongLineKind::detail("options that are texts", "x  - K: [{'options':['a'", ",'a'", "]}]"),
    LongLineKind::detail("options that say nothing", "x  - K: [{'options':[0", ",''", "]}]"),
    LongLineKind::detail("options within options", "x  - K: [{'options':", "[", "}]").closed("]"),
    LongLineKind::detail("elements never closed", "x  - K: ", "[{'userId':'u'},", ""),
    LongLineKind::detail("depth of json_data", "x  - K: [{'userId':", "[", ""),
    LongLineKind::detail("hostile brackets", "", "[{", ""),
    LongLineKind::detail("hostile braces", "", "{'a':", ""),
    LongLineKind::detail("hostile braces and quotes", "", "{'[{':", ""),
    LongLineKind::detail("hostile quotes", "", "[{'a':'\\u0022", ""),
    LongLineKind::line("depth of a member", "{\"time\":1577836800,\"action\":\"a\",\"x\":", "[", "}")
        .closed("]"),
    LongLineKind::line("depth of a detail", "{\"time\":1577836800,\"operation_detail\":", "[", "}")
        .closed("]"),
    LongLineKind::line(
        "records of an array",
        "[{\"time\":1577836800,\"action\":\"a\"}",
        ",{\"time\":1577836800,\"action\":\"a\"}",
        "]",
    ),
    LongLineKind::line(
        "records of a page",
        "{\"operation_logs\":[0",
        ",{\"time\":1577836800,\"action\":\"a\"}",
        "]}",
    ),
    LongLineKind::line("no records of an array", "[{}", ",{}", "]"),
    LongLineKind::detail("JSON that replaces JSON", "x  - K: ", "from [{}] to [{'a':", ""),
    LongLineKind::line("depth of pages", "", "{\"operation_logs\":[", "").closed("]}"),
    LongLineKind::line("values of a line", "", "{\"time\":1577836800,\"action\":\"a\"}", ""),
    LongLineKind::line("no records of a line", "", "{}", ""),
    LongLineKind::line("objects of another log", "[{}", ",{\"code\":124}", "]"),
    LongLineKind::line(
        "sign-ins of a page",
        "{\"activity_logs\":[0",
        ",{\"time\":1577836800,\"type\":\"a\",\"email\":\"b\"}",
        "]}",
    ),
    LongLineKind::line("length of a sign-in", "{\"time\":1577836800,\"type\":\"a\",\"email\":\"", "x", "\"}"),
    LongLineKind::line("members of a payload", WEBHOOK, "\"a\":1,", "\"b\":1}}}"),
    LongLineKind::line("equal members of settings", SETTINGS, "\"a\":1,", "\"b\":1}}}}"),
    LongLineKind::line("settings of a list", LIST_SETTINGS, "1,", "1]}}}}"),
    LongLineKind::line("depth of settings", SETTINGS, "\"a\":[1],\"b\":{", "}}}}").closed("}"),
    LongLineKind::line("lists in settings", LIST_SETTINGS, "[", "]}}}}").closed("]"),
    LongLineKind::line("empty settings", SETTINGS, "\"\":{},", "\"b\":1}}}}"),
    LongLineKind::line("no records of a page", "{\"operation_logs\":[0", ",0", "]}"),
];
