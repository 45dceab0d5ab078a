"""Section 3 of docs/mapping-rules.md: the grammar of operation_detail."""

import re

from json_nodes import ARRAY, NotJson, parse_value
from texts import WHITESPACE, find_emails, is_email, trim

JSON_DATA_START = re.compile(r'\[(?=[ \t\n\r]*+\{)|\{(?=["}])')
JSON_CHANGE = re.compile(r' to (?:\[(?=[ \t\n\r]*+\{)|\{(?=["}]))').match

SPACES_BEFORE_DASH = re.compile(r"(?<! ) {2,}+(?=- )").finditer


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

    A run of exactly two spaces with a seam between them does not end HEAD.
    """
    text = trim(text)
    if text.startswith("- "):
        return "", text[2:]
    for run in SPACES_BEFORE_DASH(text):
        if run.end() - run.start() > 2 or run.start() + 1 not in seams:
            return trim(text[: run.start()]), text[run.end() + 2 :]
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


def old_value(value):
    """Returns the OLD of `from OLD to NEW`, or None if it is blank or there is none."""
    padded = value + " "
    if not padded.startswith("from "):
        return None
    old, found, _ = padded[len("from ") :].partition(" to ")
    return (trim(old) or None) if found else None


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

    def addresses(self):
        """Returns the distinct e-mail addresses of HEAD, of the unkeyed piece and of KEYs, in order."""
        found = {}
        texts = [self.head]
        texts += [text if key is None else key for key, text in self.pieces]
        for text in texts:
            for email in find_emails(text):
                found.setdefault(email.lower(), email)
        return list(found.values())

    def emails(self):
        """3.7: returns email and email2, as far as they are present."""
        return self.addresses()[:2]

    def is_role_change(self):
        return self.head.lower().startswith("change role")

    def role_of_address(self):
        """3.8: returns the first value of a change whose KEY is an e-mail address under `Change Role`, or None."""
        if self.is_role_change():
            for key, value in self.pieces:
                if key is not None and value and is_email(key):
                    return value
        return None

    def role(self):
        """3.8: returns the role, or None."""
        given = [value for key, value in self.pieces if key in ("Role", "role")]
        return self.role_of_address() or (given[-1] if given else None) or None
