#!/usr/bin/env python3
"""Draws the throughput of zoom-udm and its peers as an SVG bar chart, from the figures that measure.py wrote.

    chart.py FIGURES.json OUT.svg
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


def chart(result):
    about = result["machine"]
    rows = sorted(result["throughput"].items(), key=lambda row: -row[1]["realistic"]["mb_per_s"]["median"])
    most = rows[0][1]["realistic"]["mb_per_s"]["median"]
    height = TOP + ROW * len(rows) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        "<title>Throughput of zoom-udm and its peers</title>",
        f"<style>{STYLE}</style>",
        '<rect class="back" width="100%" height="100%" rx="6"/>',
        '<text class="title" x="12" y="24">Zoom operation logs to UDM events, MB/s of input</text>',
        '<text class="quiet" x="12" y="43">one core where not said otherwise; whole process, file to /dev/null; '
        "grey only parses and maps nothing</text>",
    ]
    for index, (name, peer) in enumerate(rows):
        value = peer["realistic"]["mb_per_s"]["median"]
        y = TOP + ROW * index
        length = max(2, value / most * (WIDTH - LABELS - NUMBERS))
        kind = name.partition("-")[0] if name.startswith(("ours", "floor")) else "peer"
        title = escape(peer["title"].replace("`", ""))
        middle = y + BAR - 4
        parts += [
            f'<text class="label" x="{LABELS - 10}" y="{middle}">{title}</text>',
            f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{LABELS + length + 8:.1f}" y="{middle}">{rate(value)}</text>',
        ]
    foot = f"{about['cpu']}, {about['cores']} cores, {about['date']}; median of {about['repetitions']}"
    parts += [
        f'<line class="axis" x1="{LABELS}" y1="{TOP - 6}" x2="{LABELS}" y2="{TOP + ROW * len(rows) - 6}"/>',
        f'<text class="quiet" x="12" y="{height - 14}">{escape(foot)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main():
    figures, out = map(Path, sys.argv[1:])
    out.write_text(chart(json.loads(figures.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
