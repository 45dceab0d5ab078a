#!/usr/bin/env python3
"""Reference implementation of docs/mapping-rules.md: reads Zoom's admin records, writes UDM events.

    reference_impl.py --mapping FILE [FILE] [--rejects FILE] [--values new|verbatim] [--default-time TIME]
                      [--max-line-bytes N] [--enrich]

Reads FILE (or standard input), plain or gzip-compressed, and writes one UDM event per line. compare.py
compares its output with that of the program. To be independent, it follows the text of the rules
sentence by sentence and shares no code with the program. Only the rows of operation logs that name a key, a path and nothing
else come from the output of `zoom-udm mapping --format json`, which --mapping names. Section numbers in comments refer to
docs/mapping-rules.md. Standard library only; requires Python 3.11 or later (possessive quantifiers).

This file reads the input and the command line. The modules beside it: json_nodes.py, texts.py and fields.py (reading),
detail.py (the grammar of operation_detail), operation.py, sign_in.py and webhook.py (the kinds), event.py and event_type.py
(writing), records.py (which kind a record is), enrichment.py (enriched events).
"""

import argparse
import json
import sys
import zlib
from bisect import bisect_right
from datetime import datetime, timezone

from json_nodes import ARRAY, OBJECT, SPACE, SURROGATE, NotJson, parse_single, parse_value, parse_values
from operation import read_rows
from records import Rejected, map_record
from texts import read_time, rfc3339

BYTE_ORDER_MARK = "\ufeff"
DEFAULT_MAX_LINE_BYTES = 4 * 1024 * 1024

NOT_UTF8 = "not_utf8"
LINE_TOO_LONG = "line_too_long"
NOT_JSON = "not_json"
NOT_OBJECT = "not_object"


# ---------------------------------------------------------------------------------------------------
# Section 1: framing of records.


class Options:
    def __init__(self, rows, values="new", default_time=None, max_line_bytes=DEFAULT_MAX_LINE_BYTES, enrich=False):
        self.rows = rows
        self.values = values
        self.default_time = default_time
        self.max_line_bytes = max_line_bytes
        self.enrich = enrich


def reject(line, offset, reason):
    return {"line": line, "offset": offset, "reason": reason}


def gunzip_if_needed(data):
    """Decompresses gzip data, detected from the content; returns the bytes and whether they are complete."""
    if data[:2] != b"\x1f\x8b":
        return data, True
    parts = []
    while data.strip(b"\0"):
        member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(data))
        except zlib.error:
            return b"".join(parts), False
        if not member.eof:
            return b"".join(parts), False
        data = member.unused_data
    return b"".join(parts), True


class PositionTracker:
    """Converts ascending character positions in a decoded text to line and byte offset."""

    def __init__(self, text, line, offset):
        self.text, self.pos, self.line, self.offset = text, 0, line, offset

    def position(self, pos):
        between = self.text[self.pos : pos]
        self.line += between.count("\n")
        self.offset += len(between.encode("utf-8", "surrogateescape"))
        self.pos = pos
        return self.line, self.offset


def page_records(node):
    """Returns the elements of the lists of a page in the order of the text, or None if the value is not a page."""
    if node.kind is not OBJECT:
        return None
    lists = [node.value[key] for key in ("operation_logs", "activity_logs") if key in node.value]
    lists = sorted((node for node in lists if node.kind is ARRAY), key=lambda node: node.start)
    return [element for node in lists for element in node.value] if lists else None


def records_of(node):
    """Yields the elements that should be records: those of arrays and pages, at any depth, or the object itself."""
    if node.kind is OBJECT:
        pending = [node]
    elif node.kind is ARRAY and all(element.kind is OBJECT for element in node.value):
        pending = node.value[::-1]
    else:
        raise Rejected(NOT_OBJECT)
    while pending:
        node = pending.pop()
        elements = page_records(node)
        if elements is not None:
            pending.extend(reversed(elements))
        else:
            yield node


def map_value(node, text, tracker, options, too_long=lambda start, end: False):
    """Maps a JSON value; returns a list of (event, None) and (None, reject) in order."""
    results = []
    for record in records_of(node):
        reason = None
        if record.kind is not OBJECT:
            reason = NOT_OBJECT
        else:
            try:
                event = map_record(record, text, options)
            except Rejected as rejection:
                reason = rejection.reason
        line, offset = tracker.position(record.start)
        if too_long(offset, record):
            reason = LINE_TOO_LONG
        results.append((None, reject(line, offset, reason)) if reason else (event, None))
    return results


def read_lines(data, options):
    """Reads input with one or more JSON values per line."""
    offset, line = 0, 0
    while offset < len(data):
        line += 1
        stop = data.find(b"\n", offset)
        next_offset = len(data) if stop < 0 else stop + 1
        raw = data[offset : len(data) if stop < 0 else stop]
        if raw.endswith(b"\r"):
            raw = raw[:-1]
        yield from read_line(raw, line, offset, options)
        offset = next_offset


def read_line(raw, line, offset, options):
    if len(raw) > options.max_line_bytes:
        return [(None, reject(line, offset, LINE_TOO_LONG))]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return [(None, reject(line, offset, NOT_UTF8))]
    if text[:1] == BYTE_ORDER_MARK and text[1:2] != BYTE_ORDER_MARK:  # one mark is skipped; a second one is not JSON
        text = text[1:]
        offset += len(BYTE_ORDER_MARK.encode("utf-8"))
    if SPACE(text, 0).end() == len(text):
        return []
    try:
        values = parse_values(text)
    except NotJson:
        return [(None, reject(line, offset, NOT_JSON))]
    tracker = PositionTracker(text, line, offset)
    results = []
    for value in values:
        try:
            results += map_value(value, text, tracker, options)
        except Rejected as rejection:
            # If the line has a single value, the reject is at the start of the line.
            position = tracker.position(value.start) if len(values) > 1 else (line, offset)
            results.append((None, reject(*position, rejection.reason)))
    return results


