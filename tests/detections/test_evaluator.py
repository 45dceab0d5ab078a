#!/usr/bin/env python3
"""Tests of the evaluator: what it evaluates, and what it refuses because it does not implement it."""

import sys
import unittest

from evaluator import detect
from expressions import Unsupported
from fields import AmbiguousKey
from rules import read_rule

TYPE = '$e.metadata.vendor_name = "ZOOM"'
SETTINGS = "target.resource.attribute.labels"


def source(*statements, condition="$e", match=None, outcome=None, more=""):
    sections = ['meta: author = "test" description = "Test."', "events:\n" + "\n".join(statements or (TYPE,))]
    sections += [f"match: {match}"] if match else []
    sections += [f"outcome: {outcome}"] if outcome else []
    return "rule test {\n" + "\n".join([*sections, f"condition: {condition}", more]) + "\n}\n"


def rule(*statements, **sections):
    return read_rule(source(*statements, **sections))


def event(seconds=0, **nouns):
    return {
        "metadata": {
            "eventTimestamp": f"2024-05-06T{9 + seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}Z",
            "vendorName": "ZOOM",
        },
        **nouns,
    }


def labels(*pairs):
    return {"resource": {"attribute": {"labels": [{"key": key, "value": value} for key, value in pairs]}}}


def user(address, **more):
    return {"user": {"emailAddresses": [address], **more}}


class Fields(unittest.TestCase):
    def found(self, statement, *events, lists=None):
        return [index for one in detect(rule(statement), list(events), lists) for index in one.events["e"]]

    def test_absent_field_has_zero_value(self):
        self.assertEqual(self.found('$e.principal.user.userid = ""', event()), [0])
        self.assertEqual(self.found('$e.principal.user.userid != "x"', event()), [0])
        self.assertEqual(self.found(f'$e.{SETTINGS}["a"] = ""', event(target=labels(("b", "x")))), [0])
        self.assertEqual(
            self.found('$e.additional.fields["a"] = ""', event(additional={"b": "x"}), event(additional={"a": "x"})), [0]
        )
        self.assertEqual(
            self.found('$e.target.user.user_authentication_status = "UNKNOWN_AUTHENTICATION_STATUS"', event()), [0]
        )

    def test_label_and_additional_field_by_key(self):
        self.assertEqual(
            self.found(
                f'$e.{SETTINGS}["a"] = "x"', event(target=labels(("b", "y"), ("a", "x"))), event(target=labels(("b", "x")))
            ),
            [0],
        )
        self.assertEqual(self.found('$e.additional.fields["object.id"] = "x"', event(additional={"object.id": "x"})), [0])

    def test_label_key_given_twice_is_an_error(self):
        with self.assertRaises(AmbiguousKey):
            self.found(f'$e.{SETTINGS}["a"] = "x"', event(target=labels(("a", "x"), ("a", "y"))))

    def test_any_element_of_a_list_can_match(self):
        self.assertEqual(
            self.found('$e.principal.user.email_addresses = "b"', event(principal={"user": {"emailAddresses": ["a", "b"]}})),
            [0],
        )

    def test_nocase(self):
        self.assertEqual(self.found('$e.target.resource.name = "a" nocase', event(target={"resource": {"name": "A"}})), [0])
        self.assertEqual(self.found('$e.target.resource.name = "a"', event(target={"resource": {"name": "A"}})), [])
        self.assertEqual(
            self.found("$e.target.resource.name = /^a$/ nocase", event(target={"resource": {"name": "A"}})), [0]
        )
        self.assertEqual(
            self.found("re.regex($e.target.resource.name, `^a$`) nocase", event(target={"resource": {"name": "A"}})), [0]
        )
        self.assertEqual(
            self.found("re.regex($e.target.resource.name, `^a$`)", event(target={"resource": {"name": "A"}})), []
        )

    def test_pattern_matches_anywhere(self):
        self.assertEqual(self.found("$e.target.resource.name = /b/", event(target={"resource": {"name": "abc"}})), [0])
        self.assertEqual(
            self.found("$e.target.resource.name != /b/", event(target={"resource": {"name": "abc"}}), event()), [1]
        )
        self.assertEqual(self.found(r"$e.target.resource.name = /a\/b/", event(target={"resource": {"name": "a/b"}})), [0])

    def test_reference_list(self):
        events = [event(principal=user("a")), event(principal=user("B")), event()]
        self.assertEqual(self.found("$e.principal.user.email_addresses in %l", *events, lists={"l": ["a", "b"]}), [0])
        self.assertEqual(
            self.found("$e.principal.user.email_addresses in %l nocase", *events, lists={"l": ["a", "b"]}), [0, 1]
        )
        self.assertEqual(
            self.found("(not $e.principal.user.email_addresses in %l)", *events, lists={"l": ["a", "b"]}), [1, 2]
        )
        with self.assertRaisesRegex(Unsupported, "%l"):
            self.found("$e.principal.user.email_addresses in %l", *events)

    def test_and_binds_before_or(self):
        statement = '($e.target.resource.name = "a" or $e.target.resource.name = "b" and $e.target.application = "Zoom")'
        events = [
            event(target={"resource": {"name": name}, "application": app}) for name in "ab" for app in ("Zoom", "Other")
        ]
        self.assertEqual(self.found(statement, *events), [0, 1, 2])

    def test_enumerated_value_by_name(self):
        self.assertEqual(
            self.found('$e.metadata.event_type = "USER_LOGIN"', {"metadata": {"eventType": "USER_LOGIN"}}, event()), [0]
        )
        self.assertEqual(
            self.found(
                '$e.target.user.attribute.roles.type = "ADMINISTRATOR"',
                event(target={"user": {"attribute": {"roles": [{"type": "ADMINISTRATOR"}]}}}),
            ),
            [0],
        )


