#!/usr/bin/env python3
"""Lists the text of records that reaches no field of the event but `metadata.description`.

    unmapped_text.py --mapping FILE [--default] INPUT…

Maps each record of the inputs with the reference implementation, enriched unless --default is given. Prints each record with
unmapped text, and totals. Exits 1 if there is any.
"""

import argparse
import re
import sys

from fields import scalar
from json_nodes import NotJson, parse_values
from operation import is_operation, read_rows
from records import Rejected, map_record
from reference_impl import Options, gunzip_if_needed, records_of
from texts import read_time, trim
from webhook import TIMES, leaf_nodes

# Words of the grammar of operation_detail, which say nothing by themselves.
GRAMMAR = {"-", "from", "to", "set", "userId"}
WORD = re.compile(r'[^\s\[\]{}",:()<>]+')
NO_TIME = "2000-01-01T00:00:00Z"


def strings(value, path=""):
    """Yields (path, text) of each text of an event."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from strings(member, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for element in value:
            yield from strings(element, path)
    else:
        yield path, value


def unmapped(record, source, event):
    """Returns (path, text) of what reaches no field. Of operation_detail these are words."""
    texts = [text for path, text in strings(event) if path not in ("metadata.description", "metadata.eventType")]
    known, words = {trim(text) for text in texts}, {word.lower() for text in texts for word in WORD.findall(text)}
    detail = "operation_detail" if is_operation(record, source) else None
    found = []
    for path, leaf in leaf_nodes(record, ""):
        text, path = scalar(leaf), path[1:]
        if not text or path == "event_type":
            continue
        if path.split(".")[0] == detail:
            missing = [word for word in WORD.findall(text) if word.lower() not in words and word not in GRAMMAR]
            found += [(path, " ".join(missing))] if missing else []
        elif trim(text) not in known and not is_read(record, path, text):
            found.append((path, text))
    return found


def is_read(record, path, text):
    """Returns whether a rule reads a text that is not a field as it is: a time, a version, a way to sign in."""
    if path == "time" or (path in TIMES and read_time(text)):
        return True
    if path.endswith("version") and trim(text) == "-":
        return True
    return path == "payload.object.login_type" and trim(text) == "101"


def read_records(data):
    """Yields (record, source) of each record of the lines, which may be arrays and pages too, and of a pretty-printed value."""
    text = gunzip_if_needed(data)[0].decode("utf-8")
    try:
        sources = [(text, parse_values(text))]
    except NotJson:
        sources = [(line, parse_values(line)) for line in text.splitlines() if line]
    for source, values in sources:
        for value in values:
            yield from ((record, source) for record in records_of(value))


def main():
    parser = argparse.ArgumentParser(description="Lists text of records that reaches no field but the description.")
    parser.add_argument("inputs", nargs="+", metavar="INPUT")
    parser.add_argument("--mapping", required=True, metavar="FILE", help="the output of zoom-udm mapping --format json")
    parser.add_argument("--default", action="store_true", help="do not enrich events")
    args = parser.parse_args()
    options = Options(read_rows(args.mapping), default_time=NO_TIME, enrich=not args.default)
    records = incomplete = 0
    for path in args.inputs:
        with open(path, "rb") as file:
            data = file.read()
        for record, source in read_records(data):
            try:
                event = map_record(record, source, options)
            except Rejected as rejection:
                print(f"{path}: rejected: {rejection.reason}")
                continue
            found = unmapped(record, source, event)
            records += 1
            incomplete += bool(found)
            if found:
                print(f"{path}: {source[record.start : record.end]}")
                print(*(f"    {name}: {text}" for name, text in found), sep="\n")
    print(f"{records} records, {incomplete} with unmapped text")
    return 1 if incomplete else 0


if __name__ == "__main__":
    sys.exit(main())
