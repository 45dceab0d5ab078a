"""Texts: whitespace, times, e-mail addresses (sections 1 and 2 of docs/mapping-rules.md) and IP addresses."""

import ipaddress
import re
import unicodedata
from datetime import datetime, timedelta
from functools import lru_cache

# Unicode's White_Space property. str.strip() cannot be used because it also strips U+001C to U+001F.
WHITESPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def trim(text):
    return text.strip(WHITESPACE)


ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def ascii_lower(text):
    """Returns the text with A to Z in lower case. str.lower() also changes other letters, such as the Kelvin sign to k."""
    return text.translate(ASCII_LOWER)


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
# IP addresses.


def is_ip(text):
    """Returns whether the whole text is an IPv4 or IPv6 address. An IPv6 zone (`%eth0`) is not part of an address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
