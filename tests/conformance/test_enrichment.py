#!/usr/bin/env python3
"""Tests of enrichment: the cases of enrichment_cases.json, all published records, and generated records.

A case has a record, the type of its event, and the event without what enrichment does not decide: `metadata`,
`target.application`, and `principal` and `additional` unless the case has them. A member that is null must be absent.
"""

import json
import re
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from check_protobuf import check_event  # noqa: E402
from enrichment_tables import CLASSES, VERBS  # noqa: E402
from event_type import has_needs, meets_requirements  # noqa: E402
from fields import scalar_at  # noqa: E402
from generate_enrichment import EnrichmentGenerator  # noqa: E402
from json_nodes import parse_single  # noqa: E402
from records import Rejected, map_record  # noqa: E402
from reference_impl import Options  # noqa: E402
from test_kinds import paths_of  # noqa: E402
from test_reference_impl import ROWS, TIME, run  # noqa: E402
from texts import trim  # noqa: E402
from unmapped_text import read_records, strings, unmapped  # noqa: E402

CASES = json.loads((HERE / "enrichment_cases.json").read_text(encoding="utf-8"))
REAL = sorted(path for path in (HERE.parent.parent / "fixtures" / "real").iterdir() if path.suffix in (".json", ".ndjson"))


def options(**given):
    return Options(ROWS, **{"default_time": TIME, "enrich": True, **given})


def event_of(record, **options):
    events, rejects = run(json.dumps(record), enrich=True, **options)
    assert not rejects and len(events) == 1, (events, rejects)
    return events[0]


def decided(event, expected):
    """Returns the part of an event that a case states."""
    event = {key: value for key, value in event.items() if key != "metadata"}
    assert event["target"].pop("application") == "Zoom"
    event["target"] = event["target"] or None
    for key in ("principal", "additional"):
        if key not in expected:
            event.pop(key, None)
    return event


class Cases(unittest.TestCase):
    def test_events_are_as_expected(self):
        for case in CASES:
            expected = {"target": None, **case["event"]}
            with self.subTest(f"{case['rule']}: {case['name']}"):
                event = event_of(case["record"], **case.get("options", {}))
                self.assertEqual(event["metadata"]["eventType"], case["eventType"])
                found = decided(event, expected)
                wanted = {key: value for key, value in expected.items() if value is not None or key in found}
                self.assertEqual(found, wanted)

    def test_names_are_distinct(self):
        names = [case["name"] for case in CASES]
        self.assertEqual(len(names), len(set(names)))

    def test_events_pass_protobuf_and_needs(self):
        for case in CASES:
            with self.subTest(case["name"]):
                check(self, event_of(case["record"], **case.get("options", {})), case["record"].get("event_type"))

    def test_all_classes_and_verbs_are_in_cases(self):
        texts = " ".join(str(value).lower() for case in CASES for value in case["record"].values())
        self.assertEqual([word for word in (*CLASSES, *VERBS) if word not in texts], [])


def check(test, event, given=None):
    """Checks that Google's message reads an event, and that the event has what its type needs."""
    check_event(event, snake=False)
    name = event["metadata"]["eventType"]
    test.assertTrue((meets_requirements if name == given else has_needs)(name, event), event)


def published():
    """Yields (record, source) of the records of fixtures/real and of the documented examples of the other kinds."""
    for path in REAL:
        yield from read_records(path.read_bytes())
    for case in CASES:
        if case["rule"] == "published records":
            source = json.dumps(case["record"])
            yield parse_single(source), source


class Published(unittest.TestCase):
    def test_all_text_reaches_a_field(self):
        count = 0
        for record, source in published():
            event = map_record(record, source, options())
            self.assertEqual(unmapped(record, source, event), [], source)
            check(self, event)
            count += 1
        self.assertGreater(count, 80)

    def test_default_leaves_text_in_the_description(self):
        left = sum(bool(unmapped(*pair, map_record(*pair, options(enrich=False)))) for pair in published())
        self.assertGreater(left, 60)


# What enriched events have at these paths: the default moves, replaces or refines it.
REPLACED = re.compile(r"metadata\.eventType|target\.resource\.(productObjectId|attribute\.labels\.key)")


