#!/usr/bin/env python3
"""Tests of reference_impl.py with operation logs: the examples of docs/mapping-rules.md and edge cases of its rules."""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import detail as grammar  # noqa: E402
import reference_impl as reference  # noqa: E402
import texts  # noqa: E402

# The output of `zoom-udm mapping --format json`.
ROWS = reference.read_rows(os.environ["MAPPING"])

TIME = "2019-08-20T19:09:01Z"


def run(data, **options):
    """Returns (events, rejects) of raw input."""
    if isinstance(data, str):
        data = data.encode("utf-8")
    results = list(reference.read_input(data, reference.Options(ROWS, **options)))
    return [e for e, _ in results if e is not None], [r for _, r in results if r is not None]


def reasons(data, **options):
    return [r["reason"] for r in run(data, **options)[1]]


def one(record, **options):
    """Returns the event of an operation log, which has a category_type unless the test gives one."""
    events, rejects = run(json.dumps({"time": TIME, "category_type": "User", **record}), **options)
    assert not rejects and len(events) == 1, (events, rejects)
    return events[0]


def user(detail, **options):
    return one({"operation_detail": detail}, **options).get("target", {}).get("user", {})


def stamp(text):
    return texts.read_time(text)


class Examples(unittest.TestCase):
    """Section 6: examples."""

    def check(self, detail, expected, about=None):
        event = one({"operator": "o@x.com", "operation_detail": detail})
        self.assertEqual(event["metadata"]["eventType"], "USER_UNCATEGORIZED")
        self.assertEqual(event["metadata"]["description"], detail)
        self.assertEqual(event.get("target"), {"user": expected} if expected else None)
        self.assertEqual(event.get("about"), about)

    def test_add_user(self):
        self.check(
            "Add User homer@simpson.io  - User Type: Basic - Department: Foo",
            {
                "emailAddresses": ["homer@simpson.io"],
                "department": ["Foo"],
                "attribute": {"labels": [{"key": "User Type", "value": "Basic"}]},
            },
        )

    def test_set_to(self):
        self.check(
            "Update User e@x.io  - Job Title: set to Contractor",
            {"emailAddresses": ["e@x.io"], "title": "Contractor"},
        )

    def test_user_role(self):
        self.check(
            "Update User b@x.io  - User Role: from Member to Admin",
            {"emailAddresses": ["b@x.io"], "attribute": {"roles": [{"name": "Admin"}]}},
        )

    def test_change_role(self):
        self.check(
            "Change Role  - h.s@duff.io: from User to Co-Owner",
            {"emailAddresses": ["h.s@duff.io"], "attribute": {"roles": [{"name": "Co-Owner"}]}},
        )

    def test_nothing(self):
        self.check("Edit Group Recruiting ", None)

    def test_first_to(self):
        self.check("x  - Job Title: from A to B to C", {"title": "B to C"})

    def test_json_data(self):
        self.check(
            'Update User a@x.io  - Schedule Privilege: [{"userId":"u1","assistant":"b@x.io",'
            '"options":"edit"},{"userId":"u2"}]',
            {
                "emailAddresses": ["a@x.io"],
                "userid": "u1",
                "attribute": {
                    "labels": [
                        {"key": "assistant", "value": "b@x.io"},
                        {"key": "options", "value": "edit"},
                    ]
                },
            },
            [{"user": {"userid": "u2"}}],
        )


