#!/usr/bin/env python3
"""Reference implementation of docs/mapping-rules.md: reads Zoom operation logs, writes UDM events.

    reference_impl.py --mapping FILE [FILE] [--rejects FILE] [--values new|verbatim] [--default-time TIME]
                      [--max-line-bytes N]

Reads FILE (or standard input), plain or gzip-compressed, and writes one UDM event per line. compare.py
compares its output with that of the program. To be independent, it follows the text of the rules
sentence by sentence and shares no code with the program. Only the rows that name a key, a path and nothing
else come from the output of `zoom-udm mapping --format json`, which --mapping names. Section numbers in comments refer to
docs/mapping-rules.md. Standard library only; requires Python 3.11 or later (possessive quantifiers).
"""

import argparse
import json
import re
import sys
import unicodedata
import zlib
from bisect import bisect_right
from datetime import datetime, timedelta, timezone
from functools import lru_cache

# Section 4, metadata.eventType: the names of all UDM event types.
EVENT_TYPES = frozenset(
    """
EVENTTYPE_UNSPECIFIED PROCESS_UNCATEGORIZED PROCESS_LAUNCH PROCESS_INJECTION
PROCESS_PRIVILEGE_ESCALATION PROCESS_TERMINATION PROCESS_OPEN PROCESS_MODULE_LOAD
REGISTRY_UNCATEGORIZED REGISTRY_CREATION REGISTRY_MODIFICATION REGISTRY_DELETION
SETTING_UNCATEGORIZED SETTING_CREATION SETTING_MODIFICATION SETTING_DELETION MUTEX_UNCATEGORIZED
MUTEX_CREATION FILE_UNCATEGORIZED FILE_CREATION FILE_DELETION FILE_MODIFICATION FILE_READ FILE_COPY
FILE_OPEN FILE_MOVE FILE_SYNC USER_UNCATEGORIZED USER_LOGIN USER_LOGOUT USER_CREATION
USER_CHANGE_PASSWORD USER_CHANGE_PERMISSIONS USER_STATS USER_BADGE_IN USER_DELETION
USER_RESOURCE_CREATION USER_RESOURCE_UPDATE_CONTENT USER_RESOURCE_UPDATE_PERMISSIONS
USER_COMMUNICATION USER_RESOURCE_ACCESS USER_RESOURCE_DELETION GROUP_UNCATEGORIZED GROUP_CREATION
GROUP_DELETION GROUP_MODIFICATION EMAIL_UNCATEGORIZED EMAIL_TRANSACTION EMAIL_URL_CLICK
NETWORK_UNCATEGORIZED NETWORK_FLOW NETWORK_CONNECTION NETWORK_FTP NETWORK_DHCP NETWORK_DNS
NETWORK_HTTP NETWORK_SMTP STATUS_UNCATEGORIZED STATUS_HEARTBEAT STATUS_STARTUP STATUS_SHUTDOWN
STATUS_UPDATE SCAN_UNCATEGORIZED SCAN_FILE SCAN_PROCESS_BEHAVIORS SCAN_PROCESS SCAN_HOST
SCAN_VULN_HOST SCAN_VULN_NETWORK SCAN_NETWORK SCHEDULED_TASK_UNCATEGORIZED SCHEDULED_TASK_CREATION
SCHEDULED_TASK_DELETION SCHEDULED_TASK_ENABLE SCHEDULED_TASK_DISABLE SCHEDULED_TASK_MODIFICATION
SYSTEM_AUDIT_LOG_UNCATEGORIZED SYSTEM_AUDIT_LOG_WIPE SERVICE_UNSPECIFIED SERVICE_CREATION
SERVICE_DELETION SERVICE_START SERVICE_STOP SERVICE_MODIFICATION GENERIC_EVENT RESOURCE_CREATION
RESOURCE_DELETION RESOURCE_PERMISSIONS_CHANGE RESOURCE_READ RESOURCE_WRITTEN DEVICE_FIRMWARE_UPDATE
DEVICE_CONFIG_UPDATE DEVICE_PROGRAM_UPLOAD DEVICE_PROGRAM_DOWNLOAD ANALYST_UPDATE_VERDICT
ANALYST_UPDATE_REPUTATION ANALYST_UPDATE_SEVERITY_SCORE ANALYST_UPDATE_STATUS ANALYST_ADD_COMMENT
ANALYST_UPDATE_PRIORITY ANALYST_UPDATE_ROOT_CAUSE ANALYST_UPDATE_REASON ANALYST_UPDATE_RISK_SCORE
ENTITY_RISK_CHANGE TRIAGE_AGENT_UPDATE_INVESTIGATION
""".split()
)

