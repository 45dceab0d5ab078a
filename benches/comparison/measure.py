#!/usr/bin/env python3
"""Measures zoom-udm and other implementations, checks that their events are equal, and prints the tables. Called by `run`.

    measure.py --bin DIR --implementations DIR --data DIR --out FIGURES.json [--repeat N]

Every figure is for a whole process that reads a file and writes to /dev/null. The commands to compare run alternately,
A B C A B C ..., so that noise affects all of them; a ratio is the median of the ratios within each round. The figures are
also written to FIGURES.json, for chart.py. Standard library only.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import datetime, timezone
from itertools import zip_longest
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ONE_CORE = {0}
ALL_CORES = os.sched_getaffinity(0)
STARTS = 40

NOTES = {
    "value": "one JSON value per line, no gzip; numbers in text fields are reformatted.",
    "vrl": "finds JSON in a detail only if the leftmost candidate is valid; numbers in text fields are reformatted; "
    "no arrays or API pages on a line.",
    "python": "complete implementation.",
    "jq": "stops at a line that is not JSON; numbers in text fields are reformatted; case-insensitive comparison "
    "in ASCII only.",
}


class Implementation:
    """An implementation: a function from file to command, the size of its input, and the cores that it may use."""

    def __init__(self, name, title, command, sizes, cores=ONE_CORE):
        self.name, self.title, self.command, self.sizes, self.cores = name, title, command, sizes, cores


def implementations(args):
    """Returns everything that the throughput table lists."""
    ours = str(args.bin / "zoom-udm")

    def normalize(threads):
        return lambda file: [ours, "normalize", "--summary", "none", "--threads", str(threads), file]

    def built(name, *before):
        return lambda file: [str(args.implementations / name), *before, file]

    mapping = str(args.data / "mapping.json")
    jq = ["jq", "-n", "-c", "--rawfile", "types", str(ROOT / "src/udm/event_types.tsv"), "--slurpfile", "rows", mapping]
    jq += ["-f", str(HERE / "mapping.jq")]
    reference = [sys.executable, str(ROOT / "tests/conformance/reference_impl.py"), "--mapping", mapping]
    return [
        Implementation("ours-2", "zoom-udm, 2 threads", normalize(2), "big", ALL_CORES),
        Implementation("ours", "zoom-udm, 1 thread", normalize(1), "big"),
        Implementation("parse-only", "parsing only: `serde_json::from_slice`", built("parse_only"), "big"),
        Implementation("parse-only-str", "parsing only: `serde_json::from_str`", built("parse_only", "--str"), "big"),
        Implementation("value", "Rust, `serde_json::Value` and `regex`", built("serde_value", mapping), "medium"),
        Implementation("vrl", "VRL, crate `vrl`", built("vrl", str(HERE / "mapping.vrl")), "small"),
        Implementation("python", "Python, the reference implementation", lambda file: [*reference, file], "small"),
        Implementation("jq", "jq", lambda file: [*jq, file], "tiny"),
    ]


# ---------------------------------------------------------------------------------------------------
# Measuring a process.


def run(command, cores, want_first=False):
    """Runs a command; returns wall time in seconds (to the first byte of output if `want_first`) and peak memory in bytes.

    Forks directly because os.wait4 reports the resource usage of this child only.
    """
    read, write = os.pipe() if want_first else (None, os.open(os.devnull, os.O_WRONLY))
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            os.sched_setaffinity(0, cores)
            os.dup2(write, 1)
            os.execvp(command[0], command)
        finally:
            os._exit(127)
    os.close(write)
    if want_first:
        os.read(read, 1)
        seconds = time.perf_counter() - start
        while os.read(read, 1 << 16):
            pass
        os.close(read)
    _, status, usage = os.wait4(child, 0)
    if not want_first:
        seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"failed: {' '.join(command)}")
    return seconds, usage.ru_maxrss * 1024


def run_alternately(runs, repeat):
    """Runs each (key, command, cores) `repeat` times in rounds, after a warm-up round; returns key -> [seconds]."""
    seconds = {key: [] for key, _, _ in runs}
    for round_number in range(repeat + 1):
        for key, command, cores in runs:
            elapsed, _ = run(command, cores)
            if round_number > 0:
                seconds[key].append(elapsed)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return seconds


def spread(values):
    return {"median": median(values), "min": min(values), "max": max(values)}


# ---------------------------------------------------------------------------------------------------
# Comparing events.


def write_events(command, file):
    with open(file, "wb") as out:
        process = subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, check=False)
    if process.returncode not in (0, 1):  # 1: some records were rejected
        sys.exit(f"failed: {' '.join(command)}")


def compare(ours, theirs):
    """Returns the number of our events and of differing events; the order of members is ignored."""
    count = different = 0
    with open(ours, "rb") as one, open(theirs, "rb") as other:
        for line, other_line in zip_longest(one, other):
            count += line is not None
            if line is None or other_line is None or json.loads(line) != json.loads(other_line):
                different += 1
    return {"events": count, "different": different}


def compare_events(candidates, data):
    by_name = {candidate.name: candidate for candidate in candidates}
    mappers = [candidate for candidate in candidates if candidate.name not in ("ours", "parse-only", "parse-only-str")]
    comparisons = {}
    for corpus, compared in ("common", mappers), ("hostile", [by_name["python"]]):
        file, ours = str(data / f"{corpus}.ndjson"), data / f"{corpus}.ours"
        write_events(by_name["ours"].command(file), ours)
        for candidate in compared:
            theirs = data / f"{corpus}.{candidate.name}"
            write_events(candidate.command(file), theirs)
            comparisons.setdefault(candidate.name, {})[corpus] = compare(ours, theirs)
    return comparisons


# ---------------------------------------------------------------------------------------------------
# Figures.


def throughput(candidates, data, repeat):
    """Returns MB/s and records/s of each implementation and corpus, and the speed-up of ours on one core."""
    figures = {candidate.name: {"title": candidate.title} for candidate in candidates}
    for kind in ("realistic", "plain", "escaped"):
        files = {candidate.name: data / f"{kind}-{candidate.sizes}.ndjson" for candidate in candidates}
        runs = [(candidate.name, candidate.command(str(files[candidate.name])), candidate.cores) for candidate in candidates]
        seconds = run_alternately(runs, repeat)
        rates = {}
        for name, file in files.items():
            size, lines = file.stat().st_size, count_lines(file)
            rates[name] = [size / elapsed for elapsed in seconds[name]]
            figures[name][kind] = {
                "mb_per_s": spread([rate / 1e6 for rate in rates[name]]),
                "records_per_s": median(lines / elapsed for elapsed in seconds[name]),
                "records": lines,
            }
        for name in files:
            ratio = spread([ours / theirs for ours, theirs in zip(rates["ours"], rates[name])])
            figures[name][kind]["speedup_of_ours"] = ratio
    return figures


def count_lines(file):
    with open(file, "rb") as lines:
        return sum(block.count(b"\n") for block in iter(lambda: lines.read(1 << 18), b""))


def ratio(numerator, denominator, repeat):
    """Returns the ratio of the wall times of two (command, cores)."""
    seconds = run_alternately([("numerator", *numerator), ("denominator", *denominator)], repeat)
    return spread([one / other for one, other in zip(seconds["numerator"], seconds["denominator"])])


def goal_figures(candidates, args):
    """Returns the figures that have performance goals: (figure, unit, limit, goal, measured)."""
    by_name = {candidate.name: candidate for candidate in candidates}
    one_thread, two_threads, parse_only = by_name["ours"].command, by_name["ours-2"].command, by_name["parse-only"].command
    plain = {kind: str(args.data / f"{kind}-big.ndjson") for kind in ("realistic", "escaped")}
    gzip = str(args.data / "realistic-big.ndjson.gz")
    first_event = [run(one_thread(str(args.data / "one.ndjson")), ALL_CORES, want_first=True)[0] * 1e3 for _ in range(STARTS)]
    peak = [run(two_threads(file), ALL_CORES)[1] / 1e6 for file in (plain["realistic"], gzip) for _ in range(args.repeat)]
    baseline = run(["true"], ALL_CORES)[1] / 1e6

    def relative_to_parsing(file):
        return ratio((one_thread(file), ONE_CORE), (parse_only(file), ONE_CORE), args.repeat)

    threads = ratio((two_threads(plain["realistic"]), ALL_CORES), (one_thread(plain["realistic"]), ONE_CORE), args.repeat)
    default_gunzip, vector_gunzip = (
        ratio((two_threads(gzip), ALL_CORES), ([str(args.implementations / name), gzip], ALL_CORES), args.repeat)
        for name in ("gunzip", "gunzip-vectors")
    )
    return [
        ("normalize ÷ parsing only, realistic", "", 1.0, 0.5, relative_to_parsing(plain["realistic"])),
        ("normalize ÷ parsing only, every line escaped", "", 1.5, 1.0, relative_to_parsing(plain["escaped"])),
        ("2 threads ÷ 1 thread, wall time", "", 0.58, 0.52, threads),
        (f"peak memory, 2 threads (an empty process: {baseline:.0f} MB)", " MB", 64, 32, spread(peak)),
        ("`.json.gz` ÷ decompression only (flate2 with zlib-rs), 2 threads", "", 1.3, 1.05, default_gunzip),
        ("the same, with vector instructions in both", "", 1.3, 1.05, vector_gunzip),
        ("process start to first event, one record", " ms", 10, 3, spread(first_event)),
    ]


# ---------------------------------------------------------------------------------------------------
# Output.


def first_line(command):
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    return (process.stdout or process.stderr).strip().splitlines()[0]


def machine(args):
    """Returns the processor, versions and settings of this run."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    locks = (HERE / directory / "Cargo.lock" for directory in ("gunzip", "."))
    lock = "".join(file.read_text(encoding="utf-8") for file in locks).split("[[package]]")
    crates = dict(
        (part.split('"')[1], part.split('"')[3]) for part in lock if part.strip().startswith("name")
    )
    return {
        "cpu": model,
        "cores": len(ALL_CORES),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "versions": [
            first_line([str(args.bin / "zoom-udm"), "--version"]),
            first_line(["rustc", "--version"]).split(" (")[0],
            *(f"{name} {crates[name]}" for name in ("serde_json", "regex", "vrl", "flate2", "zlib-rs")),
            first_line([sys.executable, "--version"]),
            first_line(["jq", "--version"]),
        ],
        "repetitions": args.repeat,
    }


