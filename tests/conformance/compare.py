#!/usr/bin/env python3
"""Compares events and rejects of the program with those of reference_impl.py, and parses its events as Google's
UDM protobuf message.

    MAPPING=FILE compare.py BINARY GENERATE DIRECTORY

FILE holds the output of `BINARY mapping --format json`.
GENERATE, generate_records.py and generate_enrichment.py generate records into DIRECTORY. BINARY normalizes them and all fixtures.
Prints each comparison with counts; exits 1 at the first difference. CONFORMANCE_RECORDS sets the number of records of each large
corpus.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path

import reference_impl
from fixtures import unpacked

HERE = Path(__file__).resolve().parent

# The number of records of each large corpus. Everything together takes about 50 seconds of one core by default.
RECORDS = int(os.environ.get("CONFORMANCE_RECORDS", "5000"))

# Corpora of GENERATE, which has operation logs only: name, kind, number of records, seed.
CORPORA = (
    ("hostile", "hostile", 2 * RECORDS, 20240131),
    ("small", "hostile", 3_000, 7),
    ("realistic", "realistic", 2_000, 1),
)

# Corpora with all kinds of records: name, script that generates it, number of records, seed, flags.
KINDS_CORPORA = (
    ("kinds", "generate_records.py", RECORDS, 20250120, ()),
    ("kinds-small", "generate_records.py", 2_000, 3, ()),
    ("kinds-pretty", "generate_records.py", 1_000, 4, ("--pretty",)),
    ("enrichment", "generate_enrichment.py", RECORDS, 20261130, ()),
    ("enrichment-small", "generate_enrichment.py", 2_000, 5, ()),
    ("enrichment-pretty", "generate_enrichment.py", 1_000, 6, ("--pretty",)),
)

ENRICH = ("--enrich",)

# Comparisons with the reference implementation: corpus, and flags that both implementations support.
REFERENCE_CASES = (
    ("hostile", ()),
    ("small", ("--values", "verbatim")),
    ("small", ("--default-time", "2020-02-29T12:00:00.5Z")),
    ("small", ("--max-line-bytes", "150")),
    ("realistic", ()),
    ("kinds", ()),
    ("kinds-small", ("--values", "verbatim", "--default-time", "2020-02-29T12:00:00.5Z")),
    ("kinds-small", ("--max-line-bytes", "300")),
    ("kinds-pretty", ()),
    ("enrichment-small", ()),
    ("enrichment", ENRICH),
    ("enrichment-small", (*ENRICH, "--values", "verbatim", "--default-time", "2020-02-29T12:00:00.5Z")),
    ("enrichment-pretty", ENRICH),
    ("small", ENRICH),
    ("kinds-small", ENRICH),
)

EVENT_FLAGS = ("--event-id", "--clip", "--namespace", "corp", "--label", "env=prod", "--label", "team=a=b")

# Comparisons with the protobuf message: flags of the program, and the matching flags of check_protobuf.py.
PROTOBUF_CASES = (
    ((), ()),
    (("--case", "snake"), ("--snake",)),
    (("--format", "import"), ("--shape", "import")),
    (("--format", "batch-create", "--customer-id", "c1"), ("--shape", "batch-create")),
    (EVENT_FLAGS, ()),
    (ENRICH, ()),
    ((*ENRICH, "--case", "snake"), ("--snake",)),
    ((*ENRICH, *EVENT_FLAGS), ()),
)


class Mismatch(Exception):
    """The program's output differs from the expected output, or a command failed."""


def run(command, **options):
    return subprocess.run([str(part) for part in command], check=False, **options)


class Program:
    """The binary under test, the generator of records, and the output directory."""

    def __init__(self, binary, generator, directory):
        self.binary = binary
        self.generator = generator
        self.directory = directory

    def generate(self, name, kind, records, seed):
        return self.write(name, [self.generator, "--kind", kind, "--records", records, "--seed", seed])

    def generate_kinds(self, name, script, records, seed, flags):
        return self.write(name, [sys.executable, HERE / script, "--records", records, "--seed", seed, *flags])

    def records_of_cases(self):
        """Writes the records of enrichment_cases.json to a corpus."""
        path = self.directory / "enrichment-cases.ndjson"
        cases = json.loads((HERE / "enrichment_cases.json").read_text(encoding="utf-8"))
        path.write_text("".join(json.dumps(case["record"]) + "\n" for case in cases), encoding="utf-8")
        return path

    def write(self, name, command):
        """Writes the output of a command to the file of a corpus."""
        path = self.directory / f"{name}.ndjson"
        with open(path, "wb") as out:
            if run(command, stdout=out).returncode != 0:
                raise Mismatch(f"cannot generate corpus {name}")
        return path

    def normalize(self, inputs, flags, events, rejects=None):
        command = [self.binary, "normalize", "--summary", "none", *flags, *inputs, "--rejects", rejects or "/dev/null"]
        with open(events, "wb") as out:
            code = run(command, stdout=out).returncode
        # Exit code 1 means rejects, which are compared like events.
        if code not in (0, 1):
            raise Mismatch(f"normalize {' '.join(map(str, flags))} exited with {code}")


