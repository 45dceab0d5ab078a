"""JSON (RFC 8259). The parser is iterative, so nesting depth is unlimited, and keeps numbers as written."""

import json
import re

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


class NotJson(Exception):
    """The text is not valid JSON; `pos` is how far it could be parsed."""

    def __init__(self, pos=0):
        super().__init__(pos)
        self.pos = pos


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
                # Section 1: the last of repeated fields counts, also for their order.
                parent.value.pop(parent.key, None)
                parent.value[parent.key] = node
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
