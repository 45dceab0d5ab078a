#!/usr/bin/env python3
"""Draws bars as SVG: the throughput of zoom-udm and its peers from the figures that measure.py wrote, or the stages of
benches/budget.tsv.

    chart.py FIGURES.json|BUDGET.tsv OUT.svg
"""

import json
import sys
from html import escape
from pathlib import Path

WIDTH, LABELS, NUMBERS, ROW, BAR, TOP, BOTTOM = 760, 270, 130, 30, 18, 62, 40

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.back { fill: #ffffff }
.title { font-weight: 600; font-size: 15px }
.quiet { fill: #59636e; font-size: 12px }
.ours { fill: #0969da }
.floor { fill: #8c959f }
.peer { fill: #bc4c00 }
.label { text-anchor: end }
.axis { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .back { fill: #0d1117 }
  .quiet { fill: #9198a1 }
  .ours { fill: #4493f8 }
  .peer { fill: #f0883e }
  .axis { stroke: #3d444d }
}
"""


def rate(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def bars(title, note, rows, foot):
    """An SVG of bars, one below the other; a row is its kind, its label, its value, and the value as text."""
    most = max(value for _, _, value, _ in rows)
    height = TOP + ROW * len(rows) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        '<rect class="back" width="100%" height="100%" rx="6"/>',
        f'<text class="title" x="12" y="24">{escape(title)}</text>',
        f'<text class="quiet" x="12" y="43">{escape(note)}</text>',
    ]
    for index, (kind, label, value, told) in enumerate(rows):
        y = TOP + ROW * index
        length = max(2, value / most * (WIDTH - LABELS - NUMBERS))
        middle = y + BAR - 4
        parts += [
            f'<text class="label" x="{LABELS - 10}" y="{middle}">{escape(label)}</text>',
            f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{LABELS + length + 8:.1f}" y="{middle}">{told}</text>',
        ]
    parts += [
        f'<line class="axis" x1="{LABELS}" y1="{TOP - 6}" x2="{LABELS}" y2="{TOP + ROW * len(rows) - 6}"/>',
        f'<text class="quiet" x="12" y="{height - 14}">{escape(foot)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def throughput(result):
    about, rows = result["machine"], []
    for name, peer in result["throughput"].items():
        value = peer["realistic"]["mb_per_s"]["median"]
        kind = name.partition("-")[0] if name.startswith(("ours", "floor")) else "peer"
        rows.append((kind, peer["title"].replace("`", ""), value, rate(value)))
    return bars(
        "Zoom operation logs to UDM events, MB/s of input",
        "one core where not said otherwise; whole process, file to /dev/null; grey only parses and maps nothing",
        sorted(rows, key=lambda row: -row[2]),
        f"{about['cpu']}, {about['cores']} cores, {about['date']}; median of {about['repetitions']}",
    )


def stages(budget):
    """Where the instructions of a record go. Each stage of the budget has the reading in it; what is left is mapping and writing."""
    stored = dict(line.split("\t") for line in budget.splitlines())
    took = {name: int(count) for name, count in stored.items()}
    whole, reading = took["whole run, realistic"], took["reading records"]
    parts = {"reading records": reading}
    for name in ("times", "operators", "details"):
        parts[name] = took[f"and {name}"] - reading
    parts["mapping, writing, the rest"] = whole - sum(parts.values())
    return bars(
        f"{whole:,} instructions from a record to its event",
        "realistic records of 260 bytes",
        [("ours", name, count, f"{count:,}, {count / whole:.0%}") for name, count in parts.items()],
        "from benches/budget.tsv, which benches/budget.rs measures and holds",
    )


def main():
    figures, out = map(Path, sys.argv[1:])
    text = figures.read_text(encoding="utf-8")
    out.write_text(stages(text) if figures.suffix == ".tsv" else throughput(json.loads(text)), encoding="utf-8")


if __name__ == "__main__":
    main()
