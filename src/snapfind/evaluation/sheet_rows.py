"""A query and the answer of a catalog as a row of a contact sheet."""

from typing import TYPE_CHECKING

from snapfind.core.errors import NotFound
from snapfind.core.query import Query
from snapfind.core.types import Answer, Hit
from snapfind.evaluation.contact_sheet import SheetCard, SheetRow
from snapfind.media.image.decode import Limits, load
from snapfind.media.image.thumbnail import thumbnail

if TYPE_CHECKING:
    from snapfind.catalog.catalog import Catalog

__all__ = ["sheet_row"]


def sheet_row(catalog: "Catalog", query: Query, answer: Answer, right: frozenset[str] | None = None) -> SheetRow:
    """The row of one query; `right` are the products that answer it, where that is known."""
    photos = [like for like in query.likes if like.photo is not None]
    picture = thumbnail(load(photos[0].photo, Limits.of(catalog.settings))) if photos else None
    others = [like for like in query.likes if like is not photos[0]] if photos else query.likes
    text = " ".join(
        f"{'less like ' if like.weight < 0 else ''}{like.text or like.product or 'a photo'}" for like in others
    )
    cards = tuple(_card(catalog, hit, right) for hit in answer)
    boxes = tuple(like.box for like in photos[:1] if like.box)
    truth = ", ".join(_title(catalog, product) for product in sorted(right or ()))
    return SheetRow(picture, text, cards, boxes, truth)


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
