#!/usr/bin/env python3
"""A second, independent reading of the mapping contract: Zoom operation logs in, UDM events out.

    reference_impl.py [FILE] [--rejects FILE] [--values new|verbatim] [--default-time TIME]
                      [--max-line-bytes N]

Reads FILE (or standard input), plain or gzipped, and writes one UDM event a line. It exists to be held
field for field against the program it checks, so it follows the contract's text sentence by sentence
and shares nothing with that program. Section numbers in the comments are the contract's. Standard
library only; Python 3.11 or later (possessive quantifiers).
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

# Section 4, metadata.eventType: the names of UDM's event types.
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

MARK = "\ufeff"
DEFAULT_MAX_LINE_BYTES = 4 * 1024 * 1024

NOT_UTF8 = "not_utf8"
LINE_TOO_LONG = "line_too_long"
NOT_JSON = "not_json"
NOT_OBJECT = "not_object"
NO_TIME = "no_time"

# Unicode's White_Space, written out: str.strip() alone also strips U+001C to U+001F.
BLANKS = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def trim(text):
    return text.strip(BLANKS)


class NotJson(Exception):
    """The text is not JSON."""

    def __init__(self, pos=0):
        super().__init__(pos)
        self.pos = pos  # how far the text could be read


class Refused(Exception):
    """Section 1, the refusals."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


# ---------------------------------------------------------------------------------------------------
# JSON as RFC 8259 has it. Iterative, so that depth costs no stack; number tokens stay as written.

WS = r"[ \t\n\r]*+"
STRING = r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"

VALUE = re.compile(rf"{WS}(?:({STRING})|({NUMBER})|(true|false)|(null)|([\[{{]))").match
FIRST_KEY = re.compile(rf"{WS}(?:(\}})|({STRING}){WS}:)").match
NEXT_KEY = re.compile(rf"{WS}({STRING}){WS}:").match
ARRAY_END = re.compile(rf"{WS}\]").match
AFTER = re.compile(rf"{WS}([,\]}}])").match
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
    """One JSON value: `value` is the text of a scalar, a list of Nodes, or a dict of Nodes."""

    __slots__ = ("kind", "start", "end", "value", "key")

    def __init__(self, kind, start, end, value):
        self.kind = kind
        self.start = start
        self.end = end
        self.value = value
        self.key = None  # while an object is being read: the key whose value comes next


def unescape_one(match):
    high, low, single, short = match.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + (int(low, 16) - 0xDC00))
    if single:
        return chr(int(single, 16))
    return SHORT_ESCAPES.get(short, short)


def unescape(token):
    """The text of a string token, quotes included in the token."""
    if "\\" not in token:
        return token[1:-1]
    return SURROGATE.sub("\ufffd", ESCAPE.sub(unescape_one, token[1:-1]))


