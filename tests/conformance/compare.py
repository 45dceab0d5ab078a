#!/usr/bin/env python3
"""Holds the program's events and rejects against the second reading and against Google's own message.

    compare.py BINARY DIRECTORY

Generates records with BINARY into DIRECTORY, normalizes them and every fixture, and fails at the first
difference. Prints what was held against what, with counts.
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent.parent / "fixtures"

# Name of the corpus, kind, how many records, seed.
CORPORA = (
    ("hostile", "hostile", 100_000, 20240131),
    ("small", "hostile", 10_000, 7),
    ("realistic", "realistic", 10_000, 1),
)

# What both readings are asked for: corpus and flags that both know.
READINGS = (
    ("hostile", ()),
    ("small", ("--values", "verbatim")),
    ("small", ("--default-time", "2020-02-29T12:00:00.5Z")),
    ("small", ("--max-line-bytes", "150")),
    ("realistic", ()),
)

FEED = ("--event-id", "--clip", "--namespace", "corp", "--label", "env=prod", "--label", "team=a=b")

# What Google's message is asked to read: our flags, and how it is told to look at them.
SHAPES = (
    ((), ()),
    (("--case", "snake"), ("--snake",)),
    (("--format", "import"), ("--shape", "import")),
    (("--format", "batch-create", "--customer-id", "c1"), ("--shape", "batch-create")),
    (FEED, ()),
)


class Differs(Exception):
    """Two readings of one input are not the same."""


def run(command, **options):
    return subprocess.run([str(part) for part in command], check=False, **options)


class Program:
    """The program under test, and where it may write."""

    def __init__(self, binary, directory):
        self.binary = binary
        self.directory = directory

    def generate(self, name, kind, records, seed):
        path = self.directory / f"{name}.ndjson"
        with open(path, "wb") as out:
            command = [self.binary, "generate", "--kind", kind, "--records", records, "--seed", seed]
            if run(command, stdout=out).returncode != 0:
                raise Differs(f"{name} could not be generated")
        return path

    def normalize(self, inputs, flags, events, rejects=None):
        command = [self.binary, "normalize", "--summary", "none", *flags, *inputs, "--rejects", rejects or "/dev/null"]
        with open(events, "wb") as out:
            code = run(command, stdout=out).returncode
        # Rejects are no failure here: they are compared as well.
        if code not in (0, 1):
            raise Differs(f"normalize {' '.join(map(str, flags))} exited with {code}")


def second_reading(path, flags, events, rejects):
    command = [sys.executable, HERE / "reference_impl.py", path, "--rejects", rejects, *flags]
    with open(events, "wb") as out:
        if run(command, stdout=out).returncode != 0:
            raise Differs(f"the second reading of {path} failed")


def values(path):
    with open(path, encoding="utf-8") as file:
        yield from (json.loads(line) for line in file)


def place(reject):
    return {name: reject[name] for name in ("line", "offset", "reason")}


def compare(what, ours, theirs):
    """How many values two files hold, all the same."""
    count = 0
    for count, (one, other) in enumerate(zip_longest(ours, theirs), 1):
        # As text, since Python holds 1, 1.0 and True equal.
        if json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True):
            ours, theirs = (json.dumps(value, ensure_ascii=False) for value in (one, other))
            raise Differs(f"{what}, number {count}:\n  program        {ours}\n  second reading {theirs}")
    return count


def held_against_input(path, rejects):
    """Every reject of plain input holds the bytes that stand at its offset."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        return
    for reject in rejects:
        raw = reject["raw"].encode("utf-8") if "raw" in reject else None
        if raw is not None and data[reject["offset"]:reject["offset"] + len(raw)] != raw:
            raise Differs(f"{path}: the reject at byte {reject['offset']} holds other bytes")


def readings_agree(program, path, flags, tag):
    names = [program.directory / f"{tag}.{which}" for which in ("ours", "ours.rejects", "theirs", "theirs.rejects")]
    ours, our_rejects, theirs, their_rejects = names
    program.normalize([path], flags, ours, our_rejects)
    second_reading(path, flags, theirs, their_rejects)
    what = f"{path.name} {' '.join(flags)}".strip()
    events = compare(f"{what}: events", values(ours), values(theirs))
    rejects = compare(f"{what}: rejects", map(place, values(our_rejects)), map(place, values(their_rejects)))
    held_against_input(path, values(our_rejects))
    for name in names:
        name.unlink()
    return events, rejects


def google_reads(program, inputs, flags, look, tag):
    events = program.directory / f"{tag}.google"
    program.normalize(inputs, flags, events)
    found = run([sys.executable, HERE / "check_protobuf.py", events, *look], stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:
        raise Differs(f"Google's message, {' '.join(flags)}: {found.stdout}")
    events.unlink()
    return found.stdout.strip()


def tasks(program):
    """What is to be done: each a function that says what it found."""
    corpora = {name: program.generate(name, kind, records, seed) for name, kind, records, seed in CORPORA}
    fixtures = sorted(path for path in FIXTURES.rglob("*") if path.suffix in (".json", ".ndjson"))

    def reading(index, corpus, flags):
        events, rejects = readings_agree(program, corpora[corpus], flags, f"reading-{index}")
        return f"second reading, {corpus} {' '.join(flags)}: {events} events and {rejects} rejects are the same"

    def fixture_readings():
        found = [readings_agree(program, path, (), "fixture") for path in fixtures]
        events, rejects = (sum(counts) for counts in zip(*found))
        return f"second reading, {len(fixtures)} fixtures: {events} events and {rejects} rejects are the same"

    def google(index, inputs, flags, look, name):
        return f"Google's message, {name} {' '.join(flags)}: {google_reads(program, inputs, flags, look, f'google-{index}')}"

    yield lambda: google("all", [corpora["hostile"]], (), (), "hostile")
    yield from ((lambda i=i, r=r: reading(i, *r)) for i, r in enumerate(READINGS))
    yield fixture_readings
    for index, (flags, look) in enumerate(SHAPES):
        yield lambda i=index, f=flags, k=look: google(f"f{i}", fixtures, f, k, "fixtures")
        yield lambda i=index, f=flags, k=look: google(f"c{i}", [corpora["small"], corpora["realistic"]], f, k, "corpora")


def main():
    parser = argparse.ArgumentParser(description="Holds the program against two other readings.")
    parser.add_argument("binary", type=Path)
    parser.add_argument("directory", type=Path)
    args = parser.parse_args()
    program = Program(args.binary, args.directory)
    try:
        with ThreadPoolExecutor(max_workers=2) as pool:
            for said in pool.map(lambda task: task(), list(tasks(program))):
                print(said, flush=True)
    except Differs as difference:
        print(difference)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
