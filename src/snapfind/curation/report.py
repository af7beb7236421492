"""The findings as one page to look at: no scripts, no foreign hosts, dark and light, wide and narrow.

Titles are the shop's and are escaped. Each card says how to apply its mend; nothing on the page does.
"""

import base64
from collections.abc import Callable, Collection
from html import escape

from snapfind.curation.findings import KINDS, Finding, Findings, FindingSample

__all__ = ["HEADS", "page"]

HEADS = {
    "same file": ("Same file", "The same bytes more than once."),
    "same picture": ("Same picture", "Re-encoded, made smaller or cut."),
    "same product": (
        "Perhaps the same product",
        "Two products that look alike: only you can tell whether they are one.",
    ),
    "wrong category": ("Wrong category", "Products that look like those of another category."),
    "wrong product": ("Wrong product", "Pictures that look like another product's."),
    "blurred": ("Blurred", "Out of focus, or moved."),
    "tiny": ("Tiny", "Small, or blown up from a small file."),
    "text": ("Written over", "Watermarks and advertising hide the product."),
    "collage": ("Collage", "Several pictures in one: a photo matches none of them well."),
    "outlier": ("Like nothing else", "Perhaps not the product."),
    "few": ("Small categories", "Too few products to learn from."),
}
_MOST = 60  # cards of a kind; the others are in --json
_PICTURES = 4  # of a card


def page(
    findings: Findings, picture: Callable[[FindingSample], bytes | None], applied: Collection[str], shop: str
) -> str:
    """A whole HTML page, UTF-8, with its pictures inside; `picture` gives a JPEG, or None where the copy is gone."""
    body = "\n".join(_section(kind, findings.of(kind), picture, applied) for kind in KINDS if findings.of(kind))
    counted = ", ".join(f"{len(findings.of(kind))} {HEADS[kind][0].lower()}" for kind in KINDS if findings.of(kind))
    looked = f"{findings.products:,} products, {findings.pictures:,} pictures, {findings.at}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>snapfind curate: {escape(shop)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header><h1>What was found in {escape(shop)}</h1><p>{looked}</p><p>{counted or "nothing that would need mending"}</p>
<p>Apply: <code>snapfind curate apply {escape(shop)} ID</code> (without an ID: what is safe). Take back:
<code>snapfind curate undo {escape(shop)} ID</code>. Leave out of later looks:
<code>snapfind curate dismiss {escape(shop)} ID</code>. Nothing is deleted.</p></header>
<main>
{body}
</main>
</body>
</html>
"""


def _section(
    kind: str,
    found: tuple[Finding, ...],
    picture: Callable[[FindingSample], bytes | None],
    applied: Collection[str],
) -> str:
    head, said = HEADS[kind]
    cards = "\n".join(_card(one, picture, one.id in applied) for one in found[:_MOST])
    more = f"<p>… and {len(found) - _MOST} more; see them with --json</p>" if len(found) > _MOST else ""
    return f"<section><h2>{head} <small>{len(found)}</small></h2><p>{said}</p><ul>{cards}</ul>{more}</section>"


def _card(one: Finding, picture: Callable[[FindingSample], bytes | None], done: bool) -> str:
    changed = set(one.change.pictures) if one.change else set()
    shown = "".join(_picture(each, picture(each), each.picture in changed) for each in one.shown[:_PICTURES])
    more = f"<p>and {len(one.shown) - _PICTURES} more</p>" if len(one.shown) > _PICTURES else ""
    if done:
        mend = f"<p class=done>✓ applied · <code>{one.id}</code></p>"
    elif one.change:
        mend = f"<p class=mend>{escape(one.change.said)}{' · safe' if one.safe else ''} · <code>{one.id}</code></p>"
    else:
        mend = ""
    return f"<li><div class=pictures>{shown}</div><h3>{escape(one.said)}</h3>{more}{mend}</li>"


def _picture(shown: FindingSample, jpeg: bytes | None, changes: bool) -> str:
    said = escape(f"{shown.product}: {shown.name}", quote=True)
    mark = "<figcaption>would be hidden</figcaption>" if changes else ""
    if jpeg is None:
        return f"<figure>{said}{mark}</figure>"
    content = base64.b64encode(jpeg).decode()
    kind = "changes" if changes else ""
    return f'<figure class="{kind}"><img alt="{said}" src="data:image/jpeg;base64,{content}">{mark}</figure>'


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5d6670; --line: #d9dee3; --paper: #fff; --card: #f6f7f8;
        --act: #0b62a8; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9ecef; --soft: #a2abb5; --line: #3a424a; --paper: #14171a; --card: #1d2125; --act: #7cc0ff;
          --warn: #ffc069; } }
* { box-sizing: border-box; margin: 0 }
body { background: var(--paper); color: var(--ink); max-width: 1280px; margin: auto; padding: 24px;
       font: 15px/1.45 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif }
h1 { font-size: 22px; font-weight: 650 }
h2 { font-size: 18px; font-weight: 650 } h2 small { color: var(--soft); font-weight: 400 }
h3 { font-size: 14px; font-weight: 600; overflow-wrap: anywhere }
header p, section > p, li > p { color: var(--soft) }
code { font-size: 13px; overflow-wrap: anywhere }
section { padding: 24px 0; border-top: 1px solid var(--line); margin-top: 16px }
ul { list-style: none; padding: 0; margin-top: 12px; display: grid; gap: 16px; align-items: start;
     grid-template-columns: repeat(auto-fill, minmax(min(280px, 100%), 1fr)) }
li { background: var(--card); border-radius: 10px; padding: 12px; display: grid; gap: 6px }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(80px, 1fr)); gap: 8px }
figure { font-size: 12px; color: var(--soft); overflow-wrap: anywhere }
figure img { width: 100%; aspect-ratio: 1; object-fit: contain; background: #fff; border-radius: 6px; display: block }
figure.changes img { outline: 3px dashed var(--warn); outline-offset: -3px }
figure.changes figcaption { color: var(--warn); font-weight: 600 }
.mend { font-size: 13px } li > .done { color: var(--act); font-weight: 600 }
@media (max-width: 640px) { body { padding: 14px } }
"""
