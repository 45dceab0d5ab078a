//! Finds the records of a page whose list holds further pages.
//!
//! Pages may be nested as deep as a line is long, so this reads the text once and uses no stack.

use super::field::{Field, PAGE_LISTS, page_list};
use crate::json::{Cursor, string};

/// Where each of a page's lists of records begins.
type Lists = [Option<usize>; PAGE_LISTS.len()];

/// An object with a list of records.
#[derive(Debug)]
struct Page {
    start: usize,
    end: usize,
    lists: Lists,
    has_fields: bool,
}

/// The elements of a page's list and of the pages in it, in order, without those pages: records, and values that are not.
#[derive(Debug)]
pub(crate) struct Elements<'a> {
    text: &'a str,
    /// Every page in the text, by its start.
    pages: Vec<Page>,
    /// The lists being read, outermost first.
    open: Vec<Cursor<'a>>,
    with_fields: u32,
}

impl<'a> Elements<'a> {
    /// Reads the page that `text` is, which must be valid JSON.
    pub(crate) fn of(text: &'a str) -> Self {
        let mut pages = scan(text);
        pages.sort_unstable_by_key(|page| page.start);
        let mut elements = Self { text, pages, open: Vec::new(), with_fields: 0 };
        elements.enter(0);
        elements
    }

    /// Returns how many of the pages read so far also have a record's own fields.
    pub(crate) fn pages_with_fields(&self) -> u32 {
        self.with_fields
    }

    fn enter(&mut self, index: usize) {
        let Some(page) = self.pages.get(index) else { return };
        self.with_fields += u32::from(page.has_fields);
        let mut lists = page.lists;
        // The list that stands first is read first: it is opened last.
        lists.sort_unstable();
        for list in lists.into_iter().rev().flatten() {
            let mut list = Cursor::at(self.text, list);
            list.enter();
            self.open.push(list);
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let list = self.open.last_mut()?;
            if !list.next_item() {
                self.open.pop();
                continue;
            }
            let Ok(index) = self.pages.binary_search_by_key(&list.position(), |page| page.start) else {
                return list.value();
            };
            // The end was found by the scan: searching for it in every outer list would take quadratic time.
            *list = Cursor::at(self.text, self.pages[index].end);
            self.enter(index);
        }
    }
}

/// An object that may be a page, while it is read.
struct OpenObject {
    start: usize,
    lists: Lists,
    in_list: bool,
    has_fields: bool,
}

/// Finds the outermost page and all pages in lists of pages, in one pass: it enters lists and skips everything else.
fn scan(text: &str) -> Vec<Page> {
    let mut cursor = Cursor::new(text);
    let (mut pages, mut open) = (Vec::new(), Vec::new());
    let begin = |cursor: &mut Cursor<'_>| {
        let start = cursor.position();
        cursor.enter();
        OpenObject { start, lists: Lists::default(), in_list: false, has_fields: false }
    };
    open.push(begin(&mut cursor));
    while let Some(object) = open.last_mut() {
        match (cursor.next_item(), object.in_list) {
            (true, true) if cursor.rest().starts_with('{') => open.push(begin(&mut cursor)),
            (true, true) => _ = cursor.value(),
            (true, false) => member(&mut cursor, object),
            (false, true) => object.in_list = false,
            (false, false) => {
                let Some(OpenObject { start, lists, has_fields, .. }) = open.pop() else { break };
                let is_page = lists.iter().any(Option::is_some);
                pages.extend(is_page.then(|| Page { start, end: cursor.position(), lists, has_fields }));
            }
        }
    }
    pages
}

/// Reads the key of a member of `object`, and its value unless that is a list of records. The last of equal keys counts.
fn member(cursor: &mut Cursor<'_>, object: &mut OpenObject) {
    let key = string(cursor.key().unwrap_or_default());
    object.has_fields |= Field::named(key.as_bytes()).is_some();
    if let Some(list) = page_list(key.as_bytes()) {
        object.lists[list] = Some(cursor.position()).filter(|_| cursor.rest().starts_with('['));
        object.in_list = object.lists[list].is_some();
    }
    if object.in_list {
        cursor.enter();
    } else {
        cursor.value();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_pages_yield_records_in_order() {
        for (page, expected, with_fields) in [
            (r#"{"operation_logs":[{"time":1},2,[{}]]}"#, &[r#"{"time":1}"#, "2", "[{}]"][..], 0),
            (
                r#"{"operation_logs":[{"a":1},{"time":0,"operation_logs":[{"b":1},{"operation_logs":[]}]},{"c":1}]}"#,
                &[r#"{"a":1}"#, r#"{"b":1}"#, r#"{"c":1}"#],
                1,
            ),
            (
                r#"{"operation_logs":[{"operation_logs":{}},{"x":{"operation_logs":[1]}}]}"#,
                &[r#"{"operation_logs":{}}"#, r#"{"x":{"operation_logs":[1]}}"#],
                0,
            ),
            // The last of equal keys counts, however it is written.
            (
                r#"{"operation_logs":[1],"operation\u005flogs" : [ {"operation_logs":[2],"operation_logs":3} , 4 ] }"#,
                &[r#"{"operation_logs":[2],"operation_logs":3}"#, "4"],
                0,
            ),
            // Lists of both kinds, in one page and in one another.
            (
                r#"{"activity_logs":[1,{"operation_logs":[2]}],"operation_logs":[{"email":"","activity_logs":[3]},4]}"#,
                &["1", "2", "3", "4"],
                1,
            ),
            (r#"{"operation_logs":[1],"activity_logs":[2],"operation_logs":[3]}"#, &["2", "3"], 0),
        ] {
            let mut elements = Elements::of(page);
            assert!(elements.by_ref().eq(expected.iter().copied()), "{page}");
            assert_eq!(elements.pages_with_fields(), with_fields, "{page}");
        }
    }

    #[test]
    fn deep_pages_take_linear_time_and_constant_stack() {
        const DEEP: usize = 100_000;
        let page = "{\"operation_logs\":[1,".repeat(DEEP) + "2" + &"]}".repeat(DEEP);
        assert_eq!(Elements::of(&page).count(), DEEP + 1);
    }
}