def read_value(text, pos, seen=None):
    """Reads the JSON value at `pos`: (Node, position after it), or NotJson.

    `seen` takes down every array and object met: start -> end, or -1 while it is not closed.
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
            if seen is not None:
                seen[start] = -1
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
            if seen is not None:
                seen[start] = pos
        # `node` is whole: hang it into its parent, and close what closes after it.
        while True:
            if not stack:
                return node, pos
            parent = stack[-1]
            if parent.kind is OBJECT:
                parent.value[parent.key] = node  # section 1: of repeated fields, the last one counts
            else:
                parent.value.append(node)
            match = AFTER(text, pos)
            if match is None:
                raise NotJson(pos)
            pos = match.end()
            sign = match.group(1)
            if sign == ",":
                if parent.kind is OBJECT:
                    match = NEXT_KEY(text, pos)
                    if match is None:
                        raise NotJson(pos)
                    pos = match.end()
                    parent.key = unescape(match.group(1))
                break
            if (sign == "}") != (parent.kind is OBJECT):
                raise NotJson(pos)
            stack.pop()
            parent.end = pos
            if seen is not None:
                seen[parent.start] = pos
            node = parent


def read_whole(text):
    """The one JSON value that `text` is, blanks around it allowed."""
    node, pos = read_value(text, 0)
    if SPACE(text, pos).end() != len(text):
        raise NotJson
    return node


def read_values(text):
    """The one JSON value that a line is, or several, one after the other: then objects and arrays."""
    nodes, pos = [], 0
    while pos < len(text):
        node, pos = read_value(text, pos)
        nodes.append(node)
        pos = SPACE(text, pos).end()
    if len(nodes) > 1 and any(node.kind not in (ARRAY, OBJECT) for node in nodes):
        raise NotJson
    return nodes


def compact(source, node):
    """Section 1: compact JSON text: no blanks between tokens, numbers as written, strings with only
    the escapes that JSON demands."""

    def token(match):
        string = match.group(1)
        return json.dumps(unescape(string), ensure_ascii=False) if string else ""

    return STRING_OR_SPACE.sub(token, source[node.start : node.end])


# ---------------------------------------------------------------------------------------------------
# Section 1: the fields of a record, and time.

FIELDS = ("time", "operator", "category_type", "action", "operation_detail", "event_type")


def field_text(record, source, name):
    """The text of a field, or None where it is absent."""
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
    """UTC with Z and 0, 3, 6 or 9 fraction digits, the fewest that lose nothing."""
    fraction = f"{nanos:09d}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    stamp = (
        f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"
        f"T{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}"
    )
    return f"{stamp}.{fraction}Z" if fraction else f"{stamp}Z"


def read_time(text):
    """Section 1, time: RFC 3339 in UTC, or None where the text is unusable."""
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
    shift = timedelta()
    if sign:
        if int(hours) > 23 or int(minutes) > 59:
            return None
        shift = timedelta(hours=int(hours), minutes=int(minutes)) * (1 if sign == "+" else -1)
    try:
        moment = datetime(*map(int, parts)) - shift
    except (ValueError, OverflowError):  # an impossible date, or one outside the years 1 to 9999
        return None
    return rfc3339(moment, int((fraction or "").ljust(9, "0")))


# ---------------------------------------------------------------------------------------------------
# Section 2: the e-mail pattern.

LOCAL_SIGNS = frozenset(".!#$%&'*+/=?^~-")
# Alphabetic but of category So: the circled and squared Latin letters.
OTHER_LETTERS = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))


@lru_cache(maxsize=None)
def is_word(char):
    r"""\w of UTS #18: letters, marks, decimal digits, connector punctuation, joiners."""
    category = unicodedata.category(char)
    if category[0] in "LM" or category in ("Nd", "Nl", "Pc") or char in "\u200c\u200d":
        return True
    return any(low <= ord(char) <= high for low, high in OTHER_LETTERS)


@lru_cache(maxsize=None)
def starts_local(char):
    return char in "+%" or is_word(char)


@lru_cache(maxsize=None)
def in_local(char):
    return char in LOCAL_SIGNS or is_word(char)


@lru_cache(maxsize=None)
def bounds_label(char):
    """A letter or digit: \\w without the underscore."""
    return char != "_" and is_word(char)


@lru_cache(maxsize=None)
def in_label(char):
    return char in "_-" or bounds_label(char)


def local_start(text, at, floor):
    """Where the local part that ends before `at` starts, not before `floor`; None without one."""
    start = None
    pos = at - 1
    while pos >= floor and in_local(text[pos]):
        if starts_local(text[pos]):
            start = pos
        pos -= 1
    return start


def domain_end(text, pos):
    """Where the longest label ( . label )+ from `pos` ends; None without one."""
    labels = 0
    end = None
    while pos < len(text) and bounds_label(text[pos]):
        stop = pos
        while stop < len(text) and in_label(text[stop]):
            stop += 1
        end = stop
        while not bounds_label(text[end - 1]):
            end -= 1
        labels += 1
        if end != stop or stop == len(text) or text[stop] != ".":
            break
        pos = stop + 1
    return end if labels > 1 else None


