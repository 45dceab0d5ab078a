"""Reads HEAD of an operation_detail: the verb, the operation, and what is named (docs/mapping-rules.md, Enrichment)."""

import re

from detail import new_value, old_value
from enrichment_tables import (
    ARTICLES, CLASSES, DECISIVE_VERBS, NAME_HEADS, NOUNS, OPERATIONS, OTHER_CLASS, PHONE_NUMBER, SETTING_HEAD, UPDATE_VERBS, VERBS,
)  # fmt: skip
from texts import ascii_lower, trim

WORD = re.compile(" *([^ ]+)")


class Change:
    """A change of operation_detail: its key, the new and the old value (None if blank), and whether HEAD states it."""

    def __init__(self, key, value, from_head=False):
        self.key = key
        self.new = new_value(value) or None
        self.old = old_value(value)
        self.from_head = from_head


def words(text):
    return [word for word in ascii_lower(text).split(" ") if word]


def class_of(category):
    return CLASSES.get(" ".join(words(category)), OTHER_CLASS)


def is_category(category, name):
    return words(category) == words(name)


def verb_of(head):
    """Returns the first word of HEAD in lower case if it is a verb, and None otherwise."""
    first = words(head)[:1]
    return first[0] if first and first[0] in VERBS else None


def operation_of(verb, action):
    texts = (verb,) if verb in DECISIVE_VERBS else (ascii_lower(action), verb or "")
    for text in texts:
        for operation, parts in OPERATIONS:
            if any(part in text for part in parts):
                return operation
    return "UPDATE" if verb in UPDATE_VERBS else "OTHER"


def skip(head, position, expected):
    """Returns the position after the expected words, or None if others stand at the position."""
    for word in expected:
        match = WORD.match(head, position)
        if match is None or ascii_lower(match.group(1)) != word:
            return None
        position = match.end()
    return position


def nouns(category):
    """Returns the nouns that may stand before a name, each as a list of words; those with most words come first."""
    last = words(category)[-1:]
    found = [words(category), last]
    found += [words(text[:-1]) for text in (category, *last) if ascii_lower(text).endswith("s")]
    found += [words(noun) for noun in NOUNS]
    return sorted(filter(None, found), key=len, reverse=True)


def special_name(head):
    """Returns (NAME, change) of a head that names something after more than a verb and a noun; the change may be None."""
    end = skip(head, 0, words(SETTING_HEAD))
    if end is not None:
        return named_setting(head[end:])
    for start in NAME_HEADS:
        end = skip(head, 0, words(start))
        if end is not None:
            return trim(head[end:]) or None, None
    return None, None


def named_setting(text):
    """Returns (NAME, change) of ` NAME from OLD to NEW`. NAME ends at the last ` from ` that a ` to ` follows."""
    padded = text + " "  # so that ` to ` is found if nothing follows it
    start = padded.rfind(" from ", 0, max(padded.rfind(" to "), 0))
    name = trim(padded[: max(start, 0)])
    if not name:
        return None, None
    return name, Change(name, padded[start + 1 :], from_head=True)


def general_name(head, category, needs_noun):
    """Returns what HEAD names after its verb, articles and a noun, or None."""
    position = WORD.match(head).end()
    while True:
        match = WORD.match(head, position)
        if match is None or ascii_lower(match.group(1)) not in ARTICLES:
            break
        position = match.end()
    ends = [end for noun in nouns(category) if (end := skip(head, position, noun)) is not None]
    if needs_noun and not ends:
        return None
    start = ends[0] if ends else position
    stop = len(head)
    if is_category(category, PHONE_NUMBER):
        stop = min((place for place, _ in from_and_to(head)), default=stop)
    return trim(head[start:stop]) or None


def from_and_to(head):
    """Returns the (position, label) of the first ` from ` and the first ` to ` (any case) in order of appearance."""
    lower = ascii_lower(head)
    places = ((lower.find(f" {label.lower()} "), label) for label in ("From", "To"))
    return sorted(place for place in places if place[0] >= 0)


def phone_labels(head):
    """Returns the (label, text) after ` from ` and ` to `. Each text ends where the other begins."""
    places = from_and_to(head)
    stops = [place for place, _ in places[1:]] + [len(head)]
    texts = ((label, trim(head[place + len(label) + 2 : stop])) for (place, label), stop in zip(places, stops))
    return [(label, text) for label, text in texts if text]


class Head:
    """What HEAD says. `name` and `section` are None if there is none; `change` is the change that HEAD itself states."""

    def __init__(self, text, category, action, is_role_change):
        self.text = text
        self.verb = verb_of(text)
        self.operation = operation_of(self.verb, action)
        self.section = text if text and not self.verb else None
        self.name, self.change = None, None
        if not self.verb or is_role_change:
            return
        class_name = class_of(category)
        needs_noun = class_name in ("user", "group")
        if not needs_noun:
            self.name, self.change = special_name(text)
        if self.name is None:
            self.name = general_name(text, category, needs_noun)