BYTE_ORDER_MARK = "\ufeff"
DEFAULT_MAX_LINE_BYTES = 4 * 1024 * 1024

NOT_UTF8 = "not_utf8"
LINE_TOO_LONG = "line_too_long"
NOT_JSON = "not_json"
NOT_OBJECT = "not_object"
NO_TIME = "no_time"

# Unicode's White_Space property. str.strip() cannot be used because it also strips U+001C to U+001F.
WHITESPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def trim(text):
    return text.strip(WHITESPACE)


class NotJson(Exception):
    """The text is not valid JSON; `pos` is how far it could be parsed."""

    def __init__(self, pos=0):
        super().__init__(pos)
        self.pos = pos


class Rejected(Exception):
    """A value must not become an event (section 1, Rejects); `reason` is the name of the reason."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


# ---------------------------------------------------------------------------------------------------
# JSON (RFC 8259). The parser is iterative, so nesting depth is unlimited, and keeps numbers as written.

WS = r"[ \t\n\r]*+"
STRING = r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"

VALUE = re.compile(rf"{WS}(?:({STRING})|({NUMBER})|(true|false)|(null)|([\[{{]))").match
FIRST_KEY = re.compile(rf"{WS}(?:(\}})|({STRING}){WS}:)").match
NEXT_KEY = re.compile(rf"{WS}({STRING}){WS}:").match
ARRAY_END = re.compile(rf"{WS}\]").match
SEPARATOR = re.compile(rf"{WS}([,\]}}])").match
SPACE = re.compile(WS).match

ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))"
)
SHORT_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
SURROGATE = re.compile("[\ud800-\udfff]")
STRING_OR_SPACE = re.compile(rf"({STRING})|[ \t\n\r]++")

TEXT, NUM, BOOL, NULL, ARRAY, OBJECT = "text", "number", "boolean", "null", "array", "object"
KIND_OF_GROUP = (None, TEXT, NUM, BOOL, NULL)


class Node:
    """A JSON value at text[start:end]. `value` is the text of a scalar, a list of Nodes, or a dict of Nodes."""

    __slots__ = ("kind", "start", "end", "value", "key")

    def __init__(self, kind, start, end, value):
        self.kind = kind
        self.start = start
        self.end = end
        self.value = value
        self.key = None  # while an object is being parsed: the key of the next value


def replace_escape(match):
    high, low, single, short = match.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + (int(low, 16) - 0xDC00))
    if single:
        return chr(int(single, 16))
    return SHORT_ESCAPES.get(short, short)


def unescape(token):
    """Returns the text of a string token, which includes the quotes."""
    if "\\" not in token:
        return token[1:-1]
    return SURROGATE.sub("\ufffd", ESCAPE.sub(replace_escape, token[1:-1]))


def parse_value(text, pos, containers=None):
    """Parses the JSON value at `pos`; returns (Node, position after it) or raises NotJson.

    Records every array and object in `containers`: start -> end, or -1 if it is not closed.
    """
    stack = []
    while True:
        match = VALUE(text, pos)
        if match is None:
            raise NotJson(pos)
        group = match.lastindex
        pos = match.end()
        if group < 5:
            token = match.group(group)
            node = Node(KIND_OF_GROUP[group], pos - len(token), pos, token)
            if group == 1:
                node.value = unescape(token)
        else:
            start = pos - 1
            if containers is not None:
                containers[start] = -1
            if text[start] == "{":
                node = Node(OBJECT, start, None, {})
                match = FIRST_KEY(text, pos)
                if match is None:
                    raise NotJson(pos)
                pos = match.end()
                if match.group(1) is None:
                    node.key = unescape(match.group(2))
                    stack.append(node)
                    continue
            else:
                node = Node(ARRAY, start, None, [])
                match = ARRAY_END(text, pos)
                if match is None:
                    stack.append(node)
                    continue
                pos = match.end()
            node.end = pos
            if containers is not None:
                containers[start] = pos
        # `node` is complete: add it to its parent, and close the parents that end here.
        while True:
            if not stack:
                return node, pos
            parent = stack[-1]
            if parent.kind is OBJECT:
                parent.value[parent.key] = node  # section 1: the last of repeated fields counts
            else:
                parent.value.append(node)
            match = SEPARATOR(text, pos)
            if match is None:
                raise NotJson(pos)
            pos = match.end()
            delimiter = match.group(1)
            if delimiter == ",":
                if parent.kind is OBJECT:
                    match = NEXT_KEY(text, pos)
                    if match is None:
                        raise NotJson(pos)
                    pos = match.end()
                    parent.key = unescape(match.group(1))
                break
            if (delimiter == "}") != (parent.kind is OBJECT):
                raise NotJson(pos)
            stack.pop()
            parent.end = pos
            if containers is not None:
                containers[parent.start] = pos
            node = parent


def parse_single(text):
    """Parses a text that consists of one JSON value and optional whitespace around it."""
    node, pos = parse_value(text, 0)
    if SPACE(text, pos).end() != len(text):
        raise NotJson
    return node


def parse_values(text):
    """Parses a line of one JSON value, or of several objects and arrays; returns a list of Nodes."""
    nodes, pos = [], 0
    while pos < len(text):
        node, pos = parse_value(text, pos)
        nodes.append(node)
        pos = SPACE(text, pos).end()
    if len(nodes) > 1 and any(node.kind not in (ARRAY, OBJECT) for node in nodes):
        raise NotJson
    return nodes


def compact(source, node):
    """Section 1: returns compact JSON text: no whitespace between tokens, numbers as written, strings
    with only the escapes that JSON requires."""

    def token(match):
        string = match.group(1)
        return json.dumps(unescape(string), ensure_ascii=False) if string else ""

    return STRING_OR_SPACE.sub(token, source[node.start : node.end])


# ---------------------------------------------------------------------------------------------------
# Section 1: the fields of a record, and time.

FIELDS = ("time", "operator", "category_type", "action", "operation_detail", "event_type")


def field_text(record, source, name):
    """Returns the text of a field, or None if it is absent."""
    node = record.value.get(name)
    if node is None or node.kind is NULL:
        return None
    if node.kind is OBJECT or node.kind is ARRAY:
        if name != "operation_detail":
            return None
        return compact(source, node)
    return node.value if trim(node.value) else None


DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,9}))?"
    r"(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))?"
)
EPOCH = re.compile(r"([0-9]{10})([0-9]{3})?")


def rfc3339(moment, nanos):
    """Formats a UTC time with Z and the fewest fractional digits (0, 3, 6 or 9) that lose nothing."""
    fraction = f"{nanos:09d}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    stamp = (
        f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"
        f"T{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}"
    )
    return f"{stamp}.{fraction}Z" if fraction else f"{stamp}Z"


def read_time(text):
    """Section 1, time: returns RFC 3339 in UTC, or None if the text is unusable."""
    if text is None:
        return None
    text = trim(text)
    match = EPOCH.fullmatch(text)
    if match:
        moment = datetime(1970, 1, 1) + timedelta(seconds=int(match.group(1)))
        return rfc3339(moment, int(match.group(2) or 0) * 1_000_000)
    match = DATE_TIME.fullmatch(text)
    if not match:
        return None
    *parts, fraction, sign, hours, minutes = match.groups()
    utc_offset = timedelta()
    if sign:
        if int(hours) > 23 or int(minutes) > 59:
            return None
        utc_offset = timedelta(hours=int(hours), minutes=int(minutes)) * (1 if sign == "+" else -1)
    try:
        moment = datetime(*map(int, parts)) - utc_offset
    except (ValueError, OverflowError):  # impossible date, or year outside 1 to 9999
        return None
    return rfc3339(moment, int((fraction or "").ljust(9, "0")))


# ---------------------------------------------------------------------------------------------------
# Section 2: e-mail addresses.

LOCAL_PUNCTUATION = frozenset(".!#$%&'*+/=?^~-")
# Alphabetic characters of category So: circled and squared Latin letters.
OTHER_LETTERS = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))


@lru_cache(maxsize=None)
def is_word(char):
    r"""\w of UTS #18: letters, marks, decimal digits, connector punctuation, joiners."""
    category = unicodedata.category(char)
    if category[0] in "LM" or category in ("Nd", "Nl", "Pc") or char in "\u200c\u200d":
        return True
    return any(low <= ord(char) <= high for low, high in OTHER_LETTERS)


