"""Output of the commands: tables and JSON on stdout, progress and errors on stderr."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from snapfind.core.types import Answer, Hit, Region

__all__ = [
    "answer_json",
    "explanation_table",
    "fail",
    "hits_table",
    "one_line",
    "out",
    "print_json",
    "progress_bar",
    "silence",
]

_SECONDS = 10.0  # between two progress lines in a log
_WIDE = 10_000  # columns for a file or a pipe, so that no row is wrapped
# terminal control characters and bidirectional marks: titles are untrusted input
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_UNSAFE_IN_JSON = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # JSON escapes the others itself


class _Safe(Console):
    """Console that prints U+FFFD in place of control characters."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Replace control characters in text segments. Control segments of rich itself stay unchanged."""
        for segment in super().render(renderable, options):
            if segment.control or not _UNSAFE.search(segment.text):
                yield segment
            else:
                yield Segment(_UNSAFE.sub("\N{REPLACEMENT CHARACTER}", segment.text), segment.style)


out = _Safe(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)
err = _Safe(stderr=True, highlight=False, soft_wrap=True)


def one_line(text: str) -> str:
    """Replace line breaks and runs of whitespace by single spaces, so that the text prints as one line."""
    return " ".join(text.split())


def fail(message: str) -> None:
    """Print an error message to stderr."""
    err.print(Text("error: ", style="bold red") + Text(message))


@contextmanager
def silence() -> Iterator[None]:
    """Suppress console output within the block. Used on all ranks but the first."""
    out.quiet = err.quiet = True
    try:
        yield
    finally:
        out.quiet = err.quiet = False


def print_json(value: Any) -> None:
    """Print a value as JSON to stdout. Non-ASCII characters are escaped if the encoding of stdout is not UTF-8."""
    ascii_only = sys.stdout.encoding.lower().replace("-", "") != "utf8"
    text = json.dumps(value, ensure_ascii=ascii_only, indent=2)
    sys.stdout.write(_UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")


class _Rate(ProgressColumn):
    """Pictures per second."""

    def render(self, task: Task) -> Text:
        """Format the current rate."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress on stderr: a bar in a terminal, else a line every 10 seconds.

    Args:
        label: Text in front of the bar.

    Yields:
        Callback that takes (done, total). A total of 0 means unknown.
    """
    if not err.is_terminal:
        yield _log_progress(label)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(label, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        yield advance


def _log_progress(label: str) -> Callable[[int, int], None]:
    """Return a callback that prints count, total if known, and mean rate, at most every 10 seconds."""
    begin = last = time.monotonic()

    def advance(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS:
            last = now
            counted = f"{done:,} of {total:,}" if total else f"{done:,}"
            err.print(Text(f"{label}: {counted}, {done / (now - begin):,.0f}/s"))

    return advance


def hits_table(answer: Answer) -> Table:
    """Build a table with one row per hit. In a terminal, long titles and categories are cut."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("score", "verdict", "id", "title", "price", "category"):
        justify: Literal["left", "right"] = "right" if name in {"score", "price"} else "left"
        table.add_column(name, justify=justify, no_wrap=name not in {"title", "category"})
    for hit in answer:
        product = hit.product
        cells = (Text(one_line(text), no_wrap=True, overflow="ellipsis") for text in (product.title, product.category))
        table.add_row(
            f"{hit.score:.0%}",
            hit.verdict,
            Text(one_line(product.id)),
            next(cells),
            _format_price(product.price),
            next(cells),
        )
    return table


def _format_price(price: float | None) -> str:
    """Format a price: without decimals if it is an integer, else with at least two."""
    if price is None:
        return ""
    return f"{price:,.0f}" if price.is_integer() else max(f"{price:,.2f}", f"{price:,}", key=len)


def explanation_table(answer: Answer) -> Table:
    """Build a table of the matched picture and the score of each signal for every hit.

    The caption names the searched box and the predicted categories.
    """
    caption = [f"box {', '.join(f'{side:.2f}' for side in answer.box.as_tuple())}" if answer.box else "the whole query"]
    caption += [f"{guess.category} {guess.probability:.0%}" for guess in answer.categories[:3]]
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        caption=Text(one_line(" · ".join(caption))),
        caption_justify="left",
    )
    signals = list(dict.fromkeys(signal for hit in answer for signal in hit.parts))
    for name in ("id", "picture", *signals):
        table.add_column(name, justify="left" if name in {"id", "picture"} else "right")
    for hit in answer:
        parts = (f"{hit.parts[signal]:.3f}" if signal in hit.parts else "" for signal in signals)
        table.add_row(*(Text(one_line(cell)) for cell in (hit.product.id, hit.picture.name, *parts)))
    return table


def answer_json(answer: Answer) -> dict[str, Any]:
    """Convert an answer to the JSON format of docs/reference/json.md."""
    timings = {step: round(milliseconds, 2) for step, milliseconds in answer.timings.items()}
    return {
        "verdict": answer.verdict,
        "hits": [_hit(hit) for hit in answer],
        "box": answer.box.as_tuple() if answer.box else None,
        "regions": [_region(region) for region in answer.regions],
        "categories": [
            {"category": guess.category, "probability": round(guess.probability, 4)} for guess in answer.categories
        ],
        "groups": [
            {"region": _region(group.region), "hits": [_hit(hit) for hit in group.hits]} for group in answer.groups
        ],
        "timings": timings,
    }


def _region(region: Region) -> dict[str, Any]:
    return {"box": region.box.as_tuple(), "score": round(region.score, 4)}


def _hit(hit: Hit) -> dict[str, Any]:
    product, picture = hit.product, hit.picture
    return {
        "id": product.id,
        "title": product.title,
        "price": product.price,
        "brand": product.brand,
        "category": product.category,
        "description": product.description,
        "attributes": {name: _plain(value) for name, value in product.attributes.items()},
        "picture": {"name": picture.name, "width": picture.width, "height": picture.height},
        "box": hit.box.as_tuple() if hit.box else None,
        "score": round(hit.score, 4),
        "verdict": hit.verdict,
        "parts": {signal: round(value, 4) for signal, value in hit.parts.items()},
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