class Input(unittest.TestCase):
    """Section 1: input."""

    RECORD = '{"time":"2019-08-20T19:09:01Z","operator":"a@b.com"}'

    def test_forms(self):
        record = self.RECORD
        page = json.dumps({"from": "x", "operation_logs": [json.loads(record)] * 2, "to": None})
        pretty = json.dumps(json.loads(page), indent=2)
        for data, count in (
            (record + "\n" + record, 2),
            (f"[{record}, {record}]\n{record}\n[]\n", 3),
            (page, 2),
            (pretty, 2),
            (pretty.replace("\n", "\r\n"), 2),
            (pretty + "\n" + pretty + "\n" + record, 5),
            (f'{{"operation_logs":[\n{record},\n{record}\n]}}', 2),
            ("\r\n\n \t\n" + record + "\r\n\r\n", 1),
            ("\ufeff" + record, 1),
            ("\ufeff" + pretty, 2),
            ("", 0),
        ):
            events, rejects = run(data)
            self.assertEqual((len(events), rejects), (count, []), data)

    def test_rejects(self):
        ok = self.RECORD
        long = '{"x":"' + "x" * 100 + '"}'
        data = "\n".join([ok, '{"time"', "5", '["a"]', f"[{ok},1]", '{"time":null,"action":"x"}', long, ok]).encode()
        data += b'\n{"operator":"\xff"}\n'
        events, rejects = run(data, max_line_bytes=len(long) - 1)
        self.assertEqual(len(events), 2)
        self.assertEqual(
            [(r["line"], r["reason"]) for r in rejects],
            [
                (2, "not_json"),
                (3, "not_object"),
                (4, "not_object"),
                (5, "not_object"),
                (6, "no_time"),
                (7, "line_too_long"),
                (9, "not_utf8"),
            ],
        )
        lines = data.split(b"\n")
        for r in rejects:
            self.assertEqual(r["offset"], sum(len(line) + 1 for line in lines[: r["line"] - 1]))

    def test_offset_in_array_and_page(self):
        ok, bad = self.RECORD.replace("a@", "ü@"), '{"operator":"x"}'
        self.assertEqual(
            run(f"\n[{ok}, {bad}]")[1],
            [{"line": 2, "offset": 1 + 1 + len(ok.encode()) + 2, "reason": "no_time"}],
        )
        page = f'{{"operation_logs":[\n{ok},\n  {bad},\n7\n]}}'
        first = page.encode().index(bad.encode())
        self.assertEqual(
            run(page)[1],
            [
                {"line": 3, "offset": first, "reason": "no_time"},
                {"line": 4, "offset": first + len(bad) + 2, "reason": "not_object"},
            ],
        )

    def test_invalid_first_line_does_not_affect_later_lines(self):
        for first in ('{"time":"2019-08', "{", '{"time":', '{"a":1,', "[", "[{"):
            events, rejects = run(f"{first}\n{self.RECORD}\n{self.RECORD}\n")
            self.assertEqual((len(events), len(rejects)), (2, 1), first)

    def test_strict_json(self):
        for text in ("NaN", "Infinity", "01", "1.", ".5", "+1", "'a'", '"\t"', '"\\x"', "[1,]", "tRue", "\u00a0"):
            self.assertEqual(reasons(f'{{"time":"{TIME}","x":{text}}}'), ["not_json"], text)

    def test_several_values_on_a_line(self):
        record = self.RECORD
        page = f'{{"operation_logs":[{record}]}}'
        events, rejects = run(f"{record}{record} [{record},{record}]{page}\n{record}{record}")
        self.assertEqual((len(events), rejects), (7, []))
        events, rejects = run(f"\ufeff{record} [5]{record}{{}}")
        places = [(r["offset"], r["reason"]) for r in rejects]
        self.assertEqual(
            (len(events), places),
            (2, [(3 + len(record) + 1, "not_object"), (3 + 2 * len(record) + 4, "unknown_record")]),
        )
        for tail in ("5", " null", "{", '{"a" 1}', "x", "\ufeff{}"):
            self.assertEqual(run(f" {record}{tail}"), ([], [{"line": 1, "offset": 0, "reason": "not_json"}]), tail)
        self.assertEqual(reasons("\ufeff\ufeff" + record), ["not_json"])

    def test_pages_in_pages_and_arrays(self):
        record = self.RECORD
        inner = f'{{"time":"{TIME}","operation_logs":[{record}]}}'
        for data, count in (
            (inner, 1),
            (f"[{inner},{record}]", 2),
            (f'{{"operation_logs":[{inner},{record}]}}', 2),
            (f'{{"operation_logs":[{{"operation_logs":[{inner}]}}]}}', 1),
            (f'{{"operation_logs":[{{"time":"{TIME}","action":"x","operation_logs":[],"operation_logs":5}}]}}', 1),
        ):
            events, rejects = run(data)
            self.assertEqual((len(events), rejects), (count, []), data)
        self.assertEqual(reasons(f'{{"operation_logs":[[{record}],{{"operation_logs":[[]]}}]}}'), ["not_object"] * 2)
        deep = '{"operation_logs":[' * 50_000 + record + "]}" * 50_000
        self.assertEqual(len(run(deep)[0]), 1)

    def test_lone_surrogates(self):
        for raw, expected in (
            ("\\ud800", "\ufffd"),
            ("\\ude00\\ud83d", "\ufffd\ufffd"),
            ("\\ud83d\\ud83d\\ude00", "\ufffd\U0001f600"),
            ("\\ud83d\\ude00", "\U0001f600"),
        ):
            events, _ = run(f'{{"time":"{TIME}","operator":"{raw}","other":"\\ud800"}}')
            self.assertEqual(events[0]["principal"]["user"]["userid"], expected)
        self.assertEqual(reasons(f'{{"time":"{TIME}\\ud800","action":"x"}}'), ["no_time"])
        self.assertEqual(user('x [{"userId":"u\\ud83d"}]'), {"userid": "u\ufffd"})
        events, _ = run(f'{{"time":"{TIME}","operation_detail":["\\ud800"]}}')
        self.assertEqual(events[0]["metadata"]["description"], '["\ufffd"]')

    def test_depth(self):
        deep = "[" * 100_000 + "]" * 100_000
        events, rejects = run(f'{{"time":"{TIME}","x":{deep},"operation_detail":{deep}}}\n' + "[" * 100_000)
        self.assertEqual([r["reason"] for r in rejects], ["not_json"])
        self.assertEqual(events[0]["metadata"]["description"], deep)
        self.assertEqual(user('[{"a":' * 100_000), {})

    def test_other_types(self):
        events, _ = run(
            f'{{"time":"{TIME}","operator":12345678901234567890,"action":1.50,"category_type":true,'
            '"operation_detail":{"a" : [1.0, " "]},"event_type":{}}'
        )
        event = events[0]
        self.assertEqual(event["principal"]["user"], {"userid": "12345678901234567890"})
        self.assertEqual(event["metadata"]["productEventType"], "1.50")
        self.assertEqual(event["additional"], {"category_type": "true"})
        self.assertEqual(event["metadata"]["description"], '{"a":[1.0," "]}')

    def test_absent(self):
        event = one({"operator": " \u00a0", "action": "", "category_type": None, "operation_detail": {}})
        self.assertEqual(
            event,
            {
                "metadata": {
                    "eventTimestamp": TIME,
                    "eventType": "GENERIC_EVENT",
                    "logType": "ZOOM_OPERATION_LOGS",
                    "vendorName": "ZOOM",
                    "productName": "ZOOM_OPERATION_LOGS",
                    "description": "{}",
                }
            },
        )
        self.assertNotIn("principal", one({"operator": ["a@b.io"]}))
        self.assertNotIn("description", one({"operation_detail": " \t"})["metadata"])

    def test_last_field_counts(self):
        self.assertEqual(reasons(f'{{"time":"{TIME}","time":null,"action":"x"}}'), ["no_time"])
        events, _ = run(f'{{"time":"x","time":"{TIME}","action":"x"}}')
        self.assertEqual(events[0]["metadata"]["eventTimestamp"], TIME)

    def test_time(self):
        for given, expected in (
            ("2022-12-16 18:15:38", "2022-12-16T18:15:38Z"),
            ("2021-11-17 00:37:24Z", "2021-11-17T00:37:24Z"),
            ("2022-01-25T17:52:16.0000000+00:00", "2022-01-25T17:52:16Z"),
            ("2022-01-01T00:30:00.5+0100", "2021-12-31T23:30:00.500Z"),
            ("2022-01-01T00:00:00.123456700-01:30", "2022-01-01T01:30:00.123456700Z"),
            ("2022-01-01T00:00:00.000001", "2022-01-01T00:00:00.000001Z"),
            ("1566328141", "2019-08-20T19:09:01Z"),
            ("1566328141007", "2019-08-20T19:09:01.007Z"),
            ("2020-02-29T00:00:00Z", "2020-02-29T00:00:00Z"),
        ):
            self.assertEqual(stamp(given), expected, given)
        for given in (
            "2021-02-29T00:00:00Z",
            "2021-01-01T24:00:00Z",
            "2021-01-01T00:00:60Z",
            "2021-01-01T00:00:00.1234567890Z",
            "2021-01-01T00:00:00.Z",
            "2021-01-01T00:00:00+24:00",
            "2021-01-01T00:00:00 Z",
            "2021-01-01",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "156632814",
            "15663281411",
            "1566328141.5",
            "٢٠٢١-01-01T00:00:00Z",
            "",
        ):
            self.assertIsNone(stamp(given), given)

    def test_time_as_number_and_default(self):
        events, _ = run('{"time":1566328141,"action":"x"}')
        self.assertEqual(events[0]["metadata"]["eventTimestamp"], TIME)
        self.assertEqual(reasons('{"time":1566328141.0,"action":"x"}'), ["no_time"])
        events, rejects = run('{"time":"soon","action":"x"}', default_time=TIME)
        self.assertEqual((events[0]["metadata"]["eventTimestamp"], rejects), (TIME, []))


