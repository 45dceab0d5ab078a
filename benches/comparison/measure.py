#!/usr/bin/env python3
"""Times zoom-udm and its peers, checks that their events are the same, prints the tables. Run by `run`.

    measure.py --bin DIR --peers DIR --data DIR --out FIGURES.json [--repeat N]

Every figure is of a whole process that reads a file and writes to /dev/null. What is compared is run in turn, A B C
A B C ..., so that a noisy machine is noisy for all; a ratio is the median of the ratios within each turn. Figures
also go to FIGURES.json, for chart.py. Standard library only.
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
    "value": "reads one JSON value a line, no gzip; numbers where text belongs lose their spelling.",
    "vrl": "finds the JSON in a detail only if the leftmost that looks like one is one; numbers lose their spelling; "
    "no arrays or API pages on a line.",
    "python": "complete.",
    "jq": "stops at a line that is no JSON; numbers lose their spelling; compares letters without regard to case in "
    "ASCII only.",
}


class Peer:
    """One way to run the mapping: its command for a file, the records that it is given, the cores it may use."""

    def __init__(self, name, title, command, sizes, cores=ONE_CORE):
        self.name, self.title, self.command, self.sizes, self.cores = name, title, command, sizes, cores


def peers_of(args):
    ours = str(args.bin / "zoom-udm")

    def normalize(threads):
        return lambda file: [ours, "normalize", "--summary", "none", "--threads", str(threads), file]

    def built(name, *before):
        return lambda file: [str(args.peers / name), *before, file]

    jq = ["jq", "-n", "-c", "--rawfile", "types", str(ROOT / "src/udm/event_types.tsv"), "-f", str(HERE / "mapping.jq")]
    reading = [sys.executable, str(ROOT / "tests/conformance/reference_impl.py")]
    return [
        Peer("ours-2", "zoom-udm, 2 threads", normalize(2), "big", ALL_CORES),
        Peer("ours", "zoom-udm, 1 thread", normalize(1), "big"),
        Peer("floor", "only parsing: `serde_json::from_slice`", built("parse_only"), "big"),
        Peer("floor-str", "only parsing: `serde_json::from_str`", built("parse_only", "--str"), "big"),
        Peer("value", "Rust, `serde_json::Value` and `regex`", built("serde_value"), "middle"),
        Peer("vrl", "VRL, crate `vrl`", built("vrl", str(HERE / "mapping.vrl")), "small"),
        Peer("python", "Python, the second reading", lambda file: [*reading, file], "small"),
        Peer("jq", "jq", lambda file: [*jq, file], "least"),
    ]


# ---------------------------------------------------------------------------------------------------
# One process.


def run(command, cores, want_first=False):
    """Wall seconds (until the first byte where that is wanted, otherwise until the end) and peak memory in bytes.

    Forked by hand for the sake of os.wait4, whose figures are of this one child.
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


def in_turn(runs, repeat):
    """Runs of (key, command, cores), each `repeat` times in turn, after one for the caches: key -> [seconds]."""
    seconds = {key: [] for key, _, _ in runs}
    for turn in range(repeat + 1):
        for key, command, cores in runs:
            taken, _ = run(command, cores)
            if turn > 0:
                seconds[key].append(taken)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return seconds


def spread(values):
    return {"median": median(values), "min": min(values), "max": max(values)}


# ---------------------------------------------------------------------------------------------------
# Are the events the same?


