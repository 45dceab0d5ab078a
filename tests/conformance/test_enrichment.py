#!/usr/bin/env python3
"""Tests of enrichment: the cases of enrichment_cases.json, all published records, and generated records.

A case has a record, the type of its event, and the event without what enrichment does not decide: `metadata`,
`target.application`, and `principal` and `additional` unless the case has them. A member that is null must be absent.
"""

import json
import os
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from check_protobuf import check_event  # noqa: E402
from enrichment_tables import CLASSES, VERBS  # noqa: E402
from event_type import has_needs, meets_requirements  # noqa: E402
from generate_enrichment import EnrichmentGenerator  # noqa: E402
from test_kinds import paths_of  # noqa: E402
from test_reference_impl import TIME, run  # noqa: E402
from unmapped_text import unmapped  # noqa: E402

CASES = json.loads((HERE / "enrichment_cases.json").read_text(encoding="utf-8"))
REAL = sorted(path for path in (HERE.parent.parent / "fixtures" / "real").iterdir() if path.suffix in (".json", ".ndjson"))


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


if __name__ == "__main__":
    unittest.main()
