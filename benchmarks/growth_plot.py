"""Draws docs/pictures/growth.svg from the rows of results/growth.jsonl; dark and light.

python -m venv /tmp/plot && /tmp/plot/bin/pip install 'matplotlib>=3.9'
/tmp/plot/bin/python benchmarks/growth_plot.py docs/pictures/growth.svg
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

ROWS = Path(__file__).parent / "results" / "growth.jsonl"
INK = "#010203"  # stands for the color of the text, which follows the reader's theme
BLUE, ORANGE, PURPLE, GREEN = (
    "#2f81d6",
    "#d9772a",
    "#a06ad6",
    "#2b9a66",
)  # told apart by the color-blind, on both grounds
STYLE = """<style>svg { color: #1c2024; background: #fff }
@media (prefers-color-scheme: dark) { svg { color: #e9ecef; background: #14171a } }</style>"""
TITLE = "Recall, time and room of the embedded index, {:,} to {:,} pictures of 256 numbers"

Row = dict[str, Any]
Line = tuple[str, str, str, Callable[[Row], float]]
RECALL: list[Line] = [
    ("no filter", BLUE, "o", lambda row: row["recall all"]),
    ("filter keeps 30 %", ORANGE, "s", lambda row: row["recall 30 %"]),
    ("10 %", PURPLE, "^", lambda row: row["recall 10 %"]),
    ("1 %", GREEN, "D", lambda row: row["recall 1 %"]),
]
TIMES: list[Line] = [
    ("median, no filter", BLUE, "o", lambda row: row["p50 all"]),
    ("99th percentile", ORANGE, "s", lambda row: row["p99 all"]),
    ("median, filter keeps 10 %", PURPLE, "^", lambda row: row["p50 10 %"]),
]
ROOM: list[Line] = [
    ("disk", BLUE, "o", lambda row: row["disk_mb"]),
    ("files it looks into", ORANGE, "s", lambda row: row["rssfile_mb"]),
    ("memory of its own", PURPLE, "^", lambda row: row["rssanon_mb"]),
]


def panel(axes: Any, title: str, lines: list[Line], rows: list[Row]) -> None:
    """One plot over the number of pictures."""
    points = [row["points"] for row in rows]
    for name, color, sign, value in lines:
        axes.plot(points, [value(row) for row in rows], color=color, marker=sign, label=name, lw=2, ms=6)
    axes.set_xscale("log")
    axes.set_title(title, loc="left", fontsize=12, color=INK, pad=10)
    axes.xaxis.set_major_locator(FixedLocator([1e4, 1e5, 1e6]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlim(0.7 * points[0], 1.5 * points[-1])
    axes.grid(axis="y", color=INK, alpha=0.15)
    axes.tick_params(colors=INK, length=0, labelsize=10)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(INK)
    axes.legend(frameon=False, fontsize=10, labelcolor=INK, loc="upper left", handlelength=1.6)


def main() -> None:
    """Write the picture."""
    read = [json.loads(line) for line in ROWS.read_text().splitlines()]
    rows = sorted((row for row in read if row["dim"] == 256), key=lambda row: row["points"])
    plt.rcParams |= {"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "growth"}
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.9), layout="constrained")
    panel(left, "recall@10", RECALL, rows)
    left.set_ylim(0.975, 1.0012)
    left.axhline(0.98, color=INK, ls=(0, (4, 4)), lw=1, alpha=0.6)
    left.text(7.4e3, 0.9802, "goal .98", fontsize=10, color=INK, va="bottom")
    left.legend(
        frameon=False, fontsize=10, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 0.22), handlelength=1.6
    )
    panel(middle, "ms a search, one core", TIMES, rows)
    middle.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    middle.set_ylim(0, 1.25 * max(row["p99 all"] for row in rows))
    panel(right, "MB", ROOM, rows)
    right.set_yscale("log")
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    right.yaxis.set_major_locator(FixedLocator([30, 100, 300, 1000, 3000]))
    right.yaxis.set_minor_locator(NullLocator())
    right.legend(frameon=False, fontsize=10, labelcolor=INK, loc="lower right", handlelength=1.6)
    figure.supxlabel("pictures", fontsize=10, color=INK)
    target = Path(sys.argv[1])
    figure.savefig(
        target,
        transparent=True,
        bbox_inches="tight",
        pad_inches=0.2,
        metadata={"Date": None, "Title": TITLE.format(rows[0]["points"], rows[-1]["points"])},
    )
    drawn = target.read_text().replace(INK, "currentColor")
    head, opened, rest = drawn.partition("<defs>")
    target.write_text("\n".join(line.rstrip() for line in f"{head}{STYLE}\n{opened}{rest}".splitlines()) + "\n")


if __name__ == "__main__":
    main()
