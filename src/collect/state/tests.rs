use super::*;
use crate::collect::date::{DAY, Date};
use crate::collector_files::STATE_FORMAT;

#[test]
fn state_round_trips_unless_truncated_or_modified() {
    let mut state = CollectorState::new("x".into(), "2024-01-31".parse().unwrap());
    state.days.insert(state.first_day, DayState { records: 7, ..DayState::default() });
    let bytes = state.encode();
    assert!(matches!(decode(&bytes).unwrap(), StoredState::Ours(read) if *read == state));
    for cut in 0..bytes.len() - 1 {
        assert!(decode(&bytes[..cut]).is_err(), "{cut}");
    }
    let changed = String::from_utf8(bytes).unwrap().replace("\"records\":7", "\"records\":8");
    assert!(decode(changed.as_bytes()).unwrap_err().contains("checksum"));
}

#[test]
fn undated_counts_are_retained_one_to_two_periods() {
    let list = |name: &str| Some(CountsRef { name: name.into(), bytes: 0 });
    let mut state = CollectorState::new("x".into(), "2024-01-31".parse().unwrap());
    state.rotate_undated(5, 10);
    state.undated = list("a");
    state.rotate_undated(15, 10);
    assert_eq!(state.undated, list("a"));
    state.rotate_undated(16, 10);
    assert_eq!((&state.undated, &state.undated_before), (&None, &list("a")));
    state.undated = list("b");
    state.rotate_undated(27, 10);
    assert_eq!((&state.undated, &state.undated_before), (&None, &list("b")));
}

#[test]
fn state_lists_referenced_objects_and_their_size() {
    let list = |name: &str, bytes| Some(CountsRef { name: name.into(), bytes });
    let mut state = CollectorState::new("x".into(), "2024-01-31".parse().unwrap());
    state.days.insert(state.first_day, DayState { counts: list("a", 1000), ..DayState::default() });
    (state.undated, state.undated_before) = (list("b", 200), list("c", 30));
    let pending =
        PendingWrite { name: "d".into(), beside_state: false, staged: "e".into(), sha256: String::new() };
    state.pending.push(pending);
    assert_eq!(state.referenced_objects().collect::<Vec<_>>(), ["a", "b", "c", "e"]);
    assert_eq!(state.size(), 1230 + state.encode().len() as u64);
}

#[test]
fn cursor_advances_only_over_finalized_days() {
    let mut state = CollectorState::new("x".into(), "2024-01-31".parse().unwrap());
    for (day, finalized) in [(0, true), (1, true), (2, false), (3, true)] {
        state.days.insert(state.first_day.add_days(day), DayState { finalized, ..DayState::default() });
    }
    state.advance_cursor();
    assert_eq!(state.cursor, state.first_day.add_days(2));
}

#[test]
fn state_over_a_day_ahead_of_clock_is_reported() {
    // Noon of 2024-01-31.
    let now = 1_706_702_400_000;
    let of = |cursor: &str, recent_read_at| {
        let state =
            CollectorState { recent_read_at, ..CollectorState::new("x".into(), cursor.parse().unwrap()) };
        state.clock_skew(now)
    };
    for (cursor, recent_read_at) in
        [("2024-02-01", None), ("2024-01-01", Some(now + DAY)), ("2024-02-01", Some(now))]
    {
        assert_eq!(of(cursor, recent_read_at), None, "{cursor} {recent_read_at:?}");
    }
    for (cursor, recent_read_at, told) in [
        ("2024-02-02", None, "its cursor is at 2024-02-02, and the clock shows 2024-01-31T12:00:00Z"),
        ("2024-02-02", Some(now), "its cursor is at 2024-02-02, "),
        ("2024-01-01", Some(now + DAY + 1000), "it was written at 2024-02-01T12:00:01Z, "),
    ] {
        let said = of(cursor, recent_read_at).unwrap();
        assert!(said.contains(told), "{said}");
    }
    assert!(of("2024-01-01", Some(now + DAY + 1)).is_some());
}

#[test]
fn read_day_keeps_first_read_time_and_is_not_deferred() {
    let deferred = Some(DayDeferral { reason: "r".into(), attempts: 1, retry_at: 9 });
    let mut day = DayState { deferred, ..DayState::default() };
    day.has_been_read(5);
    assert_eq!((day.scanned_at, &day.deferred), (Some(5), &None));
    day.has_been_read(7);
    assert_eq!(day.scanned_at, Some(5));
}

#[test]
fn backfilled_day_is_fetched_after_the_backfill_ends() {
    let day = |day: i64| "2024-02-10".parse::<Date>().unwrap().add_days(day);
    // Days -9 to -7 are another's, long done; of days 0 to 9 all before 3 are read, and day 5.
    let mut state = CollectorState::new("x".into(), day(0));
    state.completed_backfills = vec![(day(-9), day(-7))];
    (state.until, state.cursor) = (Some(day(9)), day(3));
    state.days.insert(day(5), DayState { finalized: true, ..DayState::default() });
    state.days.insert(day(6), DayState::default());
    state.days.insert(day(11), DayState { finalized: true, ..DayState::default() });
    let read: Vec<_> = (-12..14).filter(|number| state.is_done(day(*number))).collect();
    assert_eq!(read, [-9, -8, -7, 0, 1, 2, 5]);
    assert!(state.claimed_ranges().eq([(day(-9), day(-7)), (day(0), day(9))]));
    state.until = None;
    assert!(!state.is_done(day(0)) && state.is_done(day(-8)));
}

#[test]
fn other_state_formats_are_rejected() {
    let text =
        String::from_utf8(CollectorState::new("x".into(), "2024-01-31".parse().unwrap()).encode()).unwrap();
    for (ours, other) in [("\"version\":1", "\"version\":2"), (STATE_FORMAT, "zoom-udm-other")] {
        let told = decode(text.replacen(ours, other, 1).as_bytes()).unwrap_err();
        assert!(told.contains("and this program reads zoom-udm-collect 1"), "{told}");
    }
}

#[test]
fn reference_collector_state_is_decoded() {
    let bytes = br#"{"cursor_date": "2024-01-31", "next_page_token": null, "updated_at": "x"}"#;
    assert!(matches!(decode(bytes).unwrap(), StoredState::Legacy(legacy) if legacy.cursor_date.is_some()));
    assert!(decode(b"{}").is_err() && decode(b"").is_err());
}

/// As version 0.3 wrote it, with a window that it did not get to the end of.
#[test]
fn state_of_earlier_version_is_decoded() {
    let text = r#"{"lineage":"x","sequence":3,"began":"2024-01-01","cursor":"2024-01-05","floor":5,"tail_at":5,
        "days":{"2024-01-05":{"records":7,"sealed":false}},"span":25,"ahead":2,"resume":{"from":"2024-01-04","to":"2024-01-09",
        "page_size":300,"token":"t","issued":5,"began":4,"tail":false,"pages":2,"last":[]}}"#;
    let bytes = encode_envelope(text.replace('\n', ""));
    let Ok(StoredState::Ours(state)) = decode(&bytes) else { panic!("it is not read") };
    let resume = state.resume.as_ref().unwrap();
    assert_eq!((state.time_of_day, resume.reached, resume.days, resume.saved), (None, None, None, false));
    assert_eq!(state.days[&state.cursor].unread, None);
}
