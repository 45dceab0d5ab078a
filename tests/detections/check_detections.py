#!/usr/bin/env python3
"""Evaluates each detection over its fixture, and each search of docs/detections.md.

    check_detections.py [BINARY]

With BINARY, the program maps the records of the fixtures. Prints every failure and exits 1 if there is one.
"""

import json
import re
import subprocess
import sys
from dataclasses import replace

from detections import DIRECTORY, DOCUMENT, ROOT, read_detections, read_document
from evaluator import detect
from expressions import Compare, Field, Unsupported
from rules import bindings_of

META = {
    "author": r"zoom-udm",
    "description": r"[A-Z].+\.",
    "severity": r"Low|Medium|High|Critical",
    "mitre_attack_tactic": r"TA\d{4} .+",
    "mitre_attack_technique": r"T\d{4}(\.\d{3})? .+",
    "response": r"[A-Z].+\.",
    "references": r"https://.+",
}
PUBLISHED = "published.json"
# Fields by which rules select events first, and a value that no rule accepts.
FILTERS = {("metadata", "vendor_name"): ("vendorName", "Other"), ("metadata", "event_type"): ("eventType", "GENERIC_EVENT")}


class Failures:
    def __init__(self):
        self.texts = []

    def check(self, condition, text):
        if not condition:
            self.texts.append(text)


def merge(event, more):
    """Returns an event with the members that the platform adds."""
    if isinstance(event, dict) and isinstance(more, dict):
        return {
            key: merge(event[key], more[key]) if key in event and key in more else event.get(key, more.get(key))
            for key in {**event, **more}
        }
    return more


def events_of(case, events=None):
    """Returns the events of a case as the platform stores them. `events` replaces those of the fixture."""
    events = events or [entry["event"] for entry in case["entries"]]
    return [merge(event, entry.get("platform", {})) for event, entry in zip(events, case["entries"])]


def check_meta(detection, failures):
    name, meta = detection.rule.name, detection.rule.meta
    failures.check(set(meta) == set(META), f"{name}: meta has {sorted(meta)}, expected {sorted(META)}")
    for key, pattern in META.items():
        failures.check(
            re.fullmatch(pattern, str(meta.get(key, ""))), f"{name}: meta {key} is {meta.get(key)!r}, expected {pattern}"
        )
    row = f"| [{name}](#{name}) | {meta.get('severity')} | {meta.get('mitre_attack_technique')} |"
    failures.check(row in DOCUMENT.read_text(encoding="utf-8"), f"{name}: docs/detections.md has no row {row!r}")
    texts = [field for field in detection.rule.fields if field.path == ("metadata", "description")]
    failures.check(not texts, f"{name}: reads the description, which is free text")


def check_cases(detection, failures):
    """Evaluates the rule over the events of the fixture."""
    name, cases = detection.rule.name, detection.fixture["cases"]
    failures.check({case["detects"] for case in cases} == {True, False}, f"{name}: needs positive and negative cases")
    for case in cases:
        found = detect(detection.rule, events_of(case), detection.fixture.get("lists"))
        failures.check(bool(found) == case["detects"], f"{name}: {case['name']}: {len(found)} detections")
        for key, expected in case.get("outcomes", {}).items():
            actual = [one.outcomes.get(key) for one in found]
            failures.check(expected in actual, f"{name}: {case['name']}: {key} is {actual}, expected {expected}")


def results(rule, cases, lists):
    """Returns the outcome variables of all detections in each case."""
    return [[one.outcomes for one in detect(rule, events_of(case), lists)] for case in cases]


def check_statements(detection, failures):
    """Each statement of the events section is needed: without it, some case of the fixture has another result."""
    rule, cases, lists = detection.rule, detection.fixture["cases"], detection.fixture.get("lists")
    expected = results(rule, cases, lists)
    for index, predicate in enumerate(rule.predicates):
        others = rule.predicates[:index] + rule.predicates[index + 1 :]
        if bindings_of(predicate):
            continue
        if isinstance(predicate.left if isinstance(predicate, Compare) else None, Field) and predicate.left.path in FILTERS:
            # Other products write other values; the events of the fixture are all of Zoom.
            changed = [
                {**case, "entries": [foreign(entry, predicate.left.path[-1]) for entry in case["entries"]]} for case in cases
            ]
            failures.check(not any(results(rule, changed, lists)), f"{rule.name}: statement {index + 1} does not filter")
        else:
            failures.check(
                results(replace(rule, predicates=others), cases, lists) != expected,
                f"{rule.name}: no case needs statement {index + 1}",
            )


def foreign(entry, name):
    """Returns an entry whose event has another vendor or type."""
    key, value = FILTERS[("metadata", name)]
    event = entry["event"]
    return {**entry, "event": {**event, "metadata": {**event["metadata"], key: value}}}