class Emails(unittest.TestCase):
    """Section 2: e-mail addresses."""

    def test_is_email(self):
        for text in ("admin-test%1223+123@duff.dev.co", "müller@bücher.example", "x@y.com", "+a@1.2", "_@a_b.c"):
            self.assertTrue(texts.is_email(text), text)
        for text in ("SCIM@Okta", "a@b", "John Smith", ".a@b.io", "a@-b.io", "a@b.io.", "a@b.io-", "a@b@c.io", "@b.io"):
            self.assertFalse(texts.is_email(text), text)

    def test_operator(self):
        self.assertEqual(one({"operator": " a@b.io\n"})["principal"]["user"], {"emailAddresses": ["a@b.io"]})
        self.assertEqual(one({"operator": " SCIM@Okta "})["principal"]["user"], {"userid": "SCIM@Okta"})

    def test_found_in_text(self):
        found = list(texts.find_emails("<a.b@c.io>, '.d@e.io. f@g@h.io-x (i@j)"))
        self.assertEqual(found, ["a.b@c.io", "d@e.io", "g@h.io-x"])


class Grammar(unittest.TestCase):
    """Section 3: operation_detail."""

    def test_dash_inside_values(self):
        self.assertEqual(user("x  - Department: from IT - Helpdesk to Sales"), {"department": ["Sales"]})
        self.assertEqual(user("x - Job Title: 03/02/2023 - 03/30/2023")["title"], "03/02/2023 - 03/30/2023")
        self.assertEqual(user("x - Job Title:y"), {})

    def test_head(self):
        self.assertEqual(grammar.split_head(" A - B: c   - D: e "), ("A - B: c", "D: e"))
        self.assertEqual(grammar.split_head("- D: e"), ("", "D: e"))
        self.assertEqual(grammar.split_head("Co-Owner  -x"), ("Co-Owner  -x", None))

    def test_values(self):
        for value, expected in (
            ("from  to New", "New"),
            ("from Old to", ""),
            ("from  to", ""),
            ("set to", ""),
            ("set to  X", "X"),
            ("set toX", "set toX"),
            ("from X", "from X"),
            ("From A to B", "From A to B"),
        ):
            self.assertEqual(grammar.new_value(value), expected, value)

    def test_last_key_counts_and_case(self):
        self.assertEqual(user("x  - Job Title: A - job title: C - Job Title: B"), {"title": "B"})
        self.assertEqual(user("x  - Job Title: A - Job Title: set to"), {})

    def test_verbatim(self):
        self.assertEqual(
            user("Change Role  - a@b.io: from U to A", values="verbatim")["attribute"]["roles"],
            [{"name": "from U to A"}],
        )

    def test_emails_in_order_never_in_values(self):
        got = user("Assign A@b.io a@B.io  - Note: z@z.io - c@d.io: x - e@f.io: y - Email Address: C@d.io")
        self.assertEqual(got["emailAddresses"], ["A@b.io", "c@d.io"])
        self.assertEqual(user("delete user - user2@example.com")["emailAddresses"], ["user2@example.com"])
        self.assertEqual(user("x  - Email Address: z@z.io"), {"emailAddresses": ["z@z.io"]})

    def test_event_type(self):
        kind = lambda **record: one(record)["metadata"]["eventType"]  # noqa: E731
        self.assertEqual(kind(event_type=" STATUS_UPDATE "), "STATUS_UPDATE")
        self.assertEqual(kind(event_type="EVENTTYPE_UNSPECIFIED"), "GENERIC_EVENT")
        self.assertEqual(kind(event_type="USER_LOGIN", operator="x"), "USER_UNCATEGORIZED")
        self.assertEqual(kind(event_type="SETTING_CREATION", operation_detail="x - a@b.io"), "USER_UNCATEGORIZED")
        self.assertEqual(kind(event_type="USER_CREATION", operator="x"), "USER_UNCATEGORIZED")
        self.assertEqual(kind(event_type="USER_CREATION", operation_detail="x - Type: y"), "USER_CREATION")
        self.assertEqual(kind(event_type="USER_UNCATEGORIZED"), "GENERIC_EVENT")
        self.assertEqual(kind(event_type="USER_UNCATEGORIZED", operation_detail='{"userId":1}'), "USER_UNCATEGORIZED")
        self.assertEqual(kind(event_type="user_login"), "GENERIC_EVENT")
        self.assertEqual(kind(event_type="operation_log", operator="x"), "USER_UNCATEGORIZED")
        self.assertEqual(kind(operation_detail="x - Email Address: a@b.io"), "GENERIC_EVENT")
        self.assertEqual(kind(operation_detail="x - a@b.io"), "USER_UNCATEGORIZED")

    def test_roles(self):
        roles = lambda detail: [r["name"] for r in user(detail)["attribute"]["roles"]]  # noqa: E731
        self.assertEqual(
            roles("CHANGE ROLE x  - a@b.io: from A to - c@d.io: from A to B - Role: Z - User Role: B - Role Name: N"),
            ["N", "B"],
        )
        self.assertEqual(roles("Change Role  - Role: A - role: B"), ["B"])
        self.assertEqual(roles("x  - a@b.io: set to A - role: B - Role: C"), ["C"])

    def test_json_data_spans(self):
        for text, span in (
            ('a [ {"x":1}] {"y":2}', (2, 12)),
            ('[1,{"x":2}]', (3, 10)),
            ('{"a":[{"b":1}] ', (5, 14)),
            ('{"a [{"b":1}]', (4, 13)),
            ("[{x}] {}", (6, 8)),
            ('{ "a":1}', None),
            ("[]", None),
            ('[{"a":01}]', None),
        ):
            found = grammar.find_json_data(text)
            self.assertEqual(found and found[0], span and [span], text)

    def test_json_data_changed(self):
        old, new = '[{"userId":"old"}]', '[{"userId":"new"}]'
        self.assertEqual(
            user(f"x a@b.io  - P: from {old} to {new} - Department: IT"),
            {"emailAddresses": ["a@b.io"], "userid": "new", "department": ["IT"]},
        )
        for text in (f"from {old} to []", f"from {old}  to {new}", f"From {old} to {new}", f"from {old} to {new[:-1]}"):
            self.assertEqual(user(text)["userid"], "old", text)

    def test_two_spaces_around_json_data(self):
        heads = lambda text: grammar.Detail(text, False).head  # noqa: E731
        self.assertEqual(heads("x - K: [{}] - L: v"), "x")
        self.assertEqual(heads("x - K: from {} to {} - L: v"), "x")
        self.assertEqual(heads("x - K: [{}]  - L: v"), "x - K:")
        self.assertEqual(heads("x - K:  [{}]- L: v"), "x - K:")
        self.assertEqual(heads("x - K:  [{}] - L: v"), "x - K:")
        self.assertEqual(heads("[{}]  - L: v"), "")

    def test_json_data_mapped(self):
        event = one(
            {
                "operation_detail": 'x  - Type: T - P: [{"userId":" u ","options":["a",1.50,null," ",{"k": [1]}]},'
                '5,{"x":1},{"assistant":true,"userId":7,"userId":null}] - User Type: U'
            }
        )
        labels = lambda *pairs: {"labels": [{"key": k, "value": v} for k, v in pairs]}  # noqa: E731
        self.assertEqual(
            event["target"]["user"],
            {
                "userid": "u",
                "attribute": labels(
                    ("Type", "T"), ("User Type", "U"), ("options", "a"), ("options", "1.50"), ("options", '{"k":[1]}')
                ),
            },
        )
        self.assertEqual(event["about"], [{"user": {"attribute": labels(("assistant", "true"))}}])
        event = one({"operation_detail": '[{},{"userId":"u"}]'})
        self.assertEqual(event["about"], [{"user": {"userid": "u"}}])
        self.assertNotIn("target", event)