@lru_cache(maxsize=None)
def can_start_local(char):
    return char in "+%" or is_word(char)


@lru_cache(maxsize=None)
def is_local(char):
    return char in LOCAL_PUNCTUATION or is_word(char)


@lru_cache(maxsize=None)
def is_alphanumeric(char):
    """A letter or digit: \\w without the underscore. Labels start and end with one."""
    return char != "_" and is_word(char)


@lru_cache(maxsize=None)
def is_label(char):
    return char in "_-" or is_alphanumeric(char)


def local_start(text, at, min_start):
    """Returns the start, at least `min_start`, of the longest local part that ends before `at`, or None."""
    start = None
    pos = at - 1
    while pos >= min_start and is_local(text[pos]):
        if can_start_local(text[pos]):
            start = pos
        pos -= 1
    return start


def domain_end(text, pos):
    """Returns the end of the longest domain, label ( . label )+, at `pos`, or None."""
    labels = 0
    end = None
    while pos < len(text) and is_alphanumeric(text[pos]):
        stop = pos
        while stop < len(text) and is_label(text[stop]):
            stop += 1
        end = stop
        while not is_alphanumeric(text[end - 1]):
            end -= 1
        labels += 1
        if end != stop or stop == len(text) or text[stop] != ".":
            break
        pos = stop + 1
    return end if labels > 1 else None


