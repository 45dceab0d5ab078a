#!/usr/bin/env python3
"""Renders an SVG bar chart: the throughput from the figures of measure.py, or the instructions per stage from
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
.background { fill: #ffffff }
.title { font-weight: 600; font-size: 15px }
.muted { fill: #59636e; font-size: 12px }
.ours { fill: #0969da }
.bound { fill: #8c959f }
.other { fill: #bc4c00 }
.label { text-anchor: end }
.axis { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .background { fill: #0d1117 }
  .muted { fill: #9198a1 }
  .ours { fill: #4493f8 }
  .other { fill: #f0883e }
  .axis { stroke: #3d444d }
}
"""


def rate(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def bar_chart(title, subtitle, rows, footer):
    """Returns an SVG with a bar per row; a row is (CSS class, label, value, value as text)."""
    top = max(value for _, _, value, _ in rows)
    height = TOP + ROW * len(rows) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        '<rect class="background" width="100%" height="100%" rx="6"/>',
        f'<text class="title" x="12" y="24">{escape(title)}</text>',
        f'<text class="muted" x="12" y="43">{escape(subtitle)}</text>',
    ]
    for index, (style, label, value, value_text) in enumerate(rows):
        y = TOP + ROW * index
        length = max(2, value / top * (WIDTH - LABELS - NUMBERS))
        baseline = y + BAR - 4
        parts += [
            f'<text class="label" x="{LABELS - 10}" y="{baseline}">{escape(label)}</text>',
            f'<rect class="{style}" x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{LABELS + length + 8:.1f}" y="{baseline}">{value_text}</text>',
        ]
    parts += [
        f'<line class="axis" x1="{LABELS}" y1="{TOP - 6}" x2="{LABELS}" y2="{TOP + ROW * len(rows) - 6}"/>',
        f'<text class="muted" x="12" y="{height - 14}">{escape(footer)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def throughput(result):
    machine, rows = result["machine"], []
    for name, figures in result["throughput"].items():
        value = figures["realistic"]["mb_per_s"]["median"]
        style = "ours" if name.startswith("ours") else "bound" if name.startswith("parse-only") else "other"
        rows.append((style, figures["title"].replace("`", ""), value, rate(value)))
    return bar_chart(
        "Zoom operation logs to UDM events, MB/s of input",
        "one core unless stated otherwise; whole process, file to /dev/null; gray: parsing only, without mapping",
        sorted(rows, key=lambda row: -row[2]),
        f"{machine['cpu']}, {machine['cores']} cores, {machine['date']}; median of {machine['repetitions']}",
    )


def stages(budget):
    """Charts the instructions per record by stage.

    The budget of each stage includes reading records, which is subtracted. The remainder is mapping and writing.
    """
    stored = dict(line.split("\t") for line in budget.splitlines())
    instructions = {name: int(count) for name, count in stored.items()}
    total, reading = instructions["whole run, realistic"], instructions["reading records"]
    parts = {"reading records": reading}
    for name in ("times", "operators", "details"):
        parts[name] = instructions[f"and {name}"] - reading
    parts["mapping, writing, other"] = total - sum(parts.values())
    return bar_chart(
        f"{total:,} instructions per record",
        "realistic records, 260 bytes on average",
        [("ours", name, count, f"{count:,}, {count / total:.0%}") for name, count in parts.items()],
        "source: benches/budget.tsv, measured by benches/budget",
    )


def main():
    figures, out = map(Path, sys.argv[1:])
    text = figures.read_text(encoding="utf-8")
    out.write_text(stages(text) if figures.suffix == ".tsv" else throughput(json.loads(text)), encoding="utf-8")


if __name__ == "__main__":
    main()
