"""Write contact sheets to disk."""

from dataclasses import replace
from pathlib import Path
from typing import cast

from PIL import Image

from snapfind.catalog.catalog import Catalog
from snapfind.catalog.storage.folder import write_whole
from snapfind.client import Client
from snapfind.core.errors import BadInput, BadQuery
from snapfind.core.query import Query
from snapfind.core.types import Answer, Box, Hit
from snapfind.evaluation.contact_sheet import SheetRow, render_sheet, sheet_row
from snapfind.media.image.decode import Limits, load
from snapfind.media.image.decode import Source as Photo
from snapfind.media.image.heatmap import overlay
from snapfind.media.image.thumbnail import thumbnail

__all__ = ["write_explained", "write_rows", "write_sheet"]

_SIDE = 240  # pixels, each of the two pictures


def write_sheet(target: Path, catalog: Catalog | Client, query: Query, answer: Answer) -> None:
    """Write a page with one query and its hits."""
    # only pictures and titles are read, which both classes provide
    write_rows(target, [sheet_row(cast("Catalog", catalog), query, answer)], "snapfind search")


def write_explained(target: Path, catalog: Catalog | Client, query: Query, answer: Answer) -> None:
    """Write a page with one query and its hits, with heat maps over the photo and each picture.

    Raises:
        BadQuery: The query does not have exactly one photo.
        BadInput: The catalog is a server, which does not return embeddings.
    """
    if isinstance(catalog, Client):
        raise BadInput("Heat maps need the folder of the catalog. Leave out --explain with a server.")
    photos = [term.photo for term in query.terms if term.photo is not None]
    if len(photos) != 1:
        raise BadQuery("Heat maps need a query with exactly one photo. Give one photo, or leave out --explain.")
    row = sheet_row(catalog, query, answer)
    cards = tuple(
        replace(card, picture=_heat_maps(catalog, photos[0], hit, answer.box), box=None)
        for card, hit in zip(row.cards, answer)
    )
    write_rows(target, [replace(row, cards=cards)], "snapfind search: what made them alike")


def _heat_maps(catalog: Catalog, photo: Photo, hit: Hit, box: Box | None) -> bytes:
    """Return photo and picture side by side with heat maps, as JPEG bytes."""
    limits, heat = Limits.of(catalog.settings), catalog.explain(photo, hit.product.id, hit.picture.name, box)
    image = load(photo, limits)
    part = image.crop(box.pixels(*image.size)) if box else image
    picture = load(catalog.picture(hit.product.id, hit.picture.name), limits)
    both = [overlay(part, heat.photo), overlay(picture, heat.picture)]
    page = Image.new("RGB", (2 * _SIDE + 4, _SIDE), "white")
    for place, one in enumerate(both):
        one.thumbnail((_SIDE, _SIDE))
        page.paste(one, (place * (_SIDE + 4) + (_SIDE - one.width) // 2, (_SIDE - one.height) // 2))
    return thumbnail(page, 2 * _SIDE + 4)


def write_rows(target: Path, rows: list[SheetRow], title: str) -> None:
    """Write rows as a page.

    Raises:
        BadInput: The file name does not end in .html.
    """
    if target.suffix.lower() not in {".html", ".htm"}:
        raise BadInput(f"Unsupported contact sheet file: {target.name}. Use a name that ends in .html.")
    write_whole(target, render_sheet(rows, title).encode())
