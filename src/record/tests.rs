use super::invariants::{fast, plain, usual};
use super::*;
use crate::Rejection;
use proptest::prelude::*;

/// Objects that are records, or nearly.
fn recordish() -> impl Strategy<Value = String> {
    let keys = [
        "time",
        "operator",
        "category_type",
        "action",
        "operation_detail",
        "event_type",
        "x",
        "t\\u0069me",
        "operation_logs",
        "activity_logs",
        "type",
        "email",
        "version",
        "event",
        "event",
        "payload",
        "payload",
        "\\ud800",
    ];
    let values = [
        "\"\"",
        "\" \"",
        "\"a@b.co\"",
        "\"\\u00e9 \\\"q\\\" \\\\\"",
        "\"\\ud800\"",
        "\"\u{fc}  - K: v\"",
        "\"\\x\"",
        "\"tab\there\"",
        "null",
        "nul",
        "true",
        "12",
        "1.50",
        "-",
        "[]",
        "{\"a\": [1, {}]}",
        "[\"\\ud800\"]",
        "\"\u{a0}\"",
    ];
    let member = (
        prop::sample::select(keys.to_vec()),
        prop::sample::select(values.to_vec()),
        prop::sample::select(vec!["", " ", "\t"]),
    )
        .prop_map(|(key, value, space)| format!("{space}\"{key}\"{space}:{space}{value}{space}"));
    (prop::collection::vec(member, 0..7), prop::sample::select(vec!["", "", "", "\r", " x", "}", "\0"]))
        .prop_map(|(members, tail)| format!("{{{}}}{tail}", members.join(",")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn fast_path_agrees_with_reference_or_declines(text in recordish()) {
        invariants::read_alike(&text);
    }

    #[test]
    fn fast_path_agrees_on_damaged_text(
        text in recordish(), at in any::<prop::sample::Index>(), byte in "[\"\\\\{},:\\x00-\\x20a\u{e9}]?"
    ) {
        let (before, after) = text.split_at(text.char_indices().nth(at.index(text.chars().count())).unwrap().0);
        let spoilt = format!("{before}{byte}{}", after.chars().skip(1).collect::<String>());
        for text in [&spoilt, before] {
            invariants::read_alike(text);
        }
    }
}

#[test]
fn lone_surrogate_key_is_ignored() {
    for text in [r#"{"time":"t","action":"a","\ud800":1}"#, r#"{"\udc00":"","action":"a","time":"t"}"#] {
        assert_eq!(plain(text).unwrap()[Field::Time as usize].as_deref(), Some("t"), "{text}");
    }
    assert!(reference::object(r#"{"\ud800":1,"operation_logs":[]}"#).unwrap().lists().eq(["[]"]));
}

#[test]
fn key_with_control_character_is_rejected_anywhere() {
    for control in ['\0', '\t', '\n', '\x1f'] {
        let member = format!("\"a{control}b\":1");
        for object in [
            format!("{{\"time\":\"t\",{member}}}"),
            format!("{{{member},\"time\":\"t\"}}"),
            format!("{{\"operation_logs\":[{{}}],{member}}}"),
            format!("{{\"time\":\"t\",\"x\":{{{member}}}}}"),
        ] {
            let told = |rejection: Option<Rejection>| {
                let rejection = rejection.unwrap_or_else(|| panic!("{object:?} was read"));
                assert_eq!(rejection.reason, crate::RejectReason::NotJson);
                assert!(rejection.message.contains("control character"), "{}", rejection.message);
            };
            told(Record::read(&object, &mut Scratch::default()).err());
            told(fingerprint(&object).err());
            told(elements(&format!("[{object}]")).err());
        }
    }
}

/// The texts before the values of an operation log, and at its end: without spaces, as Python writes them, and two
/// others.
const OPERATION: [[&str; 4]; 6] = [
    ["{\"time\":\"", "{\"time\": \"", "{ \"time\":\"", "{\"event_type\":\""],
    ["\",\"operator\":\"", "\", \"operator\": \"", "\", \"operator\":\"", "\",\"operator\":null,\"x\":\""],
    [
        "\",\"category_type\":\"",
        "\", \"category_type\": \"",
        "\",\"category_type\":[],\"x\":\"",
        "\",\"action\":\"",
    ],
    ["\",\"action\":\"", "\", \"action\": \"", "\",\"action\":1,\"x\":\"", "\" ,\"action\":\""],
    ["\",\"operation_detail\":\"", "\", \"operation_detail\": \"", "\",\"operation_detail\" :\"", "\",\""],
    ["\"}", "\"}", "\"} ", "\",\"x\":1}"],
];

/// The same of a sign-in.
const SIGN_IN: [[&str; 4]; 7] = [
    ["{\"email\":\"", "{\"email\": \"", "{ \"email\":\"", "{\"operator\":\""],
    ["\",\"time\":\"", "\", \"time\": \"", "\", \"time\":\"", "\",\"time\":null,\"x\":\""],
    ["\",\"type\":\"", "\", \"type\": \"", "\",\"type\":[],\"x\":\"", "\",\"email\":\""],
    [
        "\",\"ip_address\":\"",
        "\", \"ip_address\": \"",
        "\",\"ip_address\":1,\"x\":\"",
        "\" ,\"ip_address\":\"",
    ],
    ["\",\"client_type\":\"", "\", \"client_type\": \"", "\",\"action\":\"", "\",\"client_type\" :\""],
    ["\",\"version\":\"", "\", \"version\": \"", "\",\"version\":\"\",\"version\":\"", "\",\""],
    ["\"}", "\"}", "\"} ", "\",\"x\":1}"],
];

/// Lines that have a layout, or nearly.
fn usualish(layout: &'static [[&'static str; 4]]) -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec![
        "",
        " ",
        "a@b.co",
        "\\u00e9 \\\"q\\\" \\\\",
        "\\ud800",
        "\u{fc}  - Key: a value longer than a vector",
        "\\x",
        "\u{a0}",
        "\"",
        "\\",
        "tab\t",
    ]);
    let which = prop::sample::select(vec![0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 3]);
    let pieces = layout.len();
    (prop::collection::vec(which, pieces), prop::collection::vec(value, pieces - 1)).prop_map(
        move |(which, values)| {
            let before = layout.iter().zip(which).map(|(texts, which)| texts[which]);
            before
                .zip(values.into_iter().chain([""]))
                .map(|(before, value)| before.to_owned() + value)
                .collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]
    #[test]
    fn canonical_paths_agree_with_reference_or_decline(
        operation in usualish(&OPERATION),
        sign_in in usualish(&SIGN_IN),
    ) {
        invariants::usual_alike(&operation);
        invariants::usual_alike(&sign_in);
    }
}

#[test]
fn zooms_documented_records_take_each_quick_path() {
    for text in [
        r#"{"time":"2019-08-20T19:09:01Z","operator":"a@b.com","category_type":"User","action":"Update","operation_detail":"Activate User x@y.com "}"#,
        r#"{"email":"a@b.com","time":"2019-08-20T19:09:01Z","type":"Sign in","ip_address":"192.0.2.8","client_type":"Browser","version":"-"}"#,
    ] {
        assert!(fast(text).is_some());
        assert_eq!(fast(text), plain(text));
        assert_eq!(usual(text), plain(text));
        let spaced = text.replace("\":\"", "\": \"").replace("\",\"", "\", \"");
        assert_eq!(usual(&spaced), plain(text));
    }
}

#[test]
fn field_values_convert_to_text_as_documented() {
    let text = r#"{"time":1566328141,"operator":" ","category_type":["User"],"action":true,
        "operation_detail":{ "a" : [1.50] },"event_type":"x","event_type":null,"other":"\ud800"}"#;
    let mut scratch = Scratch::default();
    let record = Record::read(text, &mut scratch).unwrap();
    assert_eq!(record.get(Field::Time), Some("1566328141"));
    assert_eq!(record.get(Field::Operator), None);
    assert_eq!(record.get(Field::CategoryType), None);
    assert_eq!(record.get(Field::Action), Some("true"));
    assert_eq!(record.get(Field::OperationDetail), Some(r#"{"a":[1.50]}"#));
    assert_eq!(record.get(Field::EventType), None);
    assert_eq!(record.non_text_fields, 1);
}

#[test]
fn only_blank_fields_are_absent() {
    // Members that make a record of its kind. Those of an operation log do so even if one of them is blank.
    let members_of_kinds = [
        (RecordKind::Operation, r#""action":"a","operator":"o""#, &[] as &[Field]),
        (RecordKind::SignIn, r#""type":"Sign in","email":"a@b.c""#, &[Field::Type, Field::Email]),
        (RecordKind::Webhook, r#""event":"e","payload":{}"#, &[Field::Event, Field::Payload]),
    ];
    let values = [
        ("x", Some("x")),
        ("\u{fc}", Some("\u{fc}")),
        (" \u{fc} ", Some(" \u{fc} ")),
        ("\\u00fc", Some("\u{fc}")),
        ("", None),
        (" \u{3000}", None),
        ("\\u0020", None),
    ];
    for (kind, members, required) in members_of_kinds {
        for field in kind.fields().iter().filter(|field| !required.contains(field)) {
            for (value, expected) in values {
                let text = format!("{{{members},\"{}\":\"{value}\"}}", field.name());
                let mut scratch = Scratch::default();
                let record = Record::read(&text, &mut scratch).unwrap();
                assert_eq!((record.kind, record.get(*field)), (kind, expected), "{text}");
            }
        }
    }
}

#[test]
fn present_fields_decide_on_the_kind() {
    use RecordKind::{Operation, SignIn, Webhook};
    for (members, kind) in [
        (r#""operator":"o""#, Some(Operation)),
        (r#""category_type":1"#, Some(Operation)),
        (r#""action":true"#, Some(Operation)),
        (r#""operation_detail":[]"#, Some(Operation)),
        (r#""operator":" ","category_type":null,"action":[],"operation_detail":"""#, None),
        (r#""operator":{},"type":"a","email":"b""#, Some(SignIn)),
        (r#""type":"a","email":"b""#, Some(SignIn)),
        (r#""type":"a","email":"b","action":"c""#, Some(Operation)),
        (r#""type":"a","email":"b","event":"c","payload":{}"#, Some(Webhook)),
        (r#""type":"a","email":" ""#, None),
        (r#""type":1,"email":"b""#, None),
        (r#""type":"a","email":true"#, None),
        (r#""type":"a","email":"b","email":null"#, None),
        (r#""event":"c","payload":{"a":[{"b":"\u0022"}]}"#, Some(Webhook)),
        (r#""event":"c","payload": { } "#, Some(Webhook)),
        (r#""event":"c","payload":"{}""#, None),
        (r#""event":"c","payload":[{}]"#, None),
        (r#""event":"c","payload":{},"payload":null"#, None),
        (r#""event":5,"payload":{}"#, None),
        (r#""event":"\u0020","payload":{}"#, None),
        (r#""ev\u0065nt":"c","payload":{}"#, Some(Webhook)),
        (r#""code":124,"message":"x""#, None),
        (r#""time":"2024-01-01T00:00:00Z""#, None),
    ] {
        let text = format!("{{{members}}}");
        let mut scratch = Scratch::default();
        let read = Record::read(&text, &mut scratch).map(|record| record.kind);
        assert_eq!(read.as_ref().ok(), kind.as_ref(), "{text}");
        if let Err(rejection) = read {
            assert_eq!(rejection.reason, crate::RejectReason::UnknownRecord, "{text}");
        }
        invariants::text(&text);
    }
}

#[test]
fn only_fields_of_the_kind_are_noted() {
    let mut scratch = Scratch::default();
    let text =
        r#"{"type":"a","email":"b","version":[],"action":{},"event_ts":[],"client_type":"\ud800","x":{}}"#;
    let record = Record::read(text, &mut scratch).unwrap();
    assert_eq!((record.non_text_fields, record.surrogates_replaced), (1, 1));
}

#[test]
fn fast_path_accepts_escapes() {
    let text = r#"{"time":"2019-08-20T19:09:01Z","operator":"\"Ann\" <a@b.com>"}"#;
    assert!(fast(text).is_some());
    assert_eq!(fast(text), plain(text));
}

#[test]
fn fast_path_accepts_other_members_and_nulls() {
    let text = r#"{"x":[1],"operator":null,"action":"Add","logs":{}}"#;
    assert_eq!(fast(text), plain(text));
    assert_eq!(fast(text).unwrap()[Field::Action as usize].as_deref(), Some("Add"));
}

#[test]
fn page_is_detected_by_its_lists_of_records() {
    for (text, lists) in [
        (r#"{"operation_logs": [{}, 1]}"#, &["[{}, 1]"][..]),
        (r#"{"activity_logs":[1],"action":"x"}"#, &["[1]"]),
        (r#"{"activity_logs":[1],"x":1,"operation_logs":[2]}"#, &["[1]", "[2]"]),
        (r#"{"operation_logs":[1],"activity_logs":[2],"operation_logs":3}"#, &["[2]"]),
        (r#"{"operation_logs": {}, "action": "x"}"#, &[]),
        (r#"{"logs": [{}], "action": "x"}"#, &[]),
        (r#"{"action": "x"}"#, &[]),
    ] {
        let object = reference::object(text).unwrap();
        assert!(object.lists().eq(lists.iter().copied()), "{text}");
        assert_eq!(object.is_page(), !lists.is_empty(), "{text}");
        assert_eq!(fast(text).is_none(), text.contains("_logs"), "{text}");
    }
}

#[test]
fn array_is_split_and_invalid_element_is_named() {
    assert!(elements(r#"[{"a":1}, {}]"#).unwrap().eq([r#"{"a":1}"#, "{}"]));
    assert!(elements("[]").unwrap().eq([""; 0]));
    for (element, kind) in [
        ("[]", "an array"),
        ("\"x\"", "a string"),
        ("false", "a boolean"),
        ("null", "null"),
        ("1", "a number"),
    ] {
        let rejection = elements(&format!("[{{}},{element}]")).err().unwrap();
        assert_eq!(rejection.reason, crate::RejectReason::NotObject);
        assert!(
            rejection.message.contains(&format!("element 2 of the array is {kind},")),
            "{}",
            rejection.message
        );
    }
    assert_eq!(elements("[{}").err().unwrap().reason, crate::RejectReason::NotJson);
}

#[test]
fn several_values_may_be_objects_or_arrays() {
    let refused = || Rejection::new(crate::RejectReason::NotJson, "as one value", "");
    for (text, expected) in [
        ("{}{}", &["{}", "{}"][..]),
        ("{\"a\":[1]} [{}]\t{}\r", &["{\"a\":[1]}", "[{}]", "{}"]),
        ("[]", &["[]"]),
    ] {
        assert!(values(text, refused()).unwrap().eq(expected.iter().copied()), "{text}");
        assert!(is_whole(text), "{text}");
    }
    for (text, message) in [
        ("", "as one value"),
        ("{} x", "as one value"),
        ("{}1", "as one value"),
        ("1 {}", "as one value"),
        ("{}\u{feff}{}", "as one value"),
        ("{} {\"a\" 1}", "column 9"),
        ("{}[1,", "column 5"),
    ] {
        let rejection = values(text, refused()).err().unwrap();
        assert!(rejection.message.contains(message), "{text}: {}", rejection.message);
        assert!(!is_whole(text), "{text}");
    }
}

#[test]
fn record_knows_if_texts_need_no_json_escaping() {
    for (values, verbatim) in [
        (["a", "b"], true),
        (["a", "\\u00fc"], true),
        (["\\u00fc", "\\\"b\\\""], false),
        (["\\\"a\\\"", "\\u00fc"], false),
    ] {
        let text = format!("{{\"operator\":\"{}\",\"action\":\"{}\"}}", values[0], values[1]);
        let mut scratch = Scratch::default();
        assert_eq!(Record::read_fast(&text, &mut scratch).unwrap().verbatim, verbatim, "{text}");
    }
}

#[test]
fn rejections_name_found_position_and_expected() {
    for (text, reason, needle) in [
        (r#"{"time":"x""#, crate::RejectReason::NotJson, "column 11"),
        ("[1", crate::RejectReason::NotJson, "line 1"),
        ("12", crate::RejectReason::NotObject, "found a number"),
        ("null", crate::RejectReason::NotObject, "found null"),
    ] {
        let rejection = Record::read(text, &mut Scratch::default()).unwrap_err();
        assert_eq!(rejection.reason, reason, "{text}");
        assert!(rejection.message.contains(needle), "{text}: {}", rejection.message);
    }
}