class Rows(unittest.TestCase):
    def test_key_and_value_are_of_one_label(self):
        pair = rule(f'$e.{SETTINGS}.key = "a"', f'$e.{SETTINGS}.value = "x"')
        self.assertEqual(len(detect(pair, [event(target=labels(("b", "y"), ("a", "x")))])), 1)
        self.assertEqual(detect(pair, [event(target=labels(("a", "y"), ("b", "x")))]), [])

    def test_lists_of_different_nouns_are_independent(self):
        same = rule(
            f"$e.{SETTINGS}.key = $e.src.resource.attribute.labels.key",
            f'$e.{SETTINGS}.value = "Off"',
            '$e.src.resource.attribute.labels.value = "On"',
        )
        self.assertEqual(len(detect(same, [event(target=labels(("a", "1"), ("b", "Off")), src=labels(("b", "On")))])), 1)
        self.assertEqual(detect(same, [event(target=labels(("a", "Off"), ("b", "1")), src=labels(("b", "On")))]), [])

    def test_nested_lists_are_of_one_element(self):
        def person(role, before):
            return {"user": {"attribute": {"roles": [{"name": role}], "labels": [{"key": "Before", "value": before}]}}}

        promoted = rule('$e.about.user.attribute.roles.name = "Admin"', '$e.about.user.attribute.labels["Before"] = "User"')
        self.assertEqual(len(detect(promoted, [event(about=[person("Member", "Admin"), person("Admin", "User")])])), 1)
        self.assertEqual(detect(promoted, [event(about=[person("Member", "User"), person("Admin", "Admin")])]), [])

    def test_empty_list_does_not_drop_the_event(self):
        either = rule('($e.about.user.userid = "x" or $e.target.user.userid = "x")')
        self.assertEqual(len(detect(either, [event(target={"user": {"userid": "x"}})])), 1)

    def test_outcomes_are_of_matching_rows(self):
        found = detect(
            rule(
                f'$e.{SETTINGS}.value = "Off"', outcome=f"$risk_score = max(5) $setting = array_distinct($e.{SETTINGS}.key)"
            ),
            [event(target=labels(("b", "Off"), ("a", "Off"), ("c", "On")))],
        )
        self.assertEqual([one.outcomes for one in found], [{"risk_score": 5, "setting": ["a", "b"]}])


class Windows(unittest.TestCase):
    def count(self, events, limit=2):
        counted = rule(
            "$user = $e.target.user.email_addresses",
            "$by = $e.principal.user.email_addresses",
            match="$by over 1h",
            outcome="$users = count_distinct($user)",
            condition=f"$e and $users >= {limit}",
        )
        return [(one.match["by"], one.outcomes["users"]) for one in detect(counted, events)]

    def test_distinct_values_are_counted(self):
        self.assertEqual(
            self.count([event(0, principal=user("a"), target=user("x")), event(60, principal=user("a"), target=user("y"))]),
            [("a", 2)],
        )
        self.assertEqual(
            self.count([event(0, principal=user("a"), target=user("x")), event(60, principal=user("a"), target=user("x"))]),
            [],
        )

    def test_match_values_are_separate(self):
        self.assertEqual(
            self.count([event(0, principal=user("a"), target=user("x")), event(60, principal=user("b"), target=user("y"))]),
            [],
        )

    def test_window_excludes_its_end(self):
        self.assertEqual(
            self.count(
                [event(0, principal=user("a"), target=user("x")), event(3599, principal=user("a"), target=user("y"))]
            ),
            [("a", 2)],
        )
        self.assertEqual(
            self.count(
                [event(0, principal=user("a"), target=user("x")), event(3600, principal=user("a"), target=user("y"))]
            ),
            [],
        )

    def test_window_can_begin_at_a_later_event(self):
        events = [event(seconds, principal=user("a"), target=user(str(seconds))) for seconds in (0, 3000, 6000, 6001)]
        self.assertEqual(self.count(events, 3), [("a", 3)])

    def test_empty_match_variable_is_dropped(self):
        self.assertEqual(self.count([event(0, target=user("x")), event(60, target=user("y"))]), [])

    def test_events_are_counted(self):
        counted = rule("$by = $e.principal.user.email_addresses", match="$by over 1h", condition="#e > 2")
        self.assertEqual(len(detect(counted, [event(seconds, principal=user("a")) for seconds in (0, 60, 120)])), 1)
        self.assertEqual(detect(counted, [event(seconds, principal=user("a")) for seconds in (0, 60)]), [])

    def test_coalesce_takes_the_first_value(self):
        joined = rule(
            "$by = strings.coalesce($e.principal.user.email_addresses, $e.principal.user.userid)", match="$by over 1h"
        )
        found = detect(joined, [event(principal={"user": {"userid": "program"}}), event(principal=user("a", userid="b"))])
        self.assertEqual([one.match for one in found], [{"by": "a"}, {"by": "program"}])


