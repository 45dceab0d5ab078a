#!/usr/bin/env python3
"""Tests of reference_impl.py with sign-ins and webhook events, and of generate_records.py."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from generate_records import Generator  # noqa: E402
from test_reference_impl import TIME, reasons, run  # noqa: E402
from texts import is_ip  # noqa: E402

SIGN_IN = {"time": TIME, "type": "Sign in", "email": "a@x.io"}


def event_of(record, **options):
    events, rejects = run(json.dumps(record), **options)
    assert not rejects and len(events) == 1, (events, rejects)
    return events[0]


def sign_in(**members):
    return event_of({**SIGN_IN, **members})


def webhook(event="user.updated", payload=None, **members):
    return event_of({"event": event, "event_ts": 1626230691572, "payload": payload or {}, **members})


class KindOfRecord(unittest.TestCase):
    def test_first_kind_that_fits(self):
        fields = {**SIGN_IN, "event": "user.created", "payload": {"object": {}}}
        name = lambda record: event_of(record)["metadata"].get("productEventType")  # noqa: E731
        self.assertEqual(name(fields), "user.created")
        self.assertEqual(name({**fields, "action": "Add"}), "Add")
        self.assertIsNone(name({**fields, "operator": False}))
        self.assertEqual(event_of({**fields, "operation_detail": {}})["metadata"]["description"], "{}")
        self.assertEqual(name({**fields, "payload": []}), "Sign in")
        self.assertEqual(name({**fields, "event": 5}), "Sign in")
        self.assertEqual(name({**fields, "operator": " ", "action": [], "category_type": None}), "user.created")

    def test_unknown_record_before_no_time(self):
        for record in (
            {},
            {"code": 124, "message": "Invalid access token."},
            {"type": 1, "email": "a@x.io"},
            {"type": "Sign in", "email": "\u00a0"},
            {"event": "user.created", "payload": "{}"},
            {"event": " ", "payload": {}},
            {"operator": ["a@b.io"], "action": {}, "category_type": []},
        ):
            for data in (record, {**record, "time": TIME}):
                self.assertEqual(reasons(json.dumps(data)), ["unknown_record"], data)
                self.assertEqual(reasons(json.dumps(data), default_time=TIME), ["unknown_record"], data)

    def test_last_of_repeated_fields_decides(self):
        self.assertEqual(reasons(f'{{"time":"{TIME}","action":"x","action":null}}'), ["unknown_record"])
        self.assertEqual(reasons(f'{{"time":"{TIME}","action":null,"action":"x"}}'), [])

    def test_pages_of_both_reports(self):
        operation, record = f'{{"time":"{TIME}","action":"Add"}}', json.dumps(SIGN_IN)
        page = f'{{"activity_logs":[{record}],"from":"x","operation_logs":[{operation},5]}}'
        for data in (page, f"[{page}]", f'{{"activity_logs":[{page}]}}', page.replace(",", ",\n")):
            events, rejects = run(data)
            self.assertEqual([event["metadata"]["productEventType"] for event in events], ["Sign in", "Add"], data)
            self.assertEqual([reject["reason"] for reject in rejects], ["not_object"], data)
        self.assertEqual(reasons('{"operation_logs":5,"activity_logs":{}}'), ["unknown_record"])
        self.assertEqual(reasons(f'{{"action":"Add","activity_logs":[{record}]}}'), [])


class SignIn(unittest.TestCase):
    def test_all_fields(self):
        self.assertEqual(
            sign_in(client_type="Browser", email=" a@x.io ", ip_address="192.0.2.8", version="5.9.1.2581"),
            {
                "metadata": {
                    "eventTimestamp": TIME,
                    "eventType": "USER_UNCATEGORIZED",
                    "logType": "ZOOM_OPERATION_LOGS",
                    "productName": "ZOOM_OPERATION_LOGS",
                    "vendorName": "ZOOM",
                    "productEventType": "Sign in",
                    "productVersion": "5.9.1.2581",
                },
                "principal": {"ip": ["192.0.2.8"], "asset": {"ip": ["192.0.2.8"]}},
                "target": {"user": {"emailAddresses": ["a@x.io"]}},
                "additional": {"client_type": "Browser", "type": "Sign in"},
            },
        )

    def test_other_values(self):
        event = sign_in(email=" x ", ip_address=" unknown", version=" - ", client_type=5)
        self.assertEqual(event["target"], {"user": {"userid": "x"}})
        self.assertEqual(event["additional"], {"client_type": "5", "type": "Sign in", "ip_address": " unknown"})
        self.assertEqual(sign_in(ip_address=" ::1\n")["principal"]["ip"], ["::1"])
        self.assertNotIn("principal", event)
        self.assertNotIn("productVersion", event["metadata"])
        self.assertEqual(sign_in(ip_address=["192.0.2.8"])["additional"], {"type": "Sign in"})

    def test_ip_addresses(self):
        for text in ("192.0.2.8", "::1", "2001:DB8::A", "::ffff:192.0.2.8"):
            self.assertTrue(is_ip(text), text)
        for text in ("192.0.2.256", "192.0.2.08", "192.0.2.0/24", "[::1]", "fe80::1%eth0", "-", "3232235777"):
            self.assertFalse(is_ip(text), text)

    def test_event_type(self):
        kind = lambda name: sign_in(event_type=name, ip_address="::1")["metadata"]["eventType"]  # noqa: E731
        self.assertEqual(kind("USER_CREATION"), "USER_CREATION")
        self.assertEqual(kind("USER_LOGIN"), "USER_UNCATEGORIZED")
        self.assertEqual(kind("USER_RESOURCE_ACCESS"), "USER_UNCATEGORIZED")


class Webhook(unittest.TestCase):
    def test_user(self):
        event = webhook(
            payload={
                "account_id": "A",
                "operator": " a@x.io ",
                "operator_id": "o1",
                "object": {
                    "id": "u1", "email": "new@x.io", "first_name": "Jill", "last_name": "Chill", "display_name": "JC",
                    "dept": "IT", "role_name": {}, "role": 2, "version": "5.7", "client_type": "win", "login_type": 101,
                    "status_id": "s", "status_name": "Away",
                },
            }
        )  # fmt: skip
        self.assertEqual(event["metadata"]["productEventType"], "user.updated")
        self.assertEqual(event["metadata"]["eventTimestamp"], "2021-07-14T02:44:51.572Z")
        self.assertEqual(event["metadata"]["productVersion"], "5.7")
        user = {"emailAddresses": ["a@x.io"], "productObjectId": "o1"}
        self.assertEqual(event["principal"], {"user": user, "group": {"productObjectId": "A"}})
        self.assertEqual(
            event["target"],
            {
                "user": {
                    "emailAddresses": ["new@x.io"], "productObjectId": "u1", "firstName": "Jill", "lastName": "Chill",
                    "userDisplayName": "JC", "department": ["IT"], "attribute": {"roles": [{"name": "2"}]},
                },
                "resource": {"productObjectId": "A"},
            },
        )  # fmt: skip
        self.assertEqual(
            event["additional"],
            {
                "account_id": "A", "client_type": "win", "login_type": "Native Login (Non-SSO)", "status_id": "s",
                "status_name": "Away",
            },
        )  # fmt: skip

    def test_group(self):
        event = webhook("group.created", {"operator": "x", "object": {"id": 7, "name": "Staff"}}, event_type="GROUP_CREATION")
        self.assertEqual(event["target"], {"group": {"productObjectId": "7", "groupDisplayName": "Staff"}})
        self.assertEqual(event["principal"], {"user": {"userid": "x"}})
        self.assertEqual(event["metadata"]["eventType"], "GROUP_CREATION")
        self.assertIn("target", webhook(" group.x ", {"object": {"id": 7}}))
        self.assertNotIn("target", webhook("groups.x", {"object": {"id": 7, "name": "Staff"}}))

    def test_meeting(self):
        participant = {
            "user_name": "Jill", "user_id": " ", "participant_user_id": "p2", "public_ip": "192.0.2.7", "id": "p1",
            "join_time": TIME,
        }  # fmt: skip
        meeting = {
            "topic": "Weekly", "host_id": "h1", "start_time": "s", "duration": 60, "timezone": "UTC", "uuid": "m==",
            "participant": participant,
        }  # fmt: skip
        event = webhook("meeting.participant_joined", {"object": meeting})
        self.assertEqual(event["target"], {"resource": {"name": "Weekly"}, "user": {"userid": "h1"}})
        user = {"userDisplayName": "Jill", "userid": "p2", "productObjectId": "p1"}
        self.assertEqual(event["principal"], {"user": user, "ip": ["192.0.2.7"], "asset": {"ip": ["192.0.2.7"]}})
        additional = {"start_time": "s", "duration": "60", "timezone": "UTC", "uuid": "m==", "join_time": TIME}
        self.assertEqual(event["additional"], additional)
        self.assertEqual(event["metadata"]["eventType"], "GENERIC_EVENT")
        known = webhook("meeting.ended", {"operator": "o", "operator_id": "i", "object": meeting})["principal"]["user"]
        self.assertEqual(known, {"userid": "o", "productObjectId": "i", "userDisplayName": "Jill"})
        self.assertNotIn("principal", webhook("user.x", {"object": meeting}))
        meeting["email"] = "first row"
        self.assertEqual(webhook("meeting.ended", {"object": meeting})["target"]["user"], {"userid": "first row"})

    def test_login_type(self):
        login_type = lambda value: webhook(payload={"object": {"login_type": value}})["additional"]["login_type"]  # noqa: E731
        self.assertEqual(login_type(" 101 "), "Native Login (Non-SSO)")
        self.assertEqual(login_type(" 100 "), " 100 ")
        self.assertEqual(login_type(101.5), "101.5")

    def test_settings(self):
        data = (
            '{"event":"account.settings_updated","event_ts":1626230691,"payload":{"old_object":{"settings":{"a":"old"}},'
            '"object":{"settings":{"a":1,"b":{"c":[true,null," ",{"d":1.50}],"":"e"},"a":"last"}}}}'
        )
        labels = run(data)[0][0]["target"]["resource"]["attribute"]["labels"]
        self.assertEqual(
            [(label["key"], label["value"]) for label in labels],
            [
                ("settings.b.c.0", "true"),
                ("settings.b.c.3.d", "1.50"),
                ("settings.b.", "e"),
                ("settings.a", "last"),
                ("old_object.settings.a", "old"),
            ],
        )

    def test_limits_of_labels(self):
        def labels(**objects):
            event = webhook(payload={name: {"settings": settings} for name, settings in objects.items()})
            return event.get("target", {}).get("resource", {}).get("attribute", {}).get("labels", [])

        def nested(depth):
            return [nested(depth - 1)] if depth else True

        self.assertEqual(len(labels(object=nested(500))), 1)
        self.assertEqual(labels(object=nested(501)), [])
        settings = {f"{index:04}" + "k" * 987: 1 for index in range(4001)}
        self.assertEqual([len(labels(object=settings)), len(labels(object=settings, old_object=[1]))], [4000, 4001])

    def test_time(self):
        payload = {"time_stamp": "1626230691", "object": {"date_time": "2021-07-26T20:13:57Z"}}
        time = lambda **members: event_of({"event": "x", **members})["metadata"]["eventTimestamp"]  # noqa: E731
        self.assertEqual(time(event_ts="soon", payload=payload, time=TIME), "2021-07-14T02:44:51Z")
        del payload["time_stamp"]
        self.assertEqual(time(payload=payload, time=TIME), "2021-07-26T20:13:57Z")
        self.assertEqual(time(payload={}, time=TIME), TIME)
        self.assertEqual(reasons('{"event":"x","payload":{}}'), ["no_time"])

    def test_event_type(self):
        kind = lambda payload, **members: webhook("x", payload, **members)["metadata"]["eventType"]  # noqa: E731
        self.assertEqual(kind({"operator": "x"}), "USER_UNCATEGORIZED")
        self.assertEqual(kind({"object": {"email": "x"}}), "USER_UNCATEGORIZED")
        self.assertEqual(kind({"operator_id": "x"}), "GENERIC_EVENT")
        self.assertEqual(kind({"operator_id": "x"}, event_type="USER_UNCATEGORIZED"), "USER_UNCATEGORIZED")
        self.assertEqual(kind({"operator": "x", "account_id": "A"}, event_type="USER_RESOURCE_ACCESS"), "USER_RESOURCE_ACCESS")
        self.assertEqual(kind({"account_id": "A"}, event_type="USER_RESOURCE_ACCESS"), "GENERIC_EVENT")
        self.assertEqual(kind({"account_id": "A"}, event_type="SETTING_MODIFICATION"), "GENERIC_EVENT")


PATHS = """
additional.account_id additional.category_type additional.client_type additional.duration additional.ip_address
additional.join_time additional.login_type additional.start_time additional.status_id additional.status_name
additional.timezone additional.type additional.uuid
about.user.userid
metadata.description metadata.productEventType metadata.productVersion
principal.asset.ip principal.group.productObjectId principal.ip principal.user.emailAddresses
principal.user.productObjectId principal.user.userDisplayName principal.user.userid
target.group.groupDisplayName target.group.productObjectId target.location.name
target.resource.attribute.labels.key target.resource.name target.resource.productObjectId
target.user.attribute.labels.key target.user.attribute.roles.name target.user.department target.user.emailAddresses
target.user.firstName target.user.lastName target.user.productObjectId target.user.userDisplayName target.user.userid
"""


def paths_of(value, path=""):
    """Yields the paths of the texts in an event."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from paths_of(member, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for element in value:
            yield from paths_of(element, path)
    else:
        yield path


class Generated(unittest.TestCase):
    def test_records_reach_all_rows_and_reasons(self):
        generator = Generator(1)
        data = b"".join(generator.line()[0] for _ in range(3000)) + b'{"x":1}'
        events, rejects = run(data, max_line_bytes=1000)
        paths = {path for event in events for path in paths_of(event)}
        self.assertEqual(set(PATHS.split()) - paths, set())
        reached = {reject["reason"] for reject in rejects}
        self.assertEqual(reached, {"not_utf8", "line_too_long", "not_json", "not_object", "unknown_record", "no_time"})

    def test_same_seed_same_records(self):
        def lines(seed):
            generator = Generator(seed)
            return [generator.line() for _ in range(100)]

        self.assertEqual(lines(7), lines(7))
        self.assertNotEqual(lines(7), lines(8))


if __name__ == "__main__":
    unittest.main()