def find_emails(text):
    """The e-mails in `text`, leftmost first, none overlapping. Each holds exactly one @."""
    floor = 0
    at = text.find("@")
    while at >= 0:
        start = local_start(text, at, floor)
        end = domain_end(text, at + 1) if start is not None else None
        if end is not None:
            yield text[start:end]
            floor = end
        at = text.find("@", at + 1)


def is_email(text):
    return next(find_emails(text), None) == text


# ---------------------------------------------------------------------------------------------------
# Section 3: the grammar of operation_detail.

JSON_DATA_START = re.compile(r'\[(?=[ \t\n\r]*+\{)|\{(?=["}])')
JSON_CHANGE = re.compile(r' to (?:\[(?=[ \t\n\r]*+\{)|\{(?=["}]))').match


def find_json_data(text):
    """3.1: the places to cut out and the elements of the JSON that counts as json_data, or None.

    What one failed attempt learnt about the arrays and objects inside it holds for a later attempt at
    each of them, so no place is read more than twice before the answer.
    """
    seen = {}
    for match in JSON_DATA_START.finditer(text):
        start = match.start()
        if seen.get(start) == -1:
            continue
        try:
            node, end = read_value(text, start, seen)
        except NotJson:
            continue
        cuts = [(start, end)]
        if text[:start].endswith("from ") and JSON_CHANGE(text, end):
            try:
                node, stop = read_value(text, end + len(" to "))
                cuts.append((node.start, stop))
            except NotJson:
                pass
        return cuts, (node.value if node.kind is ARRAY else [node])
    return None


def cut_out(text, cuts):
    """The text without the places, trimmed, and where in it something was cut out."""
    seams = []
    for start, end in reversed(cuts):
        text = text[:start] + text[end:]
        seams = [seam - (end - start) for seam in seams] + [start]
    lead = len(text) - len(text.lstrip(BLANKS))
    return trim(text), {seam - lead for seam in seams}


def split_head(text, seams=()):
    """3.2: HEAD and the rest of the trimmed text; the rest is None where HEAD is everything.

    Of 3.0: two spaces with a seam between them are not two spaces.
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
    """3.3 and 3.4: is the piece `KEY: VALUE` or `KEY:`?"""
    key, colon, value = piece.partition(":")
    return bool(colon) and bool(trim(key)) and (value == "" or value[0] == " ")


def split_pieces(rest):
    """3.3: [(key, value)] in order; key is None for a piece that stands alone."""
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
    """3.5: what a trimmed VALUE becomes; empty is no value."""
    padded = value + " "  # so that a phrase cut off after its last word still reads as one
    if padded.startswith("set to "):
        return trim(padded[len("set to ") :])
    if padded.startswith("from "):
        _, found, new = padded[len("from ") :].partition(" to ")
        if found:
            return trim(new)
    return value


class Detail:
    """What section 3 reads out of one operation_detail."""

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
        # 3.6: of repeated keys, the last one counts.
        self.values = {key: value for key, value in self.pieces if key is not None}

    def value(self, key):
        """The key's value, or None where there is none or it is empty."""
        return self.values.get(key) or None

    def emails(self):
        """3.7: email and email2."""
        found = {}
        places = [self.head]
        places += [text if key is None else key for key, text in self.pieces]
        for place in places:
            for email in find_emails(place):
                found.setdefault(email.lower(), email)
                if len(found) == 2:
                    return list(found.values())
        return list(found.values())

    def role(self):
        """3.8."""
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


def texts_of(source, node):
    """The texts that userId, assistant or options stand for."""
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
    """userid and labels of one object of json_data."""
    ids = texts_of(source, element.value.get("userId"))
    labels = [
        {"key": key, "value": text}
        for key in ("assistant", "options")
        for text in texts_of(source, element.value.get(key))
    ]
    return (trim(ids[0]) if ids else None), labels


def without_absent(mapping):
    """Absent means absent: no empty strings, no empty objects or arrays."""
    return {key: value for key, value in mapping.items() if value}


