"""Contact sheets on disk."""

from dataclasses import replace
from pathlib import Path
from typing import cast

from PIL import Image

from snapfind.catalog.catalog import Catalog
from snapfind.catalog.storage.folder import write_whole
from snapfind.client import Client
from snapfind.core.errors import BadInput, BadQuery
from snapfind.core.types import Answer, Box, Hit, Query
from snapfind.evaluation.contact_sheet import SheetRow, sheet
from snapfind.evaluation.sheet_rows import sheet_row
from snapfind.media.image.decode import Limits, load
from snapfind.media.image.decode import Source as Photo
from snapfind.media.image.heatmap import overlay
from snapfind.media.image.thumbnail import thumbnail

__all__ = ["write_explained", "write_rows", "write_sheet"]

_SIDE = 240  # pixels of each of the two


def write_sheet(target: Path, catalogue: Catalog | Client, query: Query, answer: Answer) -> None:
    """One query and its hits as a page."""
    # it asks for pictures and titles only, which both have
    write_rows(target, [sheet_row(cast("Catalog", catalogue), query, answer)], "snapfind search")


def write_explained(target: Path, catalogue: Catalog | Client, query: Query, answer: Answer) -> None:
    """One query and its hits as a page, each card with the photo and the picture under their heat maps.

    Raises BadQuery where the query is not one photo, BadInput at a server, which gives no vectors away.
    """
    if isinstance(catalogue, Client):
        raise BadInput("heat maps need the folder of the catalogue; leave --explain out at a server")
    photos = [like.photo for like in query.likes if like.photo is not None]
    if len(photos) != 1:
        raise BadQuery("only a search with one photo has heat maps; give one photo, or leave --explain out")
    row = sheet_row(catalogue, query, answer)
    cards = tuple(
        replace(card, picture=_explained(catalogue, photos[0], hit, answer.box), box=None)
        for card, hit in zip(row.cards, answer)
    )
    write_rows(target, [replace(row, cards=cards)], "snapfind search: what made them alike")


def _explained(catalogue: Catalog, photo: Photo, hit: Hit, box: Box | None) -> bytes:
    """Photo and picture side by side, a JPEG."""
    limits, heat = Limits.of(catalogue.settings), catalogue.explain(photo, hit.product.id, hit.picture.name, box)
    image = load(photo, limits)
    part = image.crop(box.pixels(*image.size)) if box else image
    picture = load(catalogue.picture(hit.product.id, hit.picture.name), limits)
    both = [overlay(part, heat.photo), overlay(picture, heat.picture)]
    page = Image.new("RGB", (2 * _SIDE + 4, _SIDE), "white")
    for place, one in enumerate(both):
        one.thumbnail((_SIDE, _SIDE))
        page.paste(one, (place * (_SIDE + 4) + (_SIDE - one.width) // 2, (_SIDE - one.height) // 2))
    return thumbnail(page, 2 * _SIDE + 4)


def write_rows(target: Path, rows: list[SheetRow], title: str) -> None:
    """Rows as a page. Raises BadInput when the name is not that of a page."""
    if target.suffix.lower() not in {".html", ".htm"}:
        raise BadInput(f"{target.name}: a contact sheet is a page; give a name that ends in .html")
    write_whole(target, sheet(rows, title).encode())
