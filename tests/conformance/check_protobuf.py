#!/usr/bin/env python3
"""Checks UDM events with Google's UDM protobuf message: each event must survive a round trip unchanged.

    check_protobuf.py [FILE] [--shape udm|import|batch-create] [--snake]

Reads FILE (or standard input), one JSON object per line. Each event is parsed as google.backstory.UDM
without unknown fields, converted back to JSON and compared. Prints a count and exits 0; or prints the
line number, the event and the first differences and exits 1. Input without events is a failure too.
Requires the packages in requirements.txt.
"""

import argparse
import json
import sys

from google.backstory import UDM
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

MESSAGE = UDM.pb(UDM()).__class__


class Failure(Exception):
    """An error message and the event that it is about."""

    def __init__(self, message, event):
        super().__init__(message)
        self.event = event


def reject_duplicate_keys(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key among: " + ", ".join(key for key, _ in pairs))
    return result


def reject_constant(name):
    raise ValueError(f"{name} is not JSON")


def check(condition, message, event):
    if not condition:
        raise Failure(message, event)


def events_of(value, shape):
    """Returns the UDM events in the JSON value of a line."""
    check(isinstance(value, dict), "not an object", value)
    if shape == "udm":
        return [value]
    if shape == "import":
        check(list(value) == ["inlineSource"], "expected inlineSource as the only member", value)
        source = value["inlineSource"]
        check(isinstance(source, dict) and list(source) == ["events"], "expected events as the only member of inlineSource", value)
        events = source["events"]
        check(isinstance(events, list) and events, "expected events to be a non-empty array", value)
        for event in events:
            check(isinstance(event, dict) and list(event) == ["udm"], "expected udm as the only member of an event", event)
        return [event["udm"] for event in events]
    check(set(value) == {"customer_id", "events"}, "expected exactly customer_id and events", value)
    customer = value["customer_id"]
    check(isinstance(customer, str) and customer, "expected customer_id to be a non-empty string", value)
    check(isinstance(value["events"], list) and value["events"], "expected events to be a non-empty array", value)
    return value["events"]


def differences(before, after, path="$"):
    """Yields the differences between two JSON values; types count, the order of members does not."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            if key not in after:
                yield f"{path}.{key}: {before[key]!r} was lost"
            elif key not in before:
                yield f"{path}.{key}: {after[key]!r} was added"
            else:
                yield from differences(before[key], after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from differences(one, other, f"{path}[{index}]")
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield f"{path}: {before!r} became {after!r}"


def omit_default_type(event, snake):
    """Removes EVENTTYPE_UNSPECIFIED, which MessageToDict omits because it is the default value."""
    name = "event_type" if snake else "eventType"
    metadata = event.get("metadata")
    if isinstance(metadata, dict) and metadata.get(name) == "EVENTTYPE_UNSPECIFIED":
        metadata = {key: value for key, value in metadata.items() if key != name}
        return {**event, "metadata": metadata}
    return event


def google_names(value):
    """Returns a value with the names of Google's message: the Python package calls a field `type` `type_`."""
    if isinstance(value, list):
        return [google_names(element) for element in value]
    if not isinstance(value, dict):
        return value
    # The members of `additional` have the names that Zoom gave them.
    return {
        "type" if name == "type_" else name: member if name == "additional" else google_names(member)
        for name, member in value.items()
    }


def check_event(event, snake):
    check(isinstance(event, dict), "the event is not an object", event)
    try:
        message = ParseDict(event, MESSAGE(), ignore_unknown_fields=False)
    except ParseError as error:
        raise Failure(f"protobuf parser: {error}", event) from error
    round_trip = MessageToDict(message, preserving_proto_field_name=snake)
    if snake:
        round_trip = google_names(round_trip)
    found = list(differences(omit_default_type(event, snake), round_trip))
    check(not found, "\n".join(found[:20]), event)


def check_line(line, shape, snake):
    """Checks the events of a line; returns their number."""
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=reject_duplicate_keys, parse_constant=reject_constant)
    except (ValueError, RecursionError) as error:
        raise Failure(f"not JSON: {error}", line.decode("utf-8", "replace")) from error
    events = events_of(value, shape)
    for event in events:
        check_event(event, snake)
    return len(events)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Checks UDM events with Google's UDM protobuf message.")
    parser.add_argument("file", nargs="?", help="events, one per line [default: standard input]")
    parser.add_argument("--shape", choices=("udm", "import", "batch-create"), default="udm")
    parser.add_argument("--snake", action="store_true", help="field names are in snake_case")
    args = parser.parse_args(arguments)

    source = sys.stdin.buffer if args.file in (None, "-") else open(args.file, "rb")
    count = 0
    number = 0
    with source:
        for number, line in enumerate(source, 1):
            try:
                count += check_line(line, args.shape, args.snake)
            except Failure as failure:
                print(f"line {number}:")
                print(json.dumps(failure.event, ensure_ascii=False))
                print(failure)
                return 1
    if count == 0:
        print("no events in the input")
        return 1
    print(f"{count} events on {number} lines are unchanged after a round trip")
    return 0


if __name__ == "__main__":
    sys.exit(main())
