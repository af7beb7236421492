"""Contact sheets: queries and their hits as one HTML page without scripts and foreign hosts, for light and dark.

Right and wrong hits are marked by a sign and a word, not by color alone.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snapfind.core.errors import NotFound
from snapfind.core.query import Query
from snapfind.core.templates import render_template
from snapfind.core.types import Answer, Box, Hit
from snapfind.media.image.decode import Limits, load
from snapfind.media.image.thumbnail import thumbnail

if TYPE_CHECKING:
    from snapfind.catalog.catalog import Catalog

__all__ = ["SheetCard", "SheetRow", "render_sheet", "sheet_row"]


@dataclass(frozen=True, slots=True)
class SheetCard:
    """A hit on a contact sheet.

    Args:
        picture: Picture of the product as JPEG.
        title: Title of the product.
        price: Price, None if unknown.
        category: Category of the product.
        score: Score, 0..1.
        verdict: "match", "similar" or "none".
        right: Whether the hit is right, None if unknown.
        box: Box of the match in the picture.
    """

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
    """A query on a contact sheet with its hits.

    Args:
        picture: Query photo as JPEG, None for a text query.
        text: Query text.
        cards: The hits, best first.
        boxes: Boxes in the query photo.
        truth: Title of the right product, "" if unknown.
    """

    picture: bytes | None
    text: str
    cards: tuple[SheetCard, ...]
    boxes: tuple[Box, ...] = ()
    truth: str = ""


def sheet_row(catalog: "Catalog", query: Query, answer: Answer, right: frozenset[str] | None = None) -> SheetRow:
    """Return the row of a query.

    Args:
        catalog: Catalog with pictures and titles of the hits.
        query: The query.
        answer: Its hits.
        right: Ids of the right products, None if unknown.

    Returns:
        The row with all pictures.
    """
    photos = [term for term in query.terms if term.photo is not None]
    picture = thumbnail(load(photos[0].photo, Limits.of(catalog.settings))) if photos else None
    others = [term for term in query.terms if term is not photos[0]] if photos else query.terms
    text = " ".join(
        f"{'less like ' if term.weight < 0 else ''}{term.text or term.product or 'a photo'}" for term in others
    )
    cards = tuple(_card(catalog, hit, right) for hit in answer)
    boxes = tuple(term.box for term in photos[:1] if term.box)
    truth = ", ".join(_title(catalog, product) for product in sorted(right or ()))
    return SheetRow(picture, text, cards, boxes, truth)


def render_sheet(rows: Sequence[SheetRow], title: str) -> str:
    """Render a contact sheet.

    Args:
        rows: The queries.
        title: Title of the page.

    Returns:
        A complete HTML page. The pictures are embedded.
    """
    labeled = [row for row in rows if any(card.right is not None for card in row.cards)]
    first = sum(row.cards[0].right is True for row in labeled)
    return render_template(
        "snapfind.evaluation",
        "contact_sheet.html",
        rows=rows,
        title=title,
        labeled=len(labeled),
        first=first,
        encode=lambda jpeg: base64.b64encode(jpeg).decode(),
    )


def _card(catalog: "Catalog", hit: Hit, right: frozenset[str] | None) -> SheetCard:
    product = hit.product
    return SheetCard(
        catalog.picture(product.id, hit.picture.name),
        product.title or product.id,
        product.price,
        product.category,
        hit.score,
        hit.verdict,
        None if right is None else product.id in right,
        hit.box,
    )


def _title(catalog: "Catalog", product: str) -> str:
    try:
        return catalog.get(product).title or product
    except NotFound:
        return product
