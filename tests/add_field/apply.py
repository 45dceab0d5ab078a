#!/usr/bin/env python3
"""Applies the worked example of CONTRIBUTING.md to a copy of the sources, and prints the archive and the name of its case.

    apply.py DIRECTORY
"""

import re
import sys
from pathlib import Path


def insert(path, after, text):
    """Inserts a text after the first match of a pattern."""
    content = path.read_text(encoding="utf-8")
    end = re.search(after, content, re.DOTALL).end()
    path.write_text(content[:end] + text + content[end:], encoding="utf-8")


def main():
    root = Path(sys.argv[1])
    section = (root / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Add a mapped field")[1]
    blocks = re.findall(r"^   ```(\w+)\n(.*?)^   ```", section, re.DOTALL | re.MULTILINE)
    code = {language: "".join(line[3:] for line in text.splitlines(keepends=True)) for language, text in blocks}
    key = re.search(r"after the row of `([^`]+)`", section)[1]
    archive = re.search(r"`(fixtures/[^`]+\.txtar)`", section)[1]
    insert(root / "src/mapping/table.rs", rf'Key\("{key}"\).*?\n    \}},\n', code["rust"])
    with open(root / archive, "a", encoding="utf-8") as file:
        file.write(code["text"])
    insert(root / "CHANGELOG.md", r"### Added\n\n", code["markdown"])
    print(archive, re.match("-- (.+) --", code["text"])[1])


if __name__ == "__main__":
    main()
