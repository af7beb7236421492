"""The verb that finds: search."""

import re
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from snapfind.catalog.query_input import as_like, as_mark
from snapfind.cli.options import Filter, Json
from snapfind.cli.output import answer_json, err, explained, hits_table, out, print_json
from snapfind.cli.target import Place, at
from snapfind.core.types import Box, Like, Query, Regions

__all__ = ["search"]

_WEIGHT = re.compile(r"(\d+(?:\.\d+)?):(.+)", re.DOTALL)


def search(
    shop: Place,
    wanted: Annotated[
        list[str] | None, typer.Argument(metavar="PHOTO|TEXT…", help="Photos and texts; 2:red weighs double.")
    ] = None,
    product: Annotated[
        list[str] | None, typer.Option("--product", metavar="ID", help="More like this product.")
    ] = None,
    less: Annotated[list[str] | None, typer.Option("--less", metavar="PHOTO|TEXT", help="Less like this.")] = None,
    right: Annotated[
        list[str] | None, typer.Option("--right", metavar="ID|PHOTO", help="Marked right in an earlier answer.")
    ] = None,
    wrong: Annotated[
        list[str] | None, typer.Option("--wrong", metavar="ID|PHOTO", help="Marked wrong in an earlier answer.")
    ] = None,
    filter: Filter = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", help="How many products.", show_default="10")] = None,
    offset: Annotated[int, typer.Option(help="How many to skip.")] = 0,
    box: Annotated[str | None, typer.Option(metavar="X0,Y0,X1,Y1", help="Region of the photo, fractions 0..1.")] = None,
    regions: Annotated[
        str, typer.Option(metavar="subject|whole|all", help="What of the photo to search, without a box.")
    ] = "subject",
    category: Annotated[str | None, typer.Option(metavar="NAME", help="Products of this category first.")] = None,
    order: Annotated[
        Literal["clicks", "likeness"],
        typer.Option(help="Whether a click ranker, where there is one, orders the answer."),
    ] = "clicks",
    recent: Annotated[
        list[str] | None, typer.Option("--recent", metavar="ID", help="What the shopper opened before, for the ranker.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what each signal gave; in a sheet, heat maps of what is alike.")
    ] = False,
    json: Json = False,
    sheet: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Write query and hits as a page with pictures.")
    ] = None,
) -> None:
    """Find products by photo, text, product, or any mix of them. Exit code 0 also when nothing was found."""
    likes = [
        *(_like(text) for text in wanted or ()),
        *(Like(product=chosen) for chosen in product or ()),
        *(_like(text, -1.0) for text in less or ()),
    ]
    marked = (*(as_mark(one, 1.0) for one in right or ()), *(as_mark(one, -1.0) for one in wrong or ()))
    query = Query(tuple(likes), filter, cast(Regions, regions), category, marked, order, tuple(recent or ()))
    with at(shop) as catalogue:
        answer = catalogue.search(query, limit=limit, offset=offset, box=Box.parse(box) if box else None)
        if sheet is not None:
            from snapfind.cli.contact_sheet import write_explained, write_sheet

            if explain:
                write_explained(sheet, catalogue, query, answer)
            else:
                write_sheet(sheet, catalogue, query, answer)
    if json:
        print_json(answer_json(answer))
    elif answer:
        out.print(hits_table(answer))
        if explain:
            out.print(explained(answer))
        if answer.verdict == "none":
            err.print("no confident match: the shop may not sell this")
    else:
        err.print("nothing found")
    if sheet is not None:
        err.print(f"contact sheet: {sheet}")


def _like(text: str, sign: float = 1.0) -> Like:
    found = _WEIGHT.fullmatch(text)
    weight, rest = (float(found[1]), found[2]) if found else (1.0, text)
    return as_like(rest, sign * weight)
