use super::*;
use proptest::prelude::*;

fn parsed<T>(text: &str, visit: impl FnOnce(&Detail<'_>) -> T) -> T {
    visit(&Detail::parse(text, &mut SpliceBuf::default()))
}

fn changes<'a>(detail: &Detail<'a>) -> Vec<(&'a str, &'a str)> {
    detail.changes.iter().map(|change| (change.key, change.value)).collect()
}

#[test]
fn head_ends_at_double_space_before_single_space() {
    for (text, head, expected) in [
        ("Edit Group Recruiting ", "Edit Group Recruiting", &[][..]),
        ("Security  - Passcode: from On to Off", "Security", &[("Passcode", "from On to Off")]),
        ("A - B: c  - D: e", "A - B: c", &[("D", "e")]),
        ("A - B: c - D: e", "A", &[("B", "c"), ("D", "e")]),
        ("- B: c", "", &[("B", "c")]),
        ("Sign-in Methods  - Allow: from Off to On", "Sign-in Methods", &[("Allow", "from Off to On")]),
        ("A  -B: c", "A  -B: c", &[]),
        ("A- B: c  - D: e", "A- B: c", &[("D", "e")]),
        ("A  - B: c- D: e", "A", &[("B", "c- D: e")]),
        ("A  - ", "A  -", &[]),
    ] {
        parsed(text, |detail| assert_eq!((detail.head, &changes(detail)[..]), (head, expected), "{text}"));
    }
}

#[test]
fn segment_without_key_joins_the_previous_one() {
    for (text, alone, expected) in [
        (
            "X  - Search Date: 03/02/2023 - 03/30/2023",
            None,
            &[("Search Date", "03/02/2023 - 03/30/2023")][..],
        ),
        (
            "X  - Department: from IT - Helpdesk to Sales",
            None,
            &[("Department", "from IT - Helpdesk to Sales")],
        ),
        ("delete user - user2@example.com", Some("user2@example.com"), &[]),
        ("X  - a - b - K: v", Some("a - b"), &[("K", "v")]),
        ("X  - K: v - http://x - L:", None, &[("K", "v - http://x"), ("L", "")]),
        ("X  - K:v - : w", Some("K:v - : w"), &[]),
        ("X  - Key (a@b.co) [x]: v", None, &[("Key (a@b.co) [x]", "v")]),
        ("X  - K: a - - b", None, &[("K", "a - - b")]),
        ("X  - K: v - - L: w", None, &[("K", "v"), ("- L", "w")]),
    ] {
        parsed(text, |detail| {
            assert_eq!((detail.unkeyed, &changes(detail)[..]), (alone, expected), "{text}");
        });
    }
}

#[test]
fn new_value_is_the_text_after_set_to_or_to() {
    for (value, new) in [
        ("set to Contractor", Some("Contractor")),
        ("set to", None),
        ("set topic", Some("set topic")),
        ("from A to B", Some("B")),
        ("from A to B to C", Some("B to C")),
        ("from A bc to B", Some("B")),
        ("from  to New", Some("New")),
        ("from Old to", None),
        ("from to New", Some("from to New")),
        ("from tomorrow to", None),
        ("from a tomorrow", Some("from a tomorrow")),
        ("Basic", Some("Basic")),
        ("", None),
    ] {
        assert_eq!(new_value(value), new, "{value}");
        assert_eq!(old_and_new(value)[1], new, "{value}");
    }
}

#[test]
fn old_value_is_the_text_between_from_and_to() {
    for (value, old) in [
        ("from A to B", Some("A")),
        ("from A bc to B to C", Some("A bc")),
        ("from  to New", None),
        ("from Old to", Some("Old")),
        ("from to New", None),
        ("from a tomorrow", None),
        ("From A to B", None),
        ("set to A", None),
        ("", None),
    ] {
        assert_eq!(old_and_new(value)[0], old, "{value}");
    }
}

#[test]
fn emails_come_from_head_and_keys_but_not_values() {
    for (text, emails) in [
        ("Add User a@b.co  - K: c@d.co", [Some("a@b.co"), None]),
        ("Add a@b.co A@B.co c@d.co e@f.co", [Some("a@b.co"), Some("c@d.co")]),
        ("delete user - a@b.co", [Some("a@b.co"), None]),
        ("Change Role  - a@b.co: x - c@d.co: y", [Some("a@b.co"), Some("c@d.co")]),
        ("müller@bücher.example MÜLLER@BÜCHER.example", [Some("müller@bücher.example"), None]),
    ] {
        parsed(text, |detail| assert_eq!(detail.emails(), emails, "{text}"));
    }
}

#[test]
fn role_change_is_detected_by_head_prefix() {
    for (text, is) in [
        ("Change Role", true),
        ("change ROLE of a@b.co  - K: v", true),
        ("Change Rol", false),
        ("Update  - Change Role: v", false),
        ("", false),
    ] {
        parsed(text, |detail| assert_eq!(detail.is_change_of_role(), is, "{text}"));
    }
}

