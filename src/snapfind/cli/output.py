"""What the verbs print: tables and progress for people, JSON for programs. Progress and errors go to stderr."""

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

__all__ = ["answer_json", "explained", "fail", "hits_table", "hushed", "one_line", "out", "print_json", "progress_bar"]

_SECONDS = 10.0  # between two lines of progress in a log
_WIDE = 10_000  # columns of a file or a pipe: a row is a line there, whatever its length
# controls of the terminal, and marks that turn the order of characters: titles come from strangers
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_UNSAFE_IN_JSON = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # JSON escapes the others itself


class _Safe(Console):
    """A console that shows control characters of what it prints as a replacement character."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of what is printed; those that rich itself makes to control the terminal are kept."""
        for segment in super().render(renderable, options):
            if segment.control or not _UNSAFE.search(segment.text):
                yield segment
            else:
                yield Segment(_UNSAFE.sub("\N{REPLACEMENT CHARACTER}", segment.text), segment.style)


out = _Safe(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)
err = _Safe(stderr=True, highlight=False, soft_wrap=True)


def one_line(text: str) -> str:
    """A text without line breaks: it cannot look like a line of its own."""
    return " ".join(text.split())


def fail(sentence: str) -> None:
    """One sentence on stderr."""
    err.print(Text("error: ", style="bold red") + Text(sentence))


@contextmanager
def hushed() -> Iterator[None]:
    """Nothing is printed by the block: one of several ranks speaks for all."""
    out.quiet = err.quiet = True
    try:
        yield
    finally:
        out.quiet = err.quiet = False


def print_json(value: Any) -> None:
    """One JSON document on stdout, in letters that it takes; control characters are escaped."""
    narrow = sys.stdout.encoding.lower().replace("-", "") != "utf8"
    text = json.dumps(value, ensure_ascii=narrow, indent=2)
    sys.stdout.write(_UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


class _Rate(ProgressColumn):
    """Pictures per second."""

    def render(self, task: Task) -> Text:
        """The rate over the last half minute."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr with count, rate and remaining time; a line every 10 seconds where stderr is not a terminal."""
    if not err.is_terminal:
        yield _lines(label)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(label, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        yield advance


def _lines(label: str) -> Callable[[int, int], None]:
    """Progress for a log: the count, the total where it is known, and the mean rate."""
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
    """Hits as a table, a line each: in a terminal long titles and categories are cut, elsewhere nothing is."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("score", "verdict", "id", "title", "price", "category"):
        justify: Literal["left", "right"] = "right" if name in {"score", "price"} else "left"
        table.add_column(name, justify=justify, no_wrap=name not in {"title", "category"})
    for hit in answer:
        product = hit.product
        long = (Text(one_line(text), no_wrap=True, overflow="ellipsis") for text in (product.title, product.category))
        table.add_row(
            f"{hit.score:.0%}", hit.verdict, Text(one_line(product.id)), next(long), _price(product.price), next(long)
        )
    return table


def _price(price: float | None) -> str:
    """Whole where it is, else with two decimals or as many as it has."""
    if price is None:
        return ""
    return f"{price:,.0f}" if price.is_integer() else max(f"{price:,.2f}", f"{price:,}", key=len)


def explained(answer: Answer) -> Table:
    """Which picture of each hit, what each signal gave, and what was searched and guessed, for the terminal."""
    said = [f"box {', '.join(f'{side:.2f}' for side in answer.box.as_tuple())}" if answer.box else "the whole query"]
    said += [f"{guess.category} {guess.probability:.0%}" for guess in answer.categories[:3]]
    table = Table(
        box=None, pad_edge=False, header_style="bold", caption=Text(one_line(" · ".join(said))), caption_justify="left"
    )
    signals = list(dict.fromkeys(signal for hit in answer for signal in hit.parts))
    for name in ("id", "picture", *signals):
        table.add_column(name, justify="left" if name in {"id", "picture"} else "right")
    for hit in answer:
        parts = (f"{hit.parts[signal]:.3f}" if signal in hit.parts else "" for signal in signals)
        table.add_row(*(Text(one_line(cell)) for cell in (hit.product.id, hit.picture.name, *parts)))
    return table


def answer_json(answer: Answer) -> dict[str, Any]:
    """An answer in the stable shape of docs/reference/json.md."""
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