def events(command, file):
    with open(file, "wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, check=False)
    if done.returncode not in (0, 1):  # 1: some were rejected
        sys.exit(f"failed: {' '.join(command)}")


def compare(ours, theirs):
    """How many events there are of ours, and how many of theirs differ: as JSON, so whatever the order of members."""
    count = different = 0
    with open(ours, "rb") as one, open(theirs, "rb") as other:
        for line, twin in zip_longest(one, other):
            count += line is not None
            if line is None or twin is None or json.loads(line) != json.loads(twin):
                different += 1
    return {"events": count, "different": different}


def check(peers, data):
    by_name = {peer.name: peer for peer in peers}
    mapping = [peer for peer in peers if peer.name not in ("ours", "floor", "floor-str")]
    same = {}
    for corpus, whose in ("common", mapping), ("hostile", [by_name["python"]]):
        file, ours = str(data / f"{corpus}.ndjson"), data / f"{corpus}.ours"
        events(by_name["ours"].command(file), ours)
        for peer in whose:
            theirs = data / f"{corpus}.{peer.name}"
            events(peer.command(file), theirs)
            same.setdefault(peer.name, {})[corpus] = compare(ours, theirs)
    return same


# ---------------------------------------------------------------------------------------------------
# The figures.


def throughput(peers, data, repeat):
    """For each corpus: every peer's MB/s and records/s, and how many times as fast ours is on one core."""
    figures = {peer.name: {"title": peer.title} for peer in peers}
    for kind in ("realistic", "plain", "escaped"):
        files = {peer.name: data / f"{kind}-{peer.sizes}.ndjson" for peer in peers}
        runs = [(peer.name, peer.command(str(files[peer.name])), peer.cores) for peer in peers]
        seconds = in_turn(runs, repeat)
        rates = {}
        for name, file in files.items():
            size, lines = file.stat().st_size, count_lines(file)
            rates[name] = [size / taken for taken in seconds[name]]
            figures[name][kind] = {
                "mb_per_s": spread([rate / 1e6 for rate in rates[name]]),
                "records_per_s": median(lines / taken for taken in seconds[name]),
                "records": lines,
            }
        for name in files:
            ratio = spread([ours / theirs for ours, theirs in zip(rates["ours"], rates[name])])
            figures[name][kind]["ours_times_as_fast"] = ratio
    return figures


def count_lines(file):
    with open(file, "rb") as lines:
        return sum(block.count(b"\n") for block in iter(lambda: lines.read(1 << 18), b""))


def ratio(over, under, repeat):
    seconds = in_turn([("over", *over), ("under", *under)], repeat)
    return spread([one / other for one, other in zip(seconds["over"], seconds["under"])])


def figures_of_the_goal(peers, args):
    """What the goals of the project are about: (figure, unit, must, goal, measured)."""
    by_name = {peer.name: peer for peer in peers}
    one, two, floor = by_name["ours"].command, by_name["ours-2"].command, by_name["floor"].command
    text = {kind: str(args.data / f"{kind}-big.ndjson") for kind in ("realistic", "escaped")}
    gzip = str(args.data / "realistic-big.ndjson.gz")
    first = [run(one(str(args.data / "one.ndjson")), ALL_CORES, want_first=True)[0] * 1e3 for _ in range(STARTS)]
    peak = [run(two(file), ALL_CORES)[1] / 1e6 for file in (text["realistic"], gzip) for _ in range(args.repeat)]
    least = run(["true"], ALL_CORES)[1] / 1e6

    def on_floor(file):
        return ratio((one(file), ONE_CORE), (floor(file), ONE_CORE), args.repeat)

    threads = ratio((two(text["realistic"]), ALL_CORES), (one(text["realistic"]), ONE_CORE), args.repeat)
    unzipped, on_vectors = (
        ratio((two(gzip), ALL_CORES), ([str(args.peers / name), gzip], ALL_CORES), args.repeat)
        for name in ("gunzip", "gunzip-vectors")
    )
    return [
        ("normalize ÷ parse alone, realistic", "", 1.0, 0.5, on_floor(text["realistic"])),
        ("normalize ÷ parse alone, every line escaped", "", 1.5, 1.0, on_floor(text["escaped"])),
        ("2 threads ÷ 1 thread, wall time", "", 0.58, 0.52, threads),
        (f"peak memory, 2 threads (the timer itself shows as {least:.0f} MB)", " MB", 64, 32, spread(peak)),
        ("`.json.gz` ÷ gunzip alone (zlib-rs as flate2 has it), 2 threads", "", 1.3, 1.05, unzipped),
        ("the same, ÷ gunzip with the vector instructions that ours has", "", 1.3, 1.05, on_vectors),
        ("start to first event, one record", " ms", 10, 3, spread(first)),
    ]


# ---------------------------------------------------------------------------------------------------
# What is printed.


def said(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[0]


def machine(args):
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    locks = (HERE / place / "Cargo.lock" for place in ("gunzip", "."))
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
            said([str(args.bin / "zoom-udm"), "--version"]),
            said(["rustc", "--version"]).split(" (")[0],
            *(f"{name} {crates[name]}" for name in ("serde_json", "regex", "vrl", "flate2", "zlib-rs")),
            said([sys.executable, "--version"]),
            said(["jq", "--version"]),
        ],
        "repetitions": args.repeat,
    }


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(figure, unit=""):
    return f"{number(figure['median'])}{unit} ({number(figure['min'])}–{number(figure['max'])})"


def equal(same):
    if same is None:
        return "–"
    texts = []
    for corpus, result in same.items():
        count, different = result["events"], result["different"]
        verdict = f"all {count:,}" if different == 0 else f"{different:,} of {count:,} differ"
        texts.append(verdict if corpus == "common" else f"{corpus}: {verdict}")
    return "; ".join(texts)


def print_tables(result):
    about = result["machine"]
    print(f"{about['cpu']}, {about['cores']} cores, {about['system']}, {about['date']}. {', '.join(about['versions'])}.")
    print(f"Median of {about['repetitions']} (least–most), whole process, one core but where 2 threads are named.\n")
    print("| | realistic, MB/s | records/s | ours ÷ this | plain, MB/s | every line escaped, MB/s | events equal ours |")
    print("|---|---|---|---|---|---|---|")
    for name, peer in result["throughput"].items():
        realistic = peer["realistic"]
        cells = [
            peer["title"],
            cell(realistic["mb_per_s"]),
            f"{realistic['records_per_s']:,.0f}",
            number(realistic["ours_times_as_fast"]["median"]),
            cell(peer["plain"]["mb_per_s"]),
            cell(peer["escaped"]["mb_per_s"]),
            equal(result["same"].get(name)),
        ]
        print(f"| {' | '.join(cells)} |")
    print()
    for name, note in NOTES.items():
        print(f"- {result['throughput'][name]['title']}: {note}")
    print("\n| figure | must | goal | measured (least–most) | |")
    print("|---|---|---|---|---|")
    for figure, unit, must, goal, measured in result["figures"]:
        value = measured["max"] if unit == " MB" else measured["median"]
        verdict = "goal" if value <= goal else "must" if value <= must else "**missed**"
        print(f"| {figure} | {must}{unit} | {goal}{unit} | {cell(measured, unit)} | {verdict} |")


def main():
    parser = argparse.ArgumentParser(description="Times zoom-udm and its peers.")
    for flag in ("--bin", "--peers", "--data", "--out"):
        parser.add_argument(flag, type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()

    peers = peers_of(args)
    # The figures first: a child's peak memory begins with what this process holds when it forks.
    figures = figures_of_the_goal(peers, args)
    result = {
        "machine": machine(args),
        "throughput": throughput(peers, args.data, args.repeat),
        "same": check(peers, args.data),
        "figures": figures,
    }
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_tables(result)
    if any(corpus["different"] for peer in result["same"].values() for corpus in peer.values()):
        sys.exit("some events differ: see the table")


if __name__ == "__main__":
    main()