#[test]
fn json_is_removed_before_parsing_the_rest() {
    let text = "Update a@b.co  - K: [{\"userId\":\" u1 - x\"}] - L: v";
    parsed(text, |detail| {
        assert_eq!(changes(detail), [("K", ""), ("L", "v")]);
        assert_eq!(detail.json(), Some("[{\"userId\":\" u1 - x\"}]"));
        assert_eq!(detail.users().next().unwrap().userid.as_deref(), Some("u1 - x"));
    });
}

#[test]
fn replaced_json_uses_the_new_value() {
    let text = "Update a@b.co  - K: from [{\"userId\":\"old\"}] to [{\"userId\":\"new\"}] - L: v";
    parsed(text, |detail| {
        assert_eq!((detail.head, changes(detail)), ("Update a@b.co", vec![("K", "from  to"), ("L", "v")]));
        assert_eq!(detail.users().next().unwrap().userid.as_deref(), Some("new"));
    });
}

#[test]
fn spaces_around_removed_json_are_no_double_space() {
    for (text, head) in [
        ("x - K: [{}] - L: v", "x"),
        ("x - K: from {} to {} - L: v", "x"),
        ("x - K: [{}]  - L: v", "x - K:"),
        ("x - K:  [{}]- L: v", "x - K:"),
        ("x - K: [{}] - L: v  - M: w", "x - K:  - L: v"),
        ("x [{}] - L: v", "x"),
        ("[{}]  - L: v", ""),
    ] {
        parsed(text, |detail| assert_eq!(detail.head, head, "{text}"));
    }
}

#[test]
fn single_object_is_json_and_one_user() {
    parsed("x {\"userId\":\"u\"}", |detail| {
        let users: Vec<_> = detail.users().collect();
        assert!(detail.has_json() && users.len() == 1);
        assert_eq!(users[0].userid.as_deref(), Some("u"));
    });
    parsed("x {y} [z]", |detail| assert!(!detail.has_json() && detail.users().next().is_none()));
}

#[test]
fn json_users_follow_the_documented_types() {
    let text = r#"x [{"userId":1.50,"assistant":["a",null,2,""],"options":{"a": 1}},5,{"userId":" "},
        {"options":[[1], 2],"assistant":[]},{"userId":"v","userId":"w","options":false},{"assistant":"b"}]"#;
    parsed(text, |detail| {
        let mut users = detail.users();
        let first = users.next().unwrap();
        assert_eq!(first.userid.as_deref(), Some("1.50"));
        assert!(first.assistant.each().eq(["a", "2"]));
        assert!(first.options.each().eq([r#"{"a":1}"#]));
        assert_eq!(users.skipped(), 0);
        let further: Vec<_> = users.by_ref().collect();
        assert_eq!(users.skipped(), 1);
        assert_eq!(further.len(), 3);
        assert!(further[0].options.each().eq(["[1]", "2"]));
        assert_eq!(further[1].userid.as_deref(), Some("w"));
        assert!(further[1].options.each().eq(["false"]));
        assert_eq!(
            (further[2].json, &further[2].assistant),
            (r#"{"assistant":"b"}"#, &TextValues::from("b"))
        );
    });
}

#[test]
fn json_escapes_are_decoded() {
    let text = r#"x [{"userId":"a\"\u00e9","options":"plain"}]"#;
    parsed(text, |detail| {
        let first = detail.users().next().unwrap();
        assert_eq!(first.userid.as_deref(), Some("a\"\u{e9}"));
        assert!(first.options.each().eq(["plain"]));
    });
}

#[test]
fn span_within_requires_full_containment() {
    let text = "abcdef";
    assert_eq!(span_within(&text[1..5], &text[2..5]), Some(1..4));
    assert_eq!(span_within(&text[1..3], &text[2..5]), None);
    assert_eq!(span_within(&text[2..4], &text[1..3]), None);
}

#[test]
fn json_search_is_linear_on_brackets() {
    // Quadratic work on these would take hours, not a moment.
    for unit in ["[{", "{\"", "[{\"a\":", "{\"a\":{", "[{}, ", "{\"[{\":", "[{\"a\":\"\\\"", "{}x"] {
        let text = unit.repeat(1_000_000 / unit.len());
        parsed(&text, |detail| assert!(detail.head.len() <= text.len()));
    }
}

proptest! {
    #[test]
    fn any_detail_text_is_parsed(text in "([A-Za-z@.:{}\\[\\]\" -]|\\PC| - |  - |: ){0,40}") {
        parsed(&text, |detail| {
            prop_assert!(detail.changes.iter().all(|change| !change.key.is_empty()));
            prop_assert!(text.contains(detail.head) || detail.json.is_some());
            let _ = (detail.emails(), detail.users().count());
            Ok(())
        })?;
    }
}
