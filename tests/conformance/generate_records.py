#!/usr/bin/env python3
"""Generates records of the three kinds (operation logs, sign-ins, webhook events), the same for the same seed.

    generate_records.py --records N [--seed N] [--pretty] [--kinds operation,sign_in,webhook]

Writes lines to standard output. Half of the records look as Zoom writes them; the others are hostile: members of other types,
blank, missing, repeated or of another kind, half surrogates, unusual times and addresses, deep and wide settings. Records
stand alone, in arrays, in pages of either report or of both, and several on a line. A few lines are no records at all.
With --pretty, every value spans several lines.
"""

import argparse
import json
import sys
from random import Random

from record_values import ADDRESSES, EMAILS, EVENT_TYPES, OPERATION_DETAILS, SCALARS, TEXTS, TIMES, UNKNOWN, Members, Raw

KINDS = ("operation", "sign_in", "webhook")


sys.setrecursionlimit(10_000)  # for the deepest settings, which are written recursively


class Generator:
    def __init__(self, seed, kinds=KINDS, pretty=False):
        self.random = Random(seed)
        self.kinds = kinds
        self.pretty = pretty

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def one_of(self, values):
        return self.random.choice(values)

    def some(self, members, percent=70):
        """Returns a part of the members, in their order."""
        return Members(member for member in members if self.chance(percent))

    # -----------------------------------------------------------------------------------------------
    # Records as Zoom writes them.

    def email(self):
        return f"{self.one_of(('ann', 'bob', 'j.chill', 'it-admin', 'müller'))}{self.random.randrange(100)}@example.com"

    def identifier(self):
        return "".join(self.random.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", k=22))

    def time(self):
        random = self.random
        day = f"2024-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
        return f"{day}T{random.randrange(24):02}:{random.randrange(60):02}:{random.randrange(60):02}Z"

    def milliseconds(self):
        return 1_700_000_000_000 + self.random.randrange(50_000_000_000)

    def operation(self):
        members = Members()
        members.append(("time", self.time()))
        members.append(("operator", self.email()))
        members.append(("category_type", self.one_of(("User", "Account", "Zoom Rooms", "Recording"))))
        members.append(("action", self.one_of(("Add", "Update", "Delete", "Batch Update"))))
        members.append(("operation_detail", self.one_of(OPERATION_DETAILS)))
        return members

    def sign_in(self):
        address = ".".join(str(self.random.randrange(256)) for _ in range(4))
        if self.chance(20):
            address = ":".join(f"{self.random.randrange(65536):x}" for _ in range(8))
        members = Members()
        members.append(("client_type", self.one_of(("Browser", "win", "mac", "iPhone", "Android"))))
        members.append(("email", self.email()))
        members.append(("ip_address", address))
        members.append(("time", self.time()))
        members.append(("type", self.one_of(("Sign in", "Sign out"))))
        members.append(("version", self.one_of(("-", "5.9.1.2581", "6.0.0.1000"))))
        return members

    def webhook(self):
        area = self.one_of(("user", "user", "account", "group", "meeting", "meeting", "recording"))
        name = f"{area}.{self.one_of(ACTIONS[area])}"
        payload = Members([("account_id", self.identifier())])
        payload += self.some([("operator", self.email()), ("operator_id", self.identifier())])
        payload.append(("object", getattr(self, f"{area}_object", self.user_object)()))
        if "updated" in name:
            payload.append(("old_object", getattr(self, f"{area}_object", self.user_object)()))
        payload += self.some([("time_stamp", self.milliseconds())], 50)
        return Members([("event", name), ("event_ts", self.milliseconds()), ("payload", payload)])

    def user_object(self):
        members = [
            ("id", self.identifier()),
            ("first_name", self.one_of(("Jill", "Ann", "Jörg"))),
            ("last_name", "Chill"),
            ("display_name", "Jill Chill"),
            ("email", self.email()),
            ("dept", "IT"),
            ("type", 1),
            ("role_name", self.one_of(("Admin", "Member"))),
            ("role", "2"),
            ("client_type", "android"),
            ("date_time", self.time()),
            ("version", self.one_of(("-", "5.7.4.1585"))),
            ("login_type", self.one_of(("100", "101", 101, 1))),
            ("status_id", self.identifier()),
            ("status_name", "Available"),
            ("settings", self.settings()),
        ]
        return self.some(members, 55)

    def account_object(self):
        return Members([("id", self.identifier()), ("account_name", "Duff"), ("settings", self.settings())])

    def group_object(self):
        return Members([("id", self.identifier()), *self.some([("name", "Recruiting"), ("settings", self.settings())])])

    def meeting_object(self):
        participant = [
            ("user_id", "16778240"),
            ("participant_user_id", self.identifier()),
            ("user_name", "Jill Chill"),
            ("id", self.identifier()),
            ("participant_uuid", self.identifier()),
            ("join_time", self.time()),
            ("public_ip", "192.0.2.7"),
        ]
        members = [
            ("id", str(self.random.randrange(10**10))),
            ("uuid", self.identifier() + "=="),
            ("host_id", self.identifier()),
            ("topic", "Weekly"),
            ("type", 2),
            ("start_time", self.time()),
            ("duration", self.random.randrange(100)),
            ("timezone", "America/Los_Angeles"),
            ("email", self.email()),
            ("participant", self.some(participant)),
        ]
        return self.some(members, 80)

    def settings(self):
        in_meeting = [("chat", True), ("max", 300), ("types", ["audio", "video"]), ("rate", Raw("1.50"))]
        recording = [("auto_recording", "cloud"), ("archive", Members([("enable", False)]))]
        return self.some([("in_meeting", self.some(in_meeting)), ("recording", self.some(recording))])

    # -----------------------------------------------------------------------------------------------
    # Hostile records.

    def hostile(self, record, percent=12):
        """Returns the members with some of them changed, missing, moved or given twice."""
        result = Members()
        for key, value in record:
            if isinstance(value, Members):
                value = self.hostile(value, percent)
            if not self.chance(percent):
                result.append((key, value))
                continue
            change = self.random.randrange(6)
            if change <= 1:
                result.append((key, self.odd_value(key)))
            elif change == 2:
                result += [(key, self.odd_value(key)), (key, value)]
            elif change == 3:
                result += [(key, value), (key, self.odd_value(key))]
            elif change == 4:
                result.insert(0, (key, value))
            # Otherwise the member is missing.
        return result

    def odd_value(self, key):
        likely = {
            "time": TIMES, "date_time": TIMES, "event_ts": TIMES, "time_stamp": TIMES,
            "ip_address": ADDRESSES, "public_ip": ADDRESSES, "operator": EMAILS, "email": EMAILS, "event": TEXTS,
        }  # fmt: skip
        if key in likely and self.chance(75):
            return self.one_of(likely[key])
        if key == "settings" and self.chance(5):
            return self.large_value()
        if key == "settings" and self.chance(60):
            return self.one_of((self.deep_value, self.wide_value))()
        return self.one_of(SCALARS + TEXTS) if self.chance(80) else self.nested_value()

    def nested_value(self):
        return self.one_of(
            ([], Members(), [1], ["text", None], Members([("a", 1)]), [Members([("", " ")]), [[]]], [Members([("a", 1), ("a", 2)])])
        )

    def deep_value(self):
        value = self.one_of(SCALARS)
        for _ in range(self.one_of((3, 60, 200))):
            key = self.one_of(("a", "", "a.b", "ü", "\ud83d", "0"))
            value = [value] if self.chance(30) else Members([(key, value)])
            if self.chance(10):
                value.append(self.one_of(SCALARS) if not isinstance(value, Members) else (self.one_of(("z", "a")), True))
        return value

    def large_value(self):
        """Returns settings with more bytes of keys, or more levels, than the labels of an event may have."""
        if self.chance(50):
            return Members([("k" * 2000, list(range(2100))), ("last", 1)])
        value = True
        for _ in range(self.one_of((499, 500, 501, 600))):
            value = [value]
        return value

    def wide_value(self):
        keys = ("a", "b", "c.d", "", " ", "e\u0000", "\ud800", '"')
        members = Members((self.one_of(keys) + str(self.random.randrange(5)), self.one_of(SCALARS + TEXTS)) for _ in range(12))
        return [members, members[:3]] if self.chance(30) else members

    def foreign_members(self):
        """Returns members that other kinds have, which decide the kind of a record."""
        members = [
            ("operator", self.one_of(("x", " ", "", None, 7, [], ["a@b.io"]))),
            ("operation_detail", self.one_of(("x", "\u00a0", None, [], Members()))),
            ("action", self.one_of(("", "\t", Members(), False))),
            ("event", self.one_of(("user.created", " ", "", 5, None))),
            ("payload", self.one_of((Members(), [], "{}", None))),
            ("type", self.one_of(("Sign in", " ", 1, None))),
            ("email", self.one_of(("a@b.io", "", 1, Members()))),
            ("time", self.time()),
            ("other", self.one_of((None, 1, "x", Members([("operator", "y")])))),
        ]
        return self.some(members, 25)

    def record(self):
        """Returns a record, ordinary or hostile."""
        record = getattr(self, self.one_of(self.kinds))()
        if self.chance(50):
            return record
        record = self.hostile(record)
        if self.chance(25):
            record.append(("event_type", self.one_of(EVENT_TYPES)))
        if self.chance(15):
            record += self.foreign_members()
        if self.chance(30):
            self.random.shuffle(record)
        return record

    # -----------------------------------------------------------------------------------------------
    # Framing.

    def page(self, records):
        """Returns a page of either report or of both, maybe with members of a record or with pages inside."""
        if self.chance(20):
            records.append(self.one_of((5, None, "text", [], self.page([]))))
        key, other = self.one_of((("operation_logs", "activity_logs"), ("activity_logs", "operation_logs")))
        cut = self.random.randrange(len(records) + 1) if self.chance(30) else None
        page = Members([("from", "2024-01-01"), (key, records[:cut])])
        if cut is not None:
            page.append((other, records[cut:]))
        if self.chance(10):
            page.append((self.one_of((key, other)), self.one_of(([], None, 5, Members()))))
        if self.chance(10):
            page += self.foreign_members()
        return page

    def value(self):
        """Returns a JSON value and the number of its records."""
        choice = self.random.random() * 100
        if choice < 85:
            return self.record(), 1
        if choice < 90:
            return self.one_of(UNKNOWN), 1
        records = [self.record() for _ in range(self.random.randrange(5))]
        if choice < 94:
            return records, len(records)
        page = self.page(records)
        if self.chance(15):
            page = [page] if self.chance(50) else Members([("activity_logs", [page, self.record()])])
        return page, len(records)

    def line(self):
        """Returns a line, as bytes, and the number of its records."""
        value, count = self.value()
        text = self.render(value)
        if self.chance(3) and not self.pretty:
            another, more = self.value()
            text, count = text + self.render(another), count + more
        if self.chance(1) and not self.pretty:
            text = self.broken(text)
        data = text.encode("utf-8")
        if self.chance(0.3):
            data = data.replace(b"a", b"\xff", 1)
        return data + self.one_of((b"\n", b"\n", b"\n", b"\r\n", b"\n\n")), count

    def broken(self, text):
        at = self.random.randrange(len(text))
        return text[:at] + self.one_of(("", "}", '"', "\t", "\\")) + text[at + 1 :]

    def render(self, value):
        """Returns the JSON text of a value: compact, with spaces, or with odd spaces and escapes."""
        style = self.one_of((0, 0, 0, 1, 2))
        if self.pretty:
            return self.text_of(value, ",\n  ", ":\t", "\n")
        if style == 0:
            return self.text_of(value, ",", ":", "")
        if style == 1:
            return self.text_of(value, ", ", ": ", "")
        return self.text_of(value, " ,\t", " : ", " ", escape=True)

    def text_of(self, value, comma, colon, pad, escape=False):
        if isinstance(value, Raw):
            return str(value)
        if isinstance(value, Members):
            pairs = (self.string(key, escape) + colon + self.text_of(member, comma, colon, pad, escape) for key, member in value)
            return "{" + pad + comma.join(pairs) + pad + "}"
        if isinstance(value, list):
            elements = (self.text_of(element, comma, colon, pad, escape) for element in value)
            return "[" + pad + comma.join(elements) + pad + "]"
        return self.string(value, escape) if isinstance(value, str) else json.dumps(value)

    def string(self, text, escape):
        # A half surrogate can only be written as an escape.
        has_surrogate = any("\ud800" <= char <= "\udfff" for char in text)
        token = json.dumps(text, ensure_ascii=has_surrogate or (escape and self.chance(50)))
        if escape and token[1:2].isalpha() and self.chance(50):
            token = f'"\\u{ord(token[1]):04x}{token[2:]}'
        return token


ACTIONS = {
    "user": ("created", "updated", "deleted", "signed_in", "settings_updated", "presence_status_updated"),
    "account": ("updated", "settings_updated"),
    "group": ("created", "updated"),
    "meeting": ("started", "ended", "participant_joined", "updated"),
    "recording": ("completed",),
}


def main(generator_class=Generator):
    parser = argparse.ArgumentParser(description="Generates records of the three kinds.")
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pretty", action="store_true", help="values span several lines")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=KINDS)
    args = parser.parse_args()
    generator = generator_class(args.seed, args.kinds, args.pretty)
    count = 0
    while count < args.records:
        data, more = generator.line()
        sys.stdout.buffer.write(data)
        count += more


if __name__ == "__main__":
    main()