def find_emails(text):
    """Yields the addresses in `text` from left to right without overlaps."""
    min_start = 0
    at = text.find("@")
    while at >= 0:
        start = local_start(text, at, min_start)
        end = domain_end(text, at + 1) if start is not None else None
        if end is not None:
            yield text[start:end]
            min_start = end
        at = text.find("@", at + 1)


def is_email(text):
    return next(find_emails(text), None) == text


# ---------------------------------------------------------------------------------------------------
# Section 3: the grammar of operation_detail.

JSON_DATA_START = re.compile(r'\[(?=[ \t\n\r]*+\{)|\{(?=["}])')
JSON_CHANGE = re.compile(r' to (?:\[(?=[ \t\n\r]*+\{)|\{(?=["}]))').match


def find_json_data(text):
    """3.1: returns the spans to cut out and the elements of json_data, or None.

    A failed attempt records which arrays and objects inside it are not closed, and later attempts skip
    them. No character is therefore parsed more than twice.
    """
    containers = {}
    for match in JSON_DATA_START.finditer(text):
        start = match.start()
        if containers.get(start) == -1:
            continue
        try:
            node, end = parse_value(text, start, containers)
        except NotJson:
            continue
        cuts = [(start, end)]
        if text[:start].endswith("from ") and JSON_CHANGE(text, end):
            try:
                node, stop = parse_value(text, end + len(" to "))
                cuts.append((node.start, stop))
            except NotJson:
                pass
        return cuts, (node.value if node.kind is ARRAY else [node])
    return None


def cut_out(text, cuts):
    """Returns the trimmed text without the spans, and the positions (seams) where they were removed."""
    seams = []
    for start, end in reversed(cuts):
        text = text[:start] + text[end:]
        seams = [seam - (end - start) for seam in seams] + [start]
    lead = len(text) - len(text.lstrip(WHITESPACE))
    return trim(text), {seam - lead for seam in seams}


def split_head(text, seams=()):
    """3.2: returns HEAD and the rest of the trimmed text; the rest is None if HEAD is the whole text.

    Two spaces with a seam between them do not end HEAD.
    """
    text = trim(text)
    if text.startswith("- "):
        return "", text[2:]
    cut = text.find("  - ")  # the end of the first run of two or more spaces before `- `
    while cut >= 0 and cut + 1 in seams:
        cut = text.find("  - ", cut + 1)
    if cut >= 0:
        return trim(text[:cut]), text[cut + 4 :]
    cut = text.find(" - ")
    if cut >= 0:
        return trim(text[:cut]), text[cut + 3 :]
    return text, None


def is_change(piece):
    """3.3 and 3.4: returns whether the piece is `KEY: VALUE` or `KEY:`."""
    key, colon, value = piece.partition(":")
    return bool(colon) and bool(trim(key)) and (value == "" or value[0] == " ")


def split_pieces(rest):
    """3.3: returns [(key, value)] in order; key is None for an unkeyed piece."""
    pieces = []
    for part in rest.split(" - "):
        if not pieces or is_change(part):
            pieces.append([part])
        else:
            pieces[-1].append(part)
    result = []
    for parts in pieces:
        piece = " - ".join(parts)
        if is_change(parts[0]):
            key, _, value = piece.partition(":")
            result.append((trim(key), trim(value)))
        else:
            result.append((None, piece))
    return result


