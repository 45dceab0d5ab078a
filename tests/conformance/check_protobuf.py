#!/usr/bin/env python3
"""Holds UDM events against Google's own message: every event must come back as it went in.

    check_protobuf.py [FILE] [--shape udm|import|batch-create] [--snake]

Reads FILE (or standard input), one JSON object a line. Each event is parsed as google.backstory.UDM with
no unknown field allowed, turned back into JSON and compared. Prints a count and exits 0; or prints the
line number, the event and the first differences and exits 1. No event at all is a failure too. Needs
the packages in requirements.txt.
"""

import argparse
import json
import sys

from google.backstory import UDM
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

MESSAGE = UDM.pb(UDM()).__class__


class Failure(Exception):
    """What is wrong with a line, and the event it is about."""

    def __init__(self, what, event):
        super().__init__(what)
        self.event = event


def no_key_twice(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is given twice: " + ", ".join(key for key, _ in pairs))
    return result


def no_constant(name):
    raise ValueError(f"{name} is no JSON")


def must_be(holds, what, value):
    if not holds:
        raise Failure(what, value)


def events_of(value, shape):
    """The bare events in one line's value."""
    must_be(isinstance(value, dict), "not an object", value)
    if shape == "udm":
        return [value]
    if shape == "import":
        must_be(list(value) == ["inlineSource"], "not exactly the one member inlineSource", value)
        source = value["inlineSource"]
        must_be(isinstance(source, dict) and list(source) == ["events"], "inlineSource is not {events}", value)
        events = source["events"]
        must_be(isinstance(events, list) and events, "events is no array with something in it", value)
        for event in events:
            must_be(isinstance(event, dict) and list(event) == ["udm"], "an event is not {udm}", event)
        return [event["udm"] for event in events]
    must_be(set(value) == {"customer_id", "events"}, "not exactly customer_id and events", value)
    customer = value["customer_id"]
    must_be(isinstance(customer, str) and customer, "customer_id is no text", value)
    must_be(isinstance(value["events"], list) and value["events"], "events is no array with something in it", value)
    return value["events"]


def differences(before, after, path="$"):
    """Where two JSON values differ, types included; members in any order."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            if key not in after:
                yield f"{path}.{key}: went in as {before[key]!r}, did not come back"
            elif key not in before:
                yield f"{path}.{key}: came back as {after[key]!r}, did not go in"
            else:
                yield from differences(before[key], after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from differences(one, other, f"{path}[{index}]")
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield f"{path}: went in as {before!r}, came back as {after!r}"


def without_zero_type(event, snake):
    """The enum's zero value is not printed on the way back."""
    name = "event_type" if snake else "eventType"
    metadata = event.get("metadata")
    if isinstance(metadata, dict) and metadata.get(name) == "EVENTTYPE_UNSPECIFIED":
        metadata = {key: value for key, value in metadata.items() if key != name}
        return {**event, "metadata": metadata}
    return event


def check_event(event, snake):
    must_be(isinstance(event, dict), "an event is no object", event)
    try:
        message = ParseDict(event, MESSAGE(), ignore_unknown_fields=False)
    except ParseError as error:
        raise Failure(f"Google's message refuses it: {error}", event) from error
    back = MessageToDict(message, preserving_proto_field_name=snake)
    found = list(differences(without_zero_type(event, snake), back))
    must_be(not found, "\n".join(found[:20]), event)


def check_line(line, shape, snake):
    """How many events the line holds."""
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=no_key_twice, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise Failure(f"not JSON: {error}", line.decode("utf-8", "replace")) from error
    events = events_of(value, shape)
    for event in events:
        check_event(event, snake)
    return len(events)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Holds UDM events against Google's own message.")
    parser.add_argument("file", nargs="?", help="events, one a line; standard input without it")
    parser.add_argument("--shape", choices=("udm", "import", "batch-create"), default="udm")
    parser.add_argument("--snake", action="store_true", help="the field names are in snake_case")
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
        print("no event was read")
        return 1
    print(f"{count} events on {number} lines came back as they went in")
    return 0


if __name__ == "__main__":
    sys.exit(main())
