#!/usr/bin/env python3
"""Generates records whose texts exercise enrichment, the same for the same seed.

    generate_enrichment.py --records N [--seed N] [--pretty] [--kinds operation,sign_in,webhook]

Operation logs combine categories, actions, heads, keys and values; webhook events combine the events and members that rows of
enrichment read. Hostile records, framing and flags are those of generate_records.py.
"""

from enrichment_tables import ARTICLES, CLASSES, NAME_HEADS, NOUNS, SETTING_HEAD, VERBS
from enrichment_values import (
    ACTIVITIES, ACTIONS, CATEGORIES, HEADS, KEYS, NAMES, OTHER_MEMBERS, PARTIES, ROLES, SEPARATORS, SETTING_VALUES, UNKEYED,
    VALUES, WEBHOOKS,
)  # fmt: skip
from generate_records import Generator, main
from record_values import EVENT_TYPES, Members

ENRICHED_TYPES = EVENT_TYPES + ("USER_RESOURCE_UPDATE_CONTENT", "USER_LOGIN", "SETTING_MODIFICATION", "USER_DELETION")


class EnrichmentGenerator(Generator):
    def record(self):
        record = super().record()
        if self.chance(8):
            record += self.some(OTHER_MEMBERS, 30)
        if self.chance(8):
            record.append(("event_type", self.one_of(ENRICHED_TYPES)))
        return record

    # -----------------------------------------------------------------------------------------------
    # Operation logs.

    def operation(self):
        members = [
            ("time", self.time()),
            ("operator", self.email() if self.chance(90) else "SCIM@Okta"),
            ("category_type", self.words(self.one_of(tuple(CLASSES) + CATEGORIES))),
            ("action", self.words(self.one_of(ACTIONS))),
            ("operation_detail", self.detail()),
        ]
        return self.some(members, 96)

    def words(self, text):
        """Returns the text with capitals as Zoom writes it, or in another case, or with more spaces."""
        choice = self.random.random()
        if choice < 0.75:
            return text.title()
        if choice < 0.85:
            return text.upper()
        return text if choice < 0.95 else f" {text.replace(' ', '  ')} "

    def address(self):
        return self.one_of(("a@x.io", "A@x.io", "b@x.io", "c@x.io", self.email()))

    def name(self):
        return self.address() if self.chance(25) else self.one_of(NAMES)

    def detail(self):
        text = self.head()
        pieces = [self.change() for _ in range(self.one_of((0, 0, 1, 1, 1, 2, 3, 5)))]
        if self.chance(12):
            pieces.insert(0, self.one_of(UNKEYED + (self.address(), f"{self.address()} {self.address()}")))
        if pieces:
            return text + self.one_of(SEPARATORS) + " - ".join(pieces)
        return text + self.one_of(("", " "))

    def head(self):
        choice = self.random.randrange(100)
        if choice < 16:
            return self.words("change role") + self.one_of(("", "", " ", f" {self.name()}", "s"))
        if choice < 25:
            start, middle = self.one_of((" from ", " from ", "  from ", " From ")), self.one_of((" to ", " to ", ""))
            return f"{self.words(SETTING_HEAD)} {self.name()}{start}{self.new_text()}{middle}{self.new_text()}"
        if choice < 32:
            return f"{self.words(self.one_of(NAME_HEADS))} {self.name()}"
        if choice < 43:
            return self.one_of(HEADS)
        return self.general_head()

    def general_head(self):
        """Returns a head of a verb, articles, a noun and a name; each may be missing."""
        nouns = tuple(CLASSES) + CATEGORIES + NOUNS
        parts = [self.words(self.one_of(sorted(VERBS))).strip()]
        parts += [self.one_of(ARTICLES) for _ in range(self.one_of((0, 0, 0, 1, 2)))]
        if self.chance(85):
            noun = self.words(self.one_of(nouns)).strip()
            parts.append(noun if self.chance(60) else noun.removesuffix("s"))
        if self.chance(85):
            parts.append(self.name())
        for word in self.some(("from", "to"), 15):
            parts += [self.words(word).strip(), self.one_of(PARTIES)]
        return self.one_of((" ", " ", " ", " ", "  ")).join(parts)

    def change(self):
        key = self.address() if self.chance(30) else self.one_of(KEYS)
        return f"{key}:{self.one_of((' ', ' ', ' ', '  '))}{self.phrase()}".rstrip(" ")

    def phrase(self):
        """Returns a value as Zoom writes it, with the old and the new value, the new one, or either blank."""
        return self.one_of(
            (
                f"from {self.new_text()} to {self.new_text()}",
                f"from {self.new_text()} to {self.new_text()}",
                f"from  to {self.new_text()}",
                f"from {self.new_text()} to",
                f"set to {self.new_text()}",
                "set to",
                self.new_text(),
                self.new_text(),
                "",
                '[{"userId":"u1","assistant":"b@x.io","options":"edit"},{"userId":"u2"}]',
                'from {"userId":"u1"} to {"userId":"u2"}',
            )
        )

    def new_text(self):
        return self.one_of((self.one_of(VALUES), self.one_of(ROLES), self.one_of(ROLES), self.address()))

    # -----------------------------------------------------------------------------------------------
    # Sign-ins and webhook events.

    def sign_in(self):
        record = super().sign_in()
        return Members((key, self.one_of(ACTIVITIES) if key == "type" else value) for key, value in record)

    def webhook(self):
        payload = Members([("account_id", self.identifier())])
        payload += self.some([("operator", self.one_of((self.email(), "op"))), ("operator_id", self.identifier())], 75)
        settings = self.settings()
        payload.append(("object", self.any_object(settings)))
        if self.chance(60):
            payload.append(("old_object", self.any_object(self.changed(settings))))
        payload += self.some([("creation_type", "create"), ("time_stamp", self.milliseconds()), ("update_fields", ["a", "b"])], 30)
        return Members([("event", self.one_of(WEBHOOKS)), ("event_ts", self.milliseconds()), ("payload", payload)])

    def any_object(self, settings):
        """Returns an object with members of users, groups, accounts and meetings, which all events may have."""
        members = list(self.user_object())
        members = [member for member in members if member[0] not in ("settings", "role", "role_name")]
        members += self.some([("name", self.one_of(NAMES)), ("account_name", "Duff"), ("settings", settings)], 50)
        role = self.one_of((1, "2", Members([("id", 1)])))
        members += self.some([("topic", "Weekly"), ("host_id", "h1"), ("role_name", self.one_of(ROLES)), ("role", role)], 40)
        members += self.some([("participant", self.participant()), ("members", self.people()), ("admins", self.people())], 40)
        if self.chance(10):
            members.append(("email", self.one_of(("bob", " ", "a@x.io "))))
        return Members(members)

    def participant(self):
        members = dict(self.meeting_object()).get("participant", Members())
        return Members(members + self.some([("email", self.one_of((self.address(), "none", ""))), ("private_ip", "10.0.0.1")], 60))

    def people(self):
        count = self.random.randrange(4)
        people = [self.some([("id", self.identifier()), ("email", self.name())], 80) for _ in range(count)]
        return people if self.chance(90) else self.one_of((5, people + [None, "a@x.io"], Members([("email", "a@x.io")])))

    def settings(self):
        more = [("a", self.one_of(SETTING_VALUES)), ("b", [1, self.one_of(SETTING_VALUES)])]
        return Members(super().settings() + self.some(more))

    def changed(self, settings):
        """Returns settings with some values changed or missing."""
        result = Members()
        for key, value in settings:
            if self.chance(15):
                continue
            if isinstance(value, Members):
                value = self.changed(value)
            elif self.chance(30):
                value = self.one_of(SETTING_VALUES)
            result.append((key, value))
        return result


if __name__ == "__main__":
    main(EnrichmentGenerator)