class Joins(unittest.TestCase):
    STATEMENTS = (
        '$a.target.application = "One"',
        '$b.target.application = "Two"',
        "$a.target.resource.name = $name",
        "$name = $b.target.resource.name",
        "$a.metadata.event_timestamp.seconds < $b.metadata.event_timestamp.seconds",
    )

    def found(self, *events):
        joined = rule(*self.STATEMENTS, match="$name over 1h", condition="$a and $b")
        return [
            one.events
            for one in detect(
                joined, [event(time, target={"application": app, "resource": {"name": name}}) for time, app, name in events]
            )
        ]

    def test_events_with_equal_placeholder_are_joined(self):
        self.assertEqual(self.found((0, "One", "x"), (60, "Two", "y"), (120, "Two", "x")), [{"a": [0], "b": [2]}])

    def test_order_of_times(self):
        self.assertEqual(self.found((60, "One", "x"), (0, "Two", "x")), [])

    def test_window_bounds_all_events(self):
        self.assertEqual(self.found((0, "One", "x"), (3600, "Two", "x")), [])


class Refused(unittest.TestCase):
    def refuse(self, message, *statements, **sections):
        with self.assertRaisesRegex(Unsupported, message):
            rule(*statements, **sections)

    def test_statement_that_yaraast_passes_over(self):
        self.refuse("reads something else", TYPE, 'not $e.target.application = "x"')
        self.refuse("reads something else", '$e.target.application = "x" or', '$e.target.application = "y"')
        self.refuse("reads something else", TYPE, more="$e")

    def test_unknown_field_and_value(self):
        self.refuse("no field nothing", '$e.target.nothing = "x"')
        self.refuse("is a message", '$e.target.user = "x"')
        self.refuse("only labels", '$e.target.user.userid["x"] = "x"')
        self.refuse("no such value", '$e.metadata.event_type = "USER_LOGGED_IN"')
        self.refuse("enumerated", "$e.metadata.event_type = /USER/")
        self.refuse("enumerated", '$e.metadata.event_type = "USER_LOGIN" nocase')

    def test_unsupported_expressions(self):
        self.refuse("any", 'any $e.principal.ip = "192.0.2.1"')
        self.refuse("brackets", '$e.principal.user.email_addresses[0] = "x"')
        self.refuse("strings.to_lower", '($e.target.application = strings.to_lower("X"))')
        self.refuse("net.ip_in_range_cidr", '(net.ip_in_range_cidr($e.principal.ip, "192.0.2.0/24"))')
        self.refuse("unsupported group", "$e.target.application = /x(?!y)/")
        self.refuse("RE2", r"re.regex($e.target.application, `(x)\1`)")
        self.refuse("RE2", "re.regex($e.target.application, `(?i)x`)")
        self.refuse("not numbers", '$e.target.application < "x"')
        self.refuse("different types", '$e.metadata.event_timestamp.seconds = "x"')

    def test_unsupported_sections(self):
        self.refuse("window", match="$by over 3d")
        self.refuse("match section", "$by = $e.target.application", match="$by over 1h after $e")
        self.refuse("outcome", outcome="$x = sum($e.target.application)")
        self.refuse("argument", outcome='$x = max("y")')
        self.refuse(
            "not a comparison of an outcome", outcome="$x = array_distinct($e.target.application)", condition="$e and $x > 1"
        )
        self.refuse("options", more="options: allow_zero_values = true")
        self.refuse("condition", condition="not $e")

    def test_undefined_names(self):
        self.refuse("placeholders", "$e.target.application != $x")
        self.refuse("placeholders", match="$x over 1h")
        self.refuse("placeholders", outcome="$x = count_distinct($y)")
        self.refuse("not name", TYPE, "$f.target.application = $x", match="$x over 1h")
        self.refuse("Undefined event variable", condition="$f")
        self.refuse("match section", TYPE, '$f.target.application = "x"', condition="$e and $f")

    def test_file_without_exactly_one_rule(self):
        for text in ("", source() + source().replace("rule test", "rule other")):
            with self.assertRaisesRegex(Unsupported, "rules in one file"):
                read_rule(text)
        with self.assertRaisesRegex(Unsupported, "syntax"):
            read_rule(source("$e.target.application = "))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