def distinct(texts, key=lambda text: text):
    result = {}
    for text in texts:
        if text:
            result.setdefault(key(text), text)
    return list(result.values())


def target_and_about(detail):
    """The rows of the table from `email` to `Location`."""
    userid, data_labels, about = None, [], []
    objects = [e for e in detail.elements if e.kind is OBJECT]
    for index, element in enumerate(objects):
        ident, labels = user_of(detail.source, element)
        if index == 0:
            userid, data_labels = ident, labels
        elif ident or labels:
            user = without_absent({"userid": ident, "attribute": without_absent({"labels": labels})})
            about.append({"user": user})

    value = detail.value
    emails = distinct(detail.emails() + [value("Email Address")], key=lambda t: t and t.lower())
    roles = distinct([value("Role Name"), value("User Role"), detail.role()])
    labels = [
        {"key": key, "value": value(key)} for key in ("Room Name", "Type", "User Type") if value(key)
    ]
    attribute = {"roles": [{"name": role} for role in roles], "labels": labels + data_labels}
    user = {
        "userid": userid,
        "userDisplayName": value("Display Name"),
        "firstName": value("First Name"),
        "lastName": value("Last Name"),
        "emailAddresses": emails,
        "title": value("Job Title"),
        "department": [value("Department")] if value("Department") else [],
        "roleDescription": value("Description"),
        "attribute": without_absent(attribute),
    }
    location = without_absent({"name": value("Location")})
    return without_absent({"user": without_absent(user), "location": location}), about


TARGET_USER_TYPES = ("USER_CREATION", "USER_DELETION", "USER_CHANGE_PASSWORD", "USER_CHANGE_PERMISSIONS")
# A resource, a group, or how somebody logged in: no event of this mapping has them.
OTHER_NEEDS = re.compile("USER_RESOURCE_|SETTING_|GROUP_|USER_LOGIN$|USER_LOGOUT$").match


def needs_are_met(name, principal, target):
    if name in TARGET_USER_TYPES:
        return "user" in target
    if name == "USER_UNCATEGORIZED":
        return "user" in target or "user" in principal
    return not OTHER_NEEDS(name)


def event_type(given, has_user, principal, target):
    given = trim(given or "")
    if given in EVENT_TYPES and given != "EVENTTYPE_UNSPECIFIED" and needs_are_met(given, principal, target):
        return given
    return "USER_UNCATEGORIZED" if has_user else "GENERIC_EVENT"


def map_record(record, source, options):
    """One record to one event. NotJson or Refused where it must not become one."""
    text = {name: field_text(record, source, name) for name in FIELDS}
    stamp = read_time(text["time"]) or options.default_time
    if stamp is None:
        raise Refused(NO_TIME)

    principal, target, about, emails = {}, {}, [], []
    if text["operator"]:
        operator = trim(text["operator"])
        if is_email(operator):
            principal = {"user": {"emailAddresses": [operator]}}
        else:
            principal = {"user": {"userid": operator}}
    if text["operation_detail"]:
        detail = Detail(text["operation_detail"], options.values == "verbatim")
        emails = detail.emails()
        target, about = target_and_about(detail)

    metadata = {
        "eventTimestamp": stamp,
        "eventType": event_type(text["event_type"], bool(principal or emails), principal, target),
        "logType": "ZOOM_OPERATION_LOGS",
        "vendorName": "ZOOM",
        "productName": "ZOOM_OPERATION_LOGS",
        "productEventType": text["action"],
        "description": text["operation_detail"],
    }
    event = {
        "metadata": without_absent(metadata),
        "additional": without_absent({"category_type": text["category_type"]}),
        "principal": principal,
        "target": target,
        "about": about,
    }
    return without_absent(event)


# ---------------------------------------------------------------------------------------------------
# Section 1: what stands around the records.