def new_value(value):
    """3.5: returns the new value of a trimmed VALUE; an empty result means no value."""
    padded = value + " "  # so that `set to` and `from OLD to` match if nothing follows
    if padded.startswith("set to "):
        return trim(padded[len("set to ") :])
    if padded.startswith("from "):
        _, found, new = padded[len("from ") :].partition(" to ")
        if found:
            return trim(new)
    return value


class Detail:
    """The parts of an operation_detail (section 3)."""

    def __init__(self, text, verbatim):
        self.elements = []
        data = find_json_data(text)
        seams = ()
        if data:
            cuts, self.elements = data
            self.source = text
            text, seams = cut_out(text, cuts)
        self.head, rest = split_head(text, seams)
        self.pieces = [] if rest is None else split_pieces(rest)
        if not verbatim:
            self.pieces = [(k, v if k is None else new_value(v)) for k, v in self.pieces]
        # 3.6: the last of repeated keys counts.
        self.values = {key: value for key, value in self.pieces if key is not None}

    def value(self, key):
        """Returns the value of a key, or None if it is missing or empty."""
        return self.values.get(key) or None

    def emails(self):
        """3.7: returns email and email2, as far as they are present."""
        found = {}
        texts = [self.head]
        texts += [text if key is None else key for key, text in self.pieces]
        for text in texts:
            for email in find_emails(text):
                found.setdefault(email.lower(), email)
                if len(found) == 2:
                    return list(found.values())
        return list(found.values())

    def role(self):
        """3.8: returns the role, or None."""
        if self.head.lower().startswith("change role"):
            for key, value in self.pieces:
                if key is not None and value and is_email(key):
                    return value
        last = None
        for key, value in self.pieces:
            if key in ("Role", "role"):
                last = value
        return last or None


# ---------------------------------------------------------------------------------------------------
# Section 4: the event.


def scalar_texts(source, node):
    """Returns the texts of userId, assistant or options."""
    if node is None:
        return []
    elements = node.value if node.kind is ARRAY else [node]
    texts = []
    for element in elements:
        if element.kind is ARRAY or element.kind is OBJECT:
            texts.append(compact(source, element))
        elif element.kind is not NULL and trim(element.value):
            texts.append(element.value)
    return texts


def user_of(source, element):
    """Returns userid and labels of an object of json_data."""
    ids = scalar_texts(source, element.value.get("userId"))
    labels = [
        {"key": key, "value": text}
        for key in ("assistant", "options")
        for text in scalar_texts(source, element.value.get(key))
    ]
    return (trim(ids[0]) if ids else None), labels


def omit_empty(mapping):
    """Section 4: omits empty strings, lists and objects."""
    return {key: value for key, value in mapping.items() if value}


def without_absent(mapping):
    """Absent means absent: no empty strings, no empty objects or arrays."""
    return {key: value for key, value in mapping.items() if value}


