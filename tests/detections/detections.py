"""Reads the files of detections/ and the searches of docs/detections.md."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from expressions import Unsupported
from rules import Rule, read_rule

ROOT = Path(__file__).resolve().parent.parent.parent
DIRECTORY = ROOT / "detections"
DOCUMENT = ROOT / "docs" / "detections.md"
NOUNS = "metadata|additional|principal|src|target|about|security_result|extensions"


@dataclass
class Detection:
    """A rule, its fixture, and its searches in the document: over enriched events, and over default events if there is one.

    The search is `exact` unless the document says what it also finds.
    """

    rule: Rule
    fixture: dict
    search: Rule | None = None
    default_search: Rule | None = None
    exact: bool = False


def read_detections():
    """Returns the detections by name."""
    detections = {}
    for path in sorted(DIRECTORY.glob("*.yaral")):
        try:
            rule = read_rule(path.read_text(encoding="utf-8"))
        except Unsupported as error:
            raise Unsupported(f"{path.name}: {error}") from error
        if rule.name != path.stem:
            raise Unsupported(f"{path.name}: the rule is called {rule.name}")
        fixture = json.loads((DIRECTORY / "fixtures" / f"{rule.name}.json").read_text(encoding="utf-8"))
        if fixture["detection"] != rule.name:
            raise Unsupported(f"{path.name}: the fixture is of {fixture['detection']}")
        detections[rule.name] = Detection(rule, fixture)
    return detections


def read_document(detections):
    """Adds the searches of the document to the detections. Each detection must have a section."""
    sections = re.split(r"^### ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    names = [section.split("\n", 1)[0].strip("` ") for section in sections]
    if sorted(names) != sorted(detections):
        raise Unsupported(f"docs/detections.md has the sections {names}, expected {sorted(detections)}")
    for name, section in zip(names, sections):
        before, _, after = section.partition("Without `--enrich`")
        enriched, default = blocks_of(before), blocks_of(after)
        if len(enriched) != 1 or len(default) > 1 or not after:
            raise Unsupported(f"docs/detections.md: {name} needs one search and a paragraph on events without --enrich")
        detections[name].exact = detections[name].rule.window is None and not re.search(
            r"[Tt]he search (also )?finds", before
        )
        detections[name].search = read_search(name, enriched[0])
        detections[name].default_search = read_search(name, default[0]) if default else None


def blocks_of(text):
    """Returns the indented blocks of a Markdown text."""
    return re.findall(r"(?:^    .*\n)+", text, flags=re.MULTILINE)


def read_search(name, text):
    """Returns the rule of a UDM search, whose fields have no event variable."""
    named = re.sub(rf'(?<![\w."`/$])({NOUNS})\.', r"$e.\1.", text)
    source = f'rule {name} {{ meta: author = "search" events:\n({named.strip()})\ncondition: $e }}'
    return read_rule(source)