class Options:
    def __init__(self, values="new", default_time=None, max_line_bytes=DEFAULT_MAX_LINE_BYTES):
        self.values = values
        self.default_time = default_time
        self.max_line_bytes = max_line_bytes


def refusal(line, offset, reason):
    return {"line": line, "offset": offset, "reason": reason}


def gunzip_if_needed(data):
    """Looked at by content. Returns the bytes and whether the gzip data was sound to its end."""
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


class Where:
    """Line and byte offset of places in one decoded text; places are asked for in order."""

    def __init__(self, text, line, offset):
        self.text, self.pos, self.line, self.offset = text, 0, line, offset

    def at(self, pos):
        between = self.text[self.pos : pos]
        self.line += between.count("\n")
        self.offset += len(between.encode("utf-8", "surrogateescape"))
        self.pos = pos
        return self.line, self.offset


def records_of(node):
    """The elements that should be records: of an array, of an envelope wherever it stands, or the object itself."""
    if node.kind is OBJECT:
        waiting = [node]
    elif node.kind is ARRAY and all(element.kind is OBJECT for element in node.value):
        waiting = node.value[::-1]
    else:
        raise Refused(NOT_OBJECT)
    while waiting:
        node = waiting.pop()
        logs = node.value.get("operation_logs") if node.kind is OBJECT else None
        if logs is not None and logs.kind is ARRAY:
            waiting.extend(reversed(logs.value))
        else:
            yield node


def map_value(node, text, where, options, too_long=lambda start, end: False):
    """Everything one JSON value gives: events and refusals, in order. NotJson refuses it whole."""
    results = []
    for record in records_of(node):
        reason = None
        if record.kind is not OBJECT:
            reason = NOT_OBJECT
        else:
            try:
                event = map_record(record, text, options)
            except Refused as refused:
                reason = refused.reason
        line, offset = where.at(record.start)
        if too_long(offset, record):
            reason = LINE_TOO_LONG
        results.append((None, refusal(line, offset, reason)) if reason else (event, None))
    return results


def read_lines(data, options):
    """One JSON value a line, or several."""
    offset, line = 0, 0
    while offset < len(data):
        line += 1
        stop = data.find(b"\n", offset)
        after = len(data) if stop < 0 else stop + 1
        raw = data[offset : len(data) if stop < 0 else stop]
        if raw.endswith(b"\r"):
            raw = raw[:-1]
        yield from read_line(raw, line, offset, options)
        offset = after


def read_line(raw, line, offset, options):
    if len(raw) > options.max_line_bytes:
        return [(None, refusal(line, offset, LINE_TOO_LONG))]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return [(None, refusal(line, offset, NOT_UTF8))]
    if text[:1] == MARK and text[1:2] != MARK:  # a byte-order mark; two are not JSON
        text = text[1:]
        offset += len(MARK.encode("utf-8"))
    if SPACE(text, 0).end() == len(text):
        return []
    try:
        values = read_values(text)
    except NotJson:
        return [(None, refusal(line, offset, NOT_JSON))]
    where = Where(text, line, offset)
    results = []
    for value in values:
        try:
            results += map_value(value, text, where, options)
        except Refused as refused:
            # The line's only value is refused as the line that it is.
            place = where.at(value.start) if len(values) > 1 else (line, offset)
            results.append((None, refusal(*place, refused.reason)))
    return results


def is_document(text):
    """Does the input start with a JSON value that spans lines?

    It does where the first line is no JSON by itself and the value that it begins ends on a later
    line, or can at least be read beyond the second line (of those that are not blank).
    """
    start = SPACE(text, 0).end()
    first_end = text.find("\n", start)
    if text[start : start + 1] not in ("{", "[") or first_end < 0:
        return False
    try:
        read_whole(text[start:first_end])
        return False
    except NotJson:
        pass
    try:
        return read_value(text, start)[1] > first_end
    except NotJson as error:
        second_end = text.find("\n", SPACE(text, first_end).end())
        return 0 <= second_end < error.pos


