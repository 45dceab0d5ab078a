#!/usr/bin/env python3
"""Writes starting inputs for the fuzz targets, made from the fixtures, to DIRECTORY/TARGET/.

fuzz/make_seeds.py DIRECTORY
"""
import gzip
import hashlib
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def records():
    """The lines of all NDJSON fixtures, and of those of sign-ins and webhook events."""
    fixtures = ROOT / "fixtures"
    kinds = [fixtures / "constructed" / f"{kind}.txtar" for kind in ("sign-ins", "webhooks")]
    for path in sorted([*fixtures.rglob("*.ndjson"), *kinds]):
        # The other lines of an archive are its comment and the names of its cases.
        yield from (line for line in path.read_bytes().splitlines() if line.startswith(b"{"))


def detail(line):
    """The `operation_detail` of a record, if it has one."""
    try:
        value = json.loads(line).get("operation_detail")
    except (ValueError, AttributeError):
        return None
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else None


def main(directory):
    inputs = {"normalize": [], "detail": [], "fast": [], "gzip": []}
    for line in records():
        # The last two bytes of an input for `normalize` choose the options.
        inputs["normalize"].append(line + b"\n\0\0")
        inputs["gzip"].append(gzip.compress(line, mtime=0))
        text = detail(line)
        if text:
            inputs["detail"].append(text)
        inputs["fast"].append(text or line)
    for target, seeds in inputs.items():
        folder = directory / target
        folder.mkdir(parents=True, exist_ok=True)
        for seed in seeds:
            (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