class Generated(unittest.TestCase):
    def test_events_are_valid_and_keep_the_default_texts(self):
        generator = EnrichmentGenerator(11)
        mapped = 0
        for source in (generator.render(generator.record()) for _ in range(1500)):
            record = parse_single(source)
            try:
                event, default = (map_record(record, source, options(enrich=enrich)) for enrich in (True, False))
            except Rejected:
                continue
            check(self, event, trim(scalar_at(record, "event_type") or ""))
            kept = {text.lower() for _, text in strings(event)}
            lost = [text for path, text in strings(default) if text.lower() not in kept and not REPLACED.fullmatch(path)]
            self.assertEqual(lost, [], source)
            mapped += 1
        self.assertGreater(mapped, 1000)

    def test_ordinary_records_have_no_unmapped_text(self):
        generator = EnrichmentGenerator(12)
        for _ in range(300):
            for make in (generator.operation, generator.sign_in, generator.webhook):
                source = generator.render(make())
                if "from {" in source:
                    continue  # of two JSON values, only the new one is mapped
                record = parse_single(source)
                self.assertEqual(unmapped(record, source, map_record(record, source, options())), [], source)

    def test_records_reach_all_fields_and_types(self):
        generator = EnrichmentGenerator(13)
        events, _ = run(b"".join(generator.line()[0] for _ in range(4000)), enrich=True)
        paths = {path for event in events for path in paths_of(event)}
        self.assertEqual(set(PATHS.split()) - paths, set())
        types = {event["metadata"]["eventType"] for event in events}
        self.assertEqual(set(TYPES.split()) - types, set())
        texts = {text for event in events for path, text in strings(event) if path in CHOICES}
        self.assertEqual(set(CHOICES_OF_TEXT.split()) - texts, set())

    def test_same_seed_same_records(self):
        def lines(seed):
            generator = EnrichmentGenerator(seed)
            return [generator.line() for _ in range(100)]

        self.assertEqual(lines(7), lines(7))
        self.assertNotEqual(lines(7), lines(8))


PATHS = """
about.user.attribute.labels.key about.user.attribute.roles.name about.user.attribute.roles.type about.user.emailAddresses
about.user.userid additional.p_event_time additional.object.id additional.old_object.id additional.payload.creation_type
extensions.auth.mechanism principal.user.emailAddresses securityResult.action securityResult.categoryDetails
securityResult.detectionFields.key securityResult.detectionFields.value securityResult.summary
src.group.attribute.labels.key src.resource.attribute.labels.key src.user.attribute.labels.key src.user.department
src.user.emailAddresses src.user.firstName src.user.lastName src.user.userDisplayName
target.application target.group.attribute.labels.key target.group.groupDisplayName target.resource.attribute.labels.key
target.resource.name target.resource.productObjectId target.resource.resourceSubtype target.resource.resourceType
target.user.attribute.labels.key target.user.attribute.roles.name target.user.attribute.roles.type
target.user.userAuthenticationStatus target.user.userid
"""

TYPES = """
GENERIC_EVENT GROUP_CREATION GROUP_DELETION GROUP_MODIFICATION SETTING_MODIFICATION USER_CHANGE_PERMISSIONS USER_CREATION
USER_DELETION USER_LOGIN USER_LOGOUT USER_RESOURCE_ACCESS USER_RESOURCE_CREATION USER_RESOURCE_DELETION
USER_RESOURCE_UPDATE_CONTENT USER_RESOURCE_UPDATE_PERMISSIONS USER_UNCATEGORIZED
"""

CHOICES = (
    "target.resource.resourceType", "target.user.userAuthenticationStatus", "securityResult.detectionFields.value",
    "target.user.attribute.labels.key", "about.user.attribute.labels.key", "target.resource.attribute.labels.key",
)  # fmt: skip
CHOICES_OF_TEXT = f"""
SETTING ACCESS_POLICY DEVICE CLOUD_ORGANIZATION USER ACTIVE SUSPENDED DELETED detail From To in_meeting.chat {" ".join(VERBS)}
"""


if __name__ == "__main__":
    unittest.main()