def is_multiline(text):
    """Returns whether the input starts with a JSON value that spans several lines.

    This is the case if the first line is not valid JSON by itself and its value ends on a later line or
    at least parses beyond the second non-blank line.
    """
    start = SPACE(text, 0).end()
    first_end = text.find("\n", start)
    if text[start : start + 1] not in ("{", "[") or first_end < 0:
        return False
    try:
        parse_single(text[start:first_end])
        return False
    except NotJson:
        pass
    try:
        return parse_value(text, start)[1] > first_end
    except NotJson as error:
        second_end = text.find("\n", SPACE(text, first_end).end())
        return 0 <= second_end < error.pos


class LongLines:
    """The lines of a multi-line input that exceed the size limit."""

    def __init__(self, data, limit):
        self.starts, self.ends = [], []
        start = 0
        for raw in data.split(b"\n"):
            if len(raw) - raw.endswith(b"\r") > limit:
                self.starts.append(start)
                self.ends.append(start + len(raw))
            start += len(raw) + 1

    def overlap(self, start, end):
        index = bisect_right(self.starts, end - 1) - 1
        return index >= 0 and self.ends[index] > start


def read_multiline(data, text, text_offset, options):
    """Reads input with JSON values that may span lines, with whitespace between them."""
    long_lines = LongLines(data, options.max_line_bytes)
    tracker = PositionTracker(text, 1, text_offset)

    def too_long(offset, record):
        if not long_lines.starts:
            return False
        size = len(text[record.start : record.end].encode("utf-8", "surrogateescape"))
        return long_lines.overlap(offset, offset + size)

    pos = SPACE(text, 0).end()
    while pos < len(text):
        line, offset = tracker.position(pos)
        try:
            node, end = parse_value(text, pos)
        except NotJson:
            node, end = None, len(text)
        if SURROGATE.search(text[pos:end]):  # surrogateescape decodes an invalid byte to one
            yield None, reject(line, offset, NOT_UTF8)
        elif node is None:
            yield None, reject(line, offset, NOT_JSON)
        else:
            try:
                yield from map_value(node, text, tracker, options, too_long)
            except NotJson:
                yield None, reject(line, offset, NOT_JSON)
            except Rejected as rejection:
                yield None, reject(line, offset, rejection.reason)
        pos = SPACE(text, end).end()


def read_input(data, options):
    """Returns an iterator of (event, None) and (None, reject) for the decompressed input, in order."""
    mark = BYTE_ORDER_MARK.encode("utf-8")
    text_offset = len(mark) if data.startswith(mark) else 0
    text = data[text_offset:].decode("utf-8", "surrogateescape")
    if is_multiline(text):
        return read_multiline(data, text, text_offset, options)
    del text
    return read_lines(data, options)


# ---------------------------------------------------------------------------------------------------
# Command line.


def default_time(text):
    if text == "now":
        now = datetime.now(timezone.utc)
        return rfc3339(now, now.microsecond * 1000)
    stamp = read_time(text)
    if stamp is None:
        raise argparse.ArgumentTypeError(f"unusable time: {text!r}")
    return stamp


def drop_truncated_line(results, data, complete):
    """Yields the results, except the reject of a last line that was cut by truncated gzip data."""
    last = None
    for result in results:
        if last is not None:
            yield last
        last = result
    is_truncated = last is not None and last[0] is None and last[1]["reason"] in (NOT_JSON, NOT_UTF8)
    if last is not None and (complete or not is_truncated or data.endswith(b"\n")):
        yield last


def main(arguments=None, out=None):
    """Writes events to `out`, which is standard output by default."""
    parser = argparse.ArgumentParser(description="Converts Zoom's admin records to UDM events.")
    parser.add_argument("file", nargs="?", help="plain or gzip-compressed input [default: standard input]")
    parser.add_argument("--mapping", required=True, metavar="FILE", help="the output of zoom-udm mapping --format json")
    parser.add_argument("--rejects", help="output file for rejects, one JSON object per line")
    parser.add_argument("--values", choices=("new", "verbatim"), default="new")
    parser.add_argument("--default-time", type=default_time, metavar="RFC3339")
    parser.add_argument("--max-line-bytes", type=int, default=DEFAULT_MAX_LINE_BYTES, metavar="N")
    parser.add_argument("--enrich", action="store_true", help="enrich events")
    args = parser.parse_args(arguments)

    if args.file in (None, "-"):
        data = sys.stdin.buffer.read()
    else:
        with open(args.file, "rb") as file:
            data = file.read()
    data, complete = gunzip_if_needed(data)
    options = Options(read_rows(args.mapping), args.values, args.default_time, args.max_line_bytes, args.enrich)
    rejects = open(args.rejects, "w", encoding="utf-8") if args.rejects else None
    out = out or sys.stdout.buffer
    for event, rejected in drop_truncated_line(read_input(data, options), data, complete):
        if event is not None:
            line = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
            out.write(line.encode("utf-8") + b"\n")
        elif rejects:
            rejects.write(json.dumps(rejected, separators=(",", ":")) + "\n")
    out.flush()
    if rejects:
        rejects.close()
    if not complete:
        print("gzip data is corrupt or truncated", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