def read_rows(path):
    """Returns the rows of the mapping table from a file with the output of `zoom-udm mapping --format json`."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def put(event, row, text):
    """Writes a text to the path of a row: appends it to a list, without repeating a value."""
    container = event
    *parents, last = row["path"].split(".")
    for parent in parents:
        if parent.endswith("[]"):
            elements = container.setdefault(parent[:-2], [])
            if any(element[last] == text for element in elements):
                return
            container = {}
            elements.append(container)
        else:
            container = container.setdefault(parent, {})
    if last.endswith("[]"):
        container.setdefault(last[:-2], []).append({"key": row["name"], "value": text})
    elif row["list"]:
        texts = container.setdefault(last, [])
        if text.lower() not in (known.lower() for known in texts):
            texts.append(text)
    else:
        container[last] = text


def put_detail(event, rows, detail):
    """The rows of the table from `email` to `Location`."""
    derived = dict(zip(("email", "email2"), detail.emails()), role=detail.role())
    for row in rows:
        text = None
        if row["source"] == "key":
            text = detail.value(row["name"])
        elif row["source"] == "detail":
            text = derived.get(row["name"])
        if text:
            put(event, row, text)


def put_users(event, detail):
    """The rows of the table for json_data."""
    objects = [e for e in detail.elements if e.kind is OBJECT]
    for index, element in enumerate(objects):
        ident, labels = user_of(detail.source, element)
        if not ident and not labels:
            continue
        if index == 0:
            user = event.setdefault("target", {}).setdefault("user", {})
        else:
            user = {}
            event.setdefault("about", []).append({"user": user})
        if ident:
            user["userid"] = ident
        if labels:
            user.setdefault("attribute", {}).setdefault("labels", []).extend(labels)


TARGET_USER_TYPES = ("USER_CREATION", "USER_DELETION", "USER_CHANGE_PASSWORD", "USER_CHANGE_PERMISSIONS")
# These types require a resource, a group or a login mechanism, which this mapping never sets.
UNSUPPORTED_TYPES = re.compile("USER_RESOURCE_|SETTING_|GROUP_|USER_LOGIN$|USER_LOGOUT$").match


def meets_requirements(name, principal, target):
    """Returns whether the event has what an event type requires."""
    if name in TARGET_USER_TYPES:
        return "user" in target
    if name == "USER_UNCATEGORIZED":
        return "user" in target or "user" in principal
    return not UNSUPPORTED_TYPES(name)


def event_type(given, has_user, principal, target):
    """Section 4: returns metadata.eventType."""
    given = trim(given or "")
    if given in EVENT_TYPES and given != "EVENTTYPE_UNSPECIFIED" and meets_requirements(given, principal, target):
        return given
    return "USER_UNCATEGORIZED" if has_user else "GENERIC_EVENT"


def map_record(record, source, options):
    """Maps a record to an event; raises Rejected if it has no usable time."""
    text = {name: field_text(record, source, name) for name in FIELDS}
    stamp = read_time(text["time"]) or options.default_time
    if stamp is None:
        raise Rejected(NO_TIME)

    event, emails = {}, []
    for row in options.rows:
        if row["source"] == "constant":
            put(event, row, row["example"]["value"])
    if text["operator"]:
        operator = trim(text["operator"])
        user = {"emailAddresses": [operator]} if is_email(operator) else {"userid": operator}
        event["principal"] = {"user": user}
    if text["operation_detail"]:
        detail = Detail(text["operation_detail"], options.values == "verbatim")
        emails = detail.emails()
        put_detail(event, options.rows, detail)
        put_users(event, detail)
    if text["category_type"]:
        event["additional"] = {"category_type": text["category_type"]}

    principal, target = event.get("principal", {}), event.get("target", {})
    own = {
        "eventTimestamp": stamp,
        "eventType": event_type(text["event_type"], bool(principal or emails), principal, target),
        "productEventType": text["action"],
        "description": text["operation_detail"],
    }
    event.setdefault("metadata", {}).update(without_absent(own))
    return event


# ---------------------------------------------------------------------------------------------------
# Section 1: framing of records.


class Options:
    def __init__(self, rows, values="new", default_time=None, max_line_bytes=DEFAULT_MAX_LINE_BYTES):
        self.rows = rows
        self.values = values
        self.default_time = default_time
        self.max_line_bytes = max_line_bytes


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
        logs = node.value.get("operation_logs") if node.kind is OBJECT else None
        if logs is not None and logs.kind is ARRAY:
            pending.extend(reversed(logs.value))
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


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Converts Zoom operation logs to UDM events.")
    parser.add_argument("file", nargs="?", help="plain or gzip-compressed input [default: standard input]")
    parser.add_argument("--mapping", required=True, metavar="FILE", help="the output of zoom-udm mapping --format json")
    parser.add_argument("--rejects", help="output file for rejects, one JSON object per line")
    parser.add_argument("--values", choices=("new", "verbatim"), default="new")
    parser.add_argument("--default-time", type=default_time, metavar="RFC3339")
    parser.add_argument("--max-line-bytes", type=int, default=DEFAULT_MAX_LINE_BYTES, metavar="N")
    args = parser.parse_args(arguments)

    if args.file in (None, "-"):
        data = sys.stdin.buffer.read()
    else:
        with open(args.file, "rb") as file:
            data = file.read()
    data, complete = gunzip_if_needed(data)
    options = Options(read_rows(args.mapping), args.values, args.default_time, args.max_line_bytes)
    rejects = open(args.rejects, "w", encoding="utf-8") if args.rejects else None
    for event, rejected in drop_truncated_line(read_input(data, options), data, complete):
        if event is not None:
            line = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
            sys.stdout.buffer.write(line.encode("utf-8") + b"\n")
        elif rejects:
            rejects.write(json.dumps(rejected, separators=(",", ":")) + "\n")
    sys.stdout.buffer.flush()
    if rejects:
        rejects.close()
    if not complete:
        print("gzip data is corrupt or truncated", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
