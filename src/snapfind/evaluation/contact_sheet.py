"""Queries and their hits as one page to look at: no scripts, no foreign hosts, dark and light, wide and narrow.

Right and wrong are told by a sign and a word, not by color alone; titles are the shop's and are escaped.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from snapfind.core.types import Box

__all__ = ["SheetCard", "SheetRow", "sheet"]


@dataclass(frozen=True, slots=True)
class SheetCard:
    """One hit: its picture (JPEG), what the shop says of it, the score, and whether it is right (None: not known)."""

    picture: bytes
    title: str
    price: float | None = None
    category: str = ""
    score: float = 0.0
    verdict: str = ""
    right: bool | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One query: a photo (JPEG) with boxes, or a text; its hits, best first; and what was right, where it is known."""

    picture: bytes | None
    text: str
    cards: tuple[SheetCard, ...]
    boxes: tuple[Box, ...] = ()
    truth: str = ""


def sheet(rows: Sequence[SheetRow], title: str) -> str:
    """A whole HTML page, UTF-8, with its pictures inside."""
    body = "\n".join(_row(row) for row in rows)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header><h1>{escape(title)}</h1><p>{_counted(rows)}</p></header>
<main>
{body}
</main>
</body>
</html>
"""


def _counted(rows: Sequence[SheetRow]) -> str:
    known = [row for row in rows if any(card.right is not None for card in row.cards)]
    if not known:
        return f"{len(rows)} queries"
    first = sum(row.cards[0].right is True for row in known)
    return f"{len(rows)} queries; the right product is first for {first} of the {len(known)} whose answer is known"


def _row(row: SheetRow) -> str:
    if row.picture is not None:
        query = f'<div class="frame">{_picture(row.picture, "photo of the query")}{_boxes(row.boxes)}</div>'
    else:
        query = f"<blockquote>{escape(row.text)}</blockquote>"
    said = f"<p>{escape(row.text)}</p>" if row.picture is not None and row.text else ""
    truth = f"<p>shows <b>{escape(row.truth)}</b></p>" if row.truth else ""
    cards = "\n".join(_card(card, place) for place, card in enumerate(row.cards, 1))
    hits = f'<ol class="hits">{cards}</ol>' if row.cards else '<p class="nothing">nothing found</p>'
    return f'<section><div class="query"><h2>query</h2>{query}{said}{truth}</div>{hits}</section>'


def _card(card: SheetCard, place: int) -> str:
    mark, kind = {True: ("✓ right", "right"), False: ("✗ another", "wrong"), None: ("", "")}[card.right]
    price = "" if card.price is None else f"{card.price:,.2f}"
    details = " · ".join(part for part in (price, card.category) if part)
    return (
        f'<li class="card {kind}"><div class="frame">{_picture(card.picture, card.title or "product")}'
        f"{_boxes((card.box,) if card.box else ())}</div>"
        f'<h3>{place}. {escape(card.title) or "no title"}</h3><p class="details">{escape(details)}</p>'
        f'<p class="score"><meter min="0" max="1" value="{card.score:.3f}">{card.score:.0%}</meter>'
        f"<span>{card.score:.0%} {escape(card.verdict)}</span></p>"
        f"{f'<p class=mark>{mark}</p>' if mark else ''}</li>"
    )


def _picture(jpeg: bytes, said: str) -> str:
    content = base64.b64encode(jpeg).decode()
    return f'<img alt="{escape(said, quote=True)}" src="data:image/jpeg;base64,{content}">'


def _boxes(boxes: Sequence[Box]) -> str:
    return "".join(
        f'<i class="box" style="left:{box.x0:.2%};top:{box.y0:.2%};'
        f'width:{box.x1 - box.x0:.2%};height:{box.y1 - box.y0:.2%}"></i>'
        for box in boxes
    )


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5d6670; --line: #d9dee3; --paper: #fff; --card: #f6f7f8;
        --right: #0b62a8; --wrong: #8a5a00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9ecef; --soft: #a2abb5; --line: #3a424a; --paper: #14171a; --card: #1d2125; --right: #7cc0ff;
          --wrong: #ffc069; } }
* { box-sizing: border-box; margin: 0 }
body { background: var(--paper); color: var(--ink);
       font: 15px/1.45 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif;
       max-width: 1280px; margin: auto; padding: 24px }
header { margin-bottom: 16px }
h1 { font-size: 22px; font-weight: 650 }
header p, .details, .query p, .nothing { color: var(--soft) }
section { display: grid; grid-template-columns: 200px 1fr; gap: 28px; padding: 24px 0;
          border-top: 1px solid var(--line) }
h2 { font-size: 12px; font-weight: 600; letter-spacing: .06em; color: var(--soft); margin-bottom: 6px }
h3 { font-size: 14px; font-weight: 600; margin-top: 8px; overflow-wrap: anywhere }
blockquote { font-size: 18px; line-height: 1.35; padding: 12px 0 }
.query p { margin-top: 8px; overflow-wrap: anywhere }
.frame { position: relative; line-height: 0 }
.frame img { width: 100%; border-radius: 6px }
.box { position: absolute; border: 3px solid #ffb000; outline: 1px solid #000; border-radius: 2px }
.hits { list-style: none; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr));
        gap: 16px; align-items: start }
.card { background: var(--card); border: 2px solid transparent; border-radius: 10px; padding: 10px }
.card .frame img { aspect-ratio: 1; object-fit: contain; background: #fff }
.card .frame:has(.box) img { aspect-ratio: auto }
.card.right { border-color: var(--right) }
.details { font-size: 13px }
.score { display: flex; align-items: center; gap: 8px; font-size: 13px; margin-top: 6px; white-space: nowrap }
meter { width: 46px; height: 10px; flex: none }
.mark { font-size: 13px; font-weight: 650; margin-top: 2px }
.right .mark { color: var(--right) } .wrong .mark { color: var(--wrong) }
@media (max-width: 640px) {
  body { padding: 14px } section { grid-template-columns: 1fr; gap: 14px }
  .query { max-width: 220px } .hits { grid-template-columns: repeat(2, 1fr); gap: 10px } }
"""