class LongLines:
    """The lines of a pretty-printed input that are over the size limit."""

    def __init__(self, data, limit):
        self.starts, self.ends = [], []
        start = 0
        for raw in data.split(b"\n"):
            if len(raw) - raw.endswith(b"\r") > limit:
                self.starts.append(start)
                self.ends.append(start + len(raw))
            start += len(raw) + 1

    def touch(self, start, end):
        index = bisect_right(self.starts, end - 1) - 1
        return index >= 0 and self.ends[index] > start


def read_document(data, text, first, options):
    """JSON values, each over as many lines as it likes, blanks between them."""
    long_lines = LongLines(data, options.max_line_bytes)
    where = Where(text, 1, first)

    def too_long(offset, record):
        if not long_lines.starts:
            return False
        size = len(text[record.start : record.end].encode("utf-8", "surrogateescape"))
        return long_lines.touch(offset, offset + size)

    pos = SPACE(text, 0).end()
    while pos < len(text):
        line, offset = where.at(pos)
        try:
            node, end = read_value(text, pos)
        except NotJson:
            node, end = None, len(text)
        if SURROGATE.search(text[pos:end]):  # a byte that is no UTF-8 decodes to one
            yield None, refusal(line, offset, NOT_UTF8)
        elif node is None:
            yield None, refusal(line, offset, NOT_JSON)
        else:
            try:
                yield from map_value(node, text, where, options, too_long)
            except NotJson:
                yield None, refusal(line, offset, NOT_JSON)
            except Refused as refused:
                yield None, refusal(line, offset, refused.reason)
        pos = SPACE(text, end).end()


def read_input(data, options):
    """(event, None) or (None, refusal) for everything in the decompressed input, in order."""
    mark = MARK.encode("utf-8")
    first = len(mark) if data.startswith(mark) else 0
    text = data[first:].decode("utf-8", "surrogateescape")
    if is_document(text):
        return read_document(data, text, first, options)
    del text
    return read_lines(data, options)


# ---------------------------------------------------------------------------------------------------
# The command.


def default_time(text):
    if text == "now":
        now = datetime.now(timezone.utc)
        return rfc3339(now, now.microsecond * 1000)
    stamp = read_time(text)
    if stamp is None:
        raise argparse.ArgumentTypeError(f"no usable time: {text!r}")
    return stamp


def whole_of(results, data, sound):
    """What an input gives; of one that is cut short without the line that the cut left: the error says so."""
    last = None
    for result in results:
        if last is not None:
            yield last
        last = result
    broken = last is not None and last[0] is None and last[1]["reason"] in (NOT_JSON, NOT_UTF8)
    if last is not None and (sound or not broken or data.endswith(b"\n")):
        yield last


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Zoom operation logs to UDM events, read a second time.")
    parser.add_argument("file", nargs="?", help="plain or gzipped input; standard input without it")
    parser.add_argument("--rejects", help="where refusals go, one JSON object a line")
    parser.add_argument("--values", choices=("new", "verbatim"), default="new")
    parser.add_argument("--default-time", type=default_time, metavar="RFC3339")
    parser.add_argument("--max-line-bytes", type=int, default=DEFAULT_MAX_LINE_BYTES, metavar="N")
    args = parser.parse_args(arguments)

    if args.file in (None, "-"):
        data = sys.stdin.buffer.read()
    else:
        with open(args.file, "rb") as file:
            data = file.read()
    data, sound = gunzip_if_needed(data)
    options = Options(args.values, args.default_time, args.max_line_bytes)
    rejects = open(args.rejects, "w", encoding="utf-8") if args.rejects else None
    for event, refused in whole_of(read_input(data, options), data, sound):
        if event is not None:
            line = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
            sys.stdout.buffer.write(line.encode("utf-8") + b"\n")
        elif rejects:
            rejects.write(json.dumps(refused, separators=(",", ":")) + "\n")
    sys.stdout.buffer.flush()
    if rejects:
        rejects.close()
    if not sound:
        print("the gzip data is damaged or ends early", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