def found_by(search, case, events=None):
    """Returns the indices of the events of a case that a search finds."""
    return {index for one in detect(search, events_of(case, events)) for index in one.events["e"]}


def check_search(detection, failures):
    """A search finds all events of positive cases that the rule reads. An exact one finds none of a negative case."""
    rule = detection.rule
    for case in detection.fixture["cases"]:
        found = found_by(detection.search, case)
        if case["detects"]:
            needed = {
                index
                for one in detect(rule, events_of(case), detection.fixture.get("lists"))
                for part in one.events.values()
                for index in part
            }
            failures.check(
                needed <= found, f"{rule.name}: the search finds {sorted(found)} of {sorted(needed)} in {case['name']!r}"
            )
        elif detection.exact:
            failures.check(not found, f"{rule.name}: the search finds {sorted(found)} in {case['name']!r}")


def map_records(binary, records, *flags):
    """Returns the events that the program writes for records, which must all be valid."""
    data = "".join(json.dumps(record) + "\n" for record in records)
    result = subprocess.run([binary, "normalize", *flags], input=data, capture_output=True, text=True)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    if len(events) != len(records):
        counts = f"{len(events)} events for {len(records)} records"
        sys.exit(f"records of fixtures not mapped: {binary} wrote {counts}: {result.stderr.strip()}")
    return events


def check_default(detection, binary, failures):
    """Evaluates the rule and its search over events without enrichment, which the rule must not detect."""
    name, found = detection.rule.name, []
    for case in detection.fixture["cases"]:
        events = map_records(binary, [entry["record"] for entry in case["entries"]])
        detections = detect(detection.rule, events_of(case, events), detection.fixture.get("lists"))
        failures.check(not detections, f"{name}: {case['name']}: detected without --enrich")
        if detection.default_search and case["detects"]:
            found.append(bool(found_by(detection.default_search, case, events)))
    failures.check(not detection.default_search or found[0], f"{name}: the search without --enrich finds nothing")


def check_enriched(detection, binary, failures):
    """Compares the events of the fixture with those that the program writes."""
    for case in detection.fixture["cases"]:
        events = map_records(binary, [entry["record"] for entry in case["entries"]], "--enrich")
        for entry, event in zip(case["entries"], events):
            failures.check(
                entry["event"] == event, f"{detection.rule.name}: {case['name']}: --enrich writes {json.dumps(event)}"
            )


def check_published(detections, binary, failures):
    """Evaluates all rules that read one event over the published records, and compares with the lines in published.json."""
    lines = (ROOT / "fixtures" / "real" / "records.ndjson").read_text(encoding="utf-8").splitlines()
    events = map_records(binary, [json.loads(line) for line in lines], "--enrich")
    found = {}
    for name, detection in detections.items():
        if detection.rule.window is None:
            numbers = [
                index + 1
                for index, event in enumerate(events)
                if detect(detection.rule, [event], detection.fixture.get("lists"))
            ]
            found.update({name: numbers} if numbers else {})
    expected = json.loads((DIRECTORY / "fixtures" / PUBLISHED).read_text(encoding="utf-8"))
    failures.check(found == expected, f"published records: detected {json.dumps(found)}, expected {json.dumps(expected)}")


def main(arguments):
    binary = arguments[0] if arguments else None
    try:
        detections = read_detections()
        read_document(detections)
    except (Unsupported, KeyError, OSError) as error:
        print(f"detections cannot be read: {error}")
        return 1
    names = {path.stem for path in (DIRECTORY / "fixtures").glob("*.json")} - {PUBLISHED.removesuffix(".json")}
    failures = Failures()
    failures.check(names == set(detections), f"fixtures without a detection: {sorted(names - set(detections))}")
    enriches = (
        binary and "--enrich" in subprocess.run([binary, "normalize", "--help"], capture_output=True, text=True).stdout
    )
    for detection in detections.values():
        check_meta(detection, failures)
        check_cases(detection, failures)
        check_statements(detection, failures)
        check_search(detection, failures)
        if binary:
            check_default(detection, binary, failures)
        if enriches:
            check_enriched(detection, binary, failures)
    if enriches:
        check_published(detections, binary, failures)
    if failures.texts:
        print(*failures.texts, sep="\n")
        print(f"{len(failures.texts)} failures")
        return 1
    cases = sum(len(detection.fixture["cases"]) for detection in detections.values())
    print(f"{len(detections)} detections, {cases} cases: all as expected")
    if not enriches:
        print("skipped: events of `normalize --enrich`" + ("" if binary else ", and events without enrichment (no BINARY)"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
