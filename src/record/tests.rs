use super::*;
use proptest::prelude::*;

/// What the plain reading makes of a text, as something that can be compared.
fn plain(text: &str) -> Option<Vec<Option<String>>> {
    let mut scratch = Scratch::default();
    let object = plain::object(text).ok()?;
    let record = object.record(&mut scratch).ok()?;
    Some(owned(&record))
}

fn fast(text: &str) -> Option<Vec<Option<String>>> {
    Some(owned(&Record::read_ordinary(text, &mut Scratch::default())?))
}

/// What the reading of usual lines makes of the line in the middle of a text.
fn usual(line: &str) -> Option<Vec<Option<String>>> {
    let mut scratch = Scratch::default();
    let text = format!("{{}}\n{line}\n{{\"time\":\"\"}}");
    let (record, end) = Record::read_usual(&text, 3, &mut scratch)?;
    assert_eq!(end, 3 + line.len());
    assert!(Record::read_usual(line, 0, &mut Scratch::default()).is_some_and(|(_, end)| end == line.len()));
    Some(owned(&record))
}

fn owned(record: &Record<'_>) -> Vec<Option<String>> {
    Field::ALL.into_iter().map(|field| record.get(field).map(str::to_owned)).collect()
}

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
    fn the_fast_reading_is_the_plain_reading_or_silent(text in recordish()) {
        if let Some(fast) = fast(&text) {
            prop_assert_eq!(Some(fast), plain(&text));
        }
    }

    #[test]
    fn the_fast_reading_is_the_plain_reading_of_text_cut_or_spoilt(
        text in recordish(), at in any::<prop::sample::Index>(), byte in "[\"\\\\{},:\\x00-\\x20a\u{e9}]?"
    ) {
        let (before, after) = text.split_at(text.char_indices().nth(at.index(text.chars().count())).unwrap().0);
        let spoilt = format!("{before}{byte}{}", after.chars().skip(1).collect::<String>());
        for text in [&spoilt, before] {
            if let Some(fast) = fast(text) {
                prop_assert_eq!(Some(fast), plain(text));
            }
        }
    }
}

/// Lines as they usually are, or nearly.
fn usualish() -> impl Strategy<Value = String> {
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
    let layouts = [
        ["{\"time\":\"", "{\"time\": \"", "{ \"time\":\"", "{\"event_type\":\""],
        [
            "\",\"operator\":\"",
            "\", \"operator\": \"",
            "\", \"operator\":\"",
            "\",\"operator\":null,\"x\":\"",
        ],
        [
            "\",\"category_type\":\"",
            "\", \"category_type\": \"",
            "\",\"category_type\":[],\"x\":\"",
            "\",\"action\":\"",
        ],
        ["\",\"action\":\"", "\", \"action\": \"", "\",\"action\":1,\"x\":\"", "\" ,\"action\":\""],
        [
            "\",\"operation_detail\":\"",
            "\", \"operation_detail\": \"",
            "\",\"operation_detail\" :\"",
            "\",\"",
        ],
        ["\"}", "\"}", "\"} ", "\",\"x\":1}"],
    ];
    let which = prop::sample::select(vec![0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 3]);
    (prop::collection::vec(which, 6), prop::collection::vec(value, 5)).prop_map(move |(which, values)| {
        let before = layouts.iter().zip(which).map(|(layout, which)| layout[which]);
        before.zip(values.into_iter().chain([""])).map(|(before, value)| before.to_owned() + value).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]
    #[test]
    fn the_usual_reading_is_the_plain_reading_or_silent(line in usualish()) {
        if let Some(usual) = usual(&line) {
            prop_assert_eq!(Some(usual), plain(&line));
        }
    }
}

#[test]
fn the_record_of_zooms_own_documentation_takes_each_quick_reading() {
    let text = r#"{"time":"2019-08-20T19:09:01Z","operator":"a@b.com","category_type":"User","action":"Update","operation_detail":"Activate User x@y.com "}"#;
    assert!(fast(text).is_some());
    assert_eq!(fast(text), plain(text));
    assert_eq!(usual(text), plain(text));
    let spaced = text.replace("\":\"", "\": \"").replace("\",\"", "\", \"");
    assert_eq!(usual(&spaced), plain(text));
}

#[test]
fn fields_are_text_as_the_contract_says() {
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
    assert_eq!(record.not_text, 1);
}

#[test]
fn refusals_say_what_was_found_where_and_what_was_expected() {
    for (text, reason, needle) in [
        (r#"{"time":"x""#, crate::Reason::NotJson, "column 11"),
        ("[1", crate::Reason::NotJson, "line 1"),
        ("12", crate::Reason::NotObject, "found a number"),
        ("null", crate::Reason::NotObject, "found null"),
        (r#"{"operator":"\udc00"}"#, crate::Reason::NotJson, "\"operator\""),
    ] {
        let refusal = Record::read(text, &mut Scratch::default()).unwrap_err();
        assert_eq!(refusal.reason, reason, "{text}");
        assert!(refusal.message.contains(needle), "{text}: {}", refusal.message);
    }
}