def run_reference(path, flags, events, rejects):
    arguments = [str(part) for part in ("--mapping", os.environ["MAPPING"], path, "--rejects", rejects, *flags)]
    with open(events, "wb") as out:
        # Large inputs get a process each, so that two run at the same time; for small ones, starting it would take longest.
        if path.stat().st_size < 100_000:
            code = reference_impl.main(arguments, out)
        else:
            code = run([sys.executable, HERE / "reference_impl.py", *arguments], stdout=out).returncode
    if code != 0:
        raise Mismatch(f"reference_impl.py failed on {path}")


def json_lines(path):
    with open(path, encoding="utf-8") as file:
        yield from (json.loads(line) for line in file)


def position(reject):
    return {name: reject[name] for name in ("line", "offset", "reason")}


def compare(what, actual, expected):
    """Returns the number of values in two sequences, or raises Mismatch if they differ."""
    count = 0
    for count, (one, other) in enumerate(zip_longest(actual, expected), 1):
        # Compared as text because 1, 1.0 and True are equal in Python.
        if json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True):
            found, wanted = (json.dumps(value, ensure_ascii=False) for value in (one, other))
            raise Mismatch(f"{what}, number {count}:\n  program   {found}\n  reference {wanted}")
    return count


def check_raw(path, rejects):
    """Checks that each reject of uncompressed input contains the bytes at its offset."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        return
    for reject in rejects:
        raw = reject["raw"].encode("utf-8") if "raw" in reject else None
        if raw is not None and data[reject["offset"]:reject["offset"] + len(raw)] != raw:
            raise Mismatch(f"{path}: the reject at byte {reject['offset']} does not contain the input bytes")


def compare_with_reference(program, path, flags, tag):
    """Compares events and rejects of an input; returns their numbers."""
    outputs = [program.directory / f"{tag}.{suffix}" for suffix in ("actual", "actual.rejects", "expected", "expected.rejects")]
    actual, actual_rejects, expected, expected_rejects = outputs
    program.normalize([path], flags, actual, actual_rejects)
    run_reference(path, flags, expected, expected_rejects)
    what = f"{path.name} {' '.join(flags)}".strip()
    events = compare(f"{what}: events", json_lines(actual), json_lines(expected))
    rejects = compare(f"{what}: rejects", map(position, json_lines(actual_rejects)), map(position, json_lines(expected_rejects)))
    check_raw(path, json_lines(actual_rejects))
    for output in outputs:
        output.unlink()
    return events, rejects


def check_with_protobuf(program, inputs, flags, check_flags, tag):
    """Parses the events of the inputs as protobuf messages; returns the report of check_protobuf.py."""
    events = program.directory / f"{tag}.protobuf"
    program.normalize(inputs, flags, events)
    result = run([sys.executable, HERE / "check_protobuf.py", events, *check_flags], stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise Mismatch(f"protobuf, {' '.join(flags)}: {result.stdout}")
    events.unlink()
    return result.stdout.strip()


def tasks(program):
    """Yields the comparisons, each as a function that returns a report line."""
    corpora = {name: program.generate(name, kind, records, seed) for name, kind, records, seed in CORPORA}
    corpora |= {name: program.generate_kinds(name, *how) for name, *how in KINDS_CORPORA}
    small = [corpora[name] for name in ("small", "kinds-small", "enrichment-small")]
    fixtures = unpacked(program.directory / "fixtures")

    def reference(index, corpus, flags):
        events, rejects = compare_with_reference(program, corpora[corpus], flags, f"reference-{index}")
        return f"reference, {corpus} {' '.join(flags)}: {events} events and {rejects} rejects are equal"

    def reference_files(name, paths, flags):
        counts = [compare_with_reference(program, path, flags, f"file-{name}{len(flags)}") for path in paths]
        events, rejects = (sum(column) for column in zip(*counts))
        return f"reference, {len(paths)} {name} {' '.join(flags)}: {events} events and {rejects} rejects are equal"

    def protobuf(index, inputs, flags, check_flags, name):
        report = check_with_protobuf(program, inputs, flags, check_flags, f"protobuf-{index}")
        return f"protobuf, {name} {' '.join(flags)}: {report}"

    yield lambda: protobuf("all", [corpora["hostile"], corpora["kinds"]], (), (), "hostile and kinds")
    yield from ((lambda i=i, r=r: reference(i, *r)) for i, r in enumerate(REFERENCE_CASES))
    yield from (lambda f=f: reference_files("fixtures", fixtures, f) for f in ((), ENRICH))
    yield lambda: reference_files("files of cases", [program.records_of_cases()], ENRICH)
    for index, (flags, check_flags) in enumerate(PROTOBUF_CASES):
        yield lambda i=index, f=flags, c=check_flags: protobuf(f"f{i}", fixtures, f, c, "fixtures")
        yield lambda i=index, f=flags, c=check_flags: protobuf(f"c{i}", small, f, c, "corpora")


def main():
    parser = argparse.ArgumentParser(description="Compares the program with the reference implementation and the protobuf message.")
    parser.add_argument("binary", type=Path)
    parser.add_argument("generator", type=Path)
    parser.add_argument("directory", type=Path)
    args = parser.parse_args()
    program = Program(args.binary, args.generator, args.directory)
    try:
        with ThreadPoolExecutor(max_workers=2) as pool:
            for report in pool.map(lambda task: task(), list(tasks(program))):
                print(report, flush=True)
    except Mismatch as mismatch:
        print(mismatch)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