def format_number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(figure, unit=""):
    return f"{format_number(figure['median'])}{unit} ({format_number(figure['min'])}–{format_number(figure['max'])})"


def equality(comparisons):
    if comparisons is None:
        return "–"
    texts = []
    for corpus, result in comparisons.items():
        count, different = result["events"], result["different"]
        verdict = f"all {count:,}" if different == 0 else f"{different:,} of {count:,} differ"
        texts.append(verdict if corpus == "common" else f"{corpus}: {verdict}")
    return "; ".join(texts)


def print_tables(result):
    machine = result["machine"]
    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, {machine['date']}. {', '.join(machine['versions'])}.")
    print(f"Median of {machine['repetitions']} (minimum–maximum), whole process, one core unless 2 threads are stated.\n")
    print("| | realistic, MB/s | records/s | ours ÷ this | plain, MB/s | every line escaped, MB/s | events equal ours |")
    print("|---|---|---|---|---|---|---|")
    for name, entry in result["throughput"].items():
        realistic = entry["realistic"]
        cells = [
            entry["title"],
            cell(realistic["mb_per_s"]),
            f"{realistic['records_per_s']:,.0f}",
            format_number(realistic["speedup_of_ours"]["median"]),
            cell(entry["plain"]["mb_per_s"]),
            cell(entry["escaped"]["mb_per_s"]),
            equality(result["comparisons"].get(name)),
        ]
        print(f"| {' | '.join(cells)} |")
    print()
    for name, note in NOTES.items():
        print(f"- {result['throughput'][name]['title']}: {note}")
    print("\n| figure | limit | goal | measured (minimum–maximum) | |")
    print("|---|---|---|---|---|")
    for figure, unit, limit, goal, measured in result["figures"]:
        value = measured["max"] if unit == " MB" else measured["median"]
        verdict = "goal" if value <= goal else "limit" if value <= limit else "**missed**"
        print(f"| {figure} | {limit}{unit} | {goal}{unit} | {cell(measured, unit)} | {verdict} |")


def main():
    parser = argparse.ArgumentParser(description="Compares zoom-udm with other implementations of the mapping.")
    for flag in ("--bin", "--implementations", "--data", "--out"):
        parser.add_argument(flag, type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()

    candidates = implementations(args)
    # Measured first, because the peak memory of a child includes the memory of this process at the fork.
    figures = goal_figures(candidates, args)
    result = {
        "machine": machine(args),
        "throughput": throughput(candidates, args.data, args.repeat),
        "comparisons": compare_events(candidates, args.data),
        "figures": figures,
    }
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_tables(result)
    if any(corpus["different"] for entry in result["comparisons"].values() for corpus in entry.values()):
        sys.exit("some events differ; see the table")


if __name__ == "__main__":
    main()
