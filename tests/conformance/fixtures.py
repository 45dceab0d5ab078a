"""The cases in fixtures/: files, and members of archives in the txtar format, which holds the bytes of each member below a line
`-- NAME --`.
"""

import re
import shutil
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures"


def members(archive):
    """Yields the name and the bytes of each member. Text before the first is a comment."""
    parts = re.split(rb"^-- (.+) --\n", archive.read_bytes(), flags=re.MULTILINE)[1:]
    yield from zip((name.decode() for name in parts[::2]), parts[1::2])


def unpacked(directory):
    """Writes each case to a file below a directory, which is emptied first; returns the files, sorted."""
    shutil.rmtree(directory, ignore_errors=True)
    paths = []

    def write(path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths.append(path)

    for path in FIXTURES.rglob("*"):
        target = directory / path.relative_to(FIXTURES)
        if path.suffix in (".json", ".ndjson"):
            write(target, path.read_bytes())
        elif path.suffix == ".txtar":
            for name, content in members(path):
                write(target.with_suffix("") / name, content)
    return sorted(paths)