class Command(unittest.TestCase):
    def test_gzip_and_rejects(self):
        script = os.path.join(HERE, "reference_impl.py")
        with tempfile.TemporaryDirectory() as folder:
            rejects = os.path.join(folder, "rejects")
            data = gzip.compress(b'{"time":1566328141,"action":"\xc3\xa9"}\n') + gzip.compress(b"{\n")
            done = subprocess.run(
                [sys.executable, script, "--mapping", os.environ["MAPPING"], "--rejects", rejects], input=data, stdout=subprocess.PIPE, check=True
            )
            self.assertIn('"productEventType":"é"', done.stdout.decode("utf-8"))
            with open(rejects, encoding="utf-8") as file:
                self.assertEqual(file.read(), '{"line":2,"offset":34,"reason":"not_json"}\n')
            cut = gzip.compress(b'{"time":1566328141,"action":"x"}\n{"time')[:-9]
            done = subprocess.run([sys.executable, script, "--mapping", os.environ["MAPPING"], "--rejects", rejects], input=cut, stdout=subprocess.PIPE)
            self.assertEqual((done.returncode, done.stdout.count(b"\n")), (1, 1))
            with open(rejects, encoding="utf-8") as file:
                self.assertEqual(file.read(), "")


if __name__ == "__main__":
    unittest.main()
