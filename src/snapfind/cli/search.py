"""The command `search`."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from snapfind.catalog.query_input import as_feedback, as_term
from snapfind.cli.options import Json, query_options
from snapfind.cli.output import answer_json, err, explanation_table, hits_table, out, print_json
from snapfind.cli.target import Place, at
from snapfind.core.query import Query, QueryTerm
from snapfind.core.types import Box

__all__ = ["search"]

_WEIGHT = re.compile(r"(\d+(?:\.\d+)?):(.+)", re.DOTALL)


Terms = Annotated[list[str] | None, typer.Argument(metavar="PHOTO|TEXT…", help="Photos and texts. 2:red has weight 2.")]
Product = Annotated[
    list[str] | None, typer.Option("--product", metavar="ID", help="Find products similar to this one.")
]
Less = Annotated[
    list[str] | None,
    typer.Option("--less", metavar="PHOTO|TEXT", help="Negative query: photo or text to move away from."),
]
Right = Annotated[
    list[str] | None,
    typer.Option("--right", metavar="ID|PHOTO", help="Relevance feedback: relevant in an earlier answer."),
]
Wrong = Annotated[
    list[str] | None,
    typer.Option("--wrong", metavar="ID|PHOTO", help="Relevance feedback: not relevant in an earlier answer."),
]
BoxOption = Annotated[str | None, typer.Option(metavar="X0,Y0,X1,Y1", help="Region of the photo, as fractions 0..1.")]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain", help="Show the score of each signal. With --sheet: also heat maps of the matching regions."
    ),
]
Sheet = Annotated[
    Path | None,
    typer.Option(metavar="OUT.html", help="Write a contact sheet: the query and its hits with pictures."),
]


@query_options
def search(
    shop: Place,
    terms: Terms = None,
    product: Product = None,
    less: Less = None,
    right: Right = None,
    wrong: Wrong = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", help="Number of products.", show_default="10")] = None,
    offset: Annotated[int, typer.Option(help="Number of products to skip.")] = 0,
    box: BoxOption = None,
    explain: Explain = False,
    json: Json = False,
    sheet: Sheet = None,
    **options: Any,
) -> None:
    """Find products by photo, text, product, or a combination. The exit code is 0 even if nothing is found."""
    query_terms = [
        *(_parse_term(text) for text in terms or ()),
        *(QueryTerm(product=chosen) for chosen in product or ()),
        *(_parse_term(text, -1.0) for text in less or ()),
    ]
    marked = [*(as_feedback(one, 1.0) for one in right or ()), *(as_feedback(one, -1.0) for one in wrong or ())]
    query = Query(tuple(query_terms)).with_options(options, marked)
    with at(shop) as catalog:
        answer = catalog.search(query, limit=limit, offset=offset, box=Box.parse(box) if box else None)
        if sheet is not None:
            from snapfind.cli.contact_sheet import write_explained, write_sheet

            if explain:
                write_explained(sheet, catalog, query, answer)
            else:
                write_sheet(sheet, catalog, query, answer)
    if json:
        print_json(answer_json(answer))
    elif answer:
        out.print(hits_table(answer))
        if explain:
            out.print(explanation_table(answer))
        if answer.verdict == "none":
            err.print("No confident match. The catalog may not have this product.")
    else:
        err.print("No products found.")
    if sheet is not None:
        err.print(f"contact sheet: {sheet}")


def _parse_term(text: str, sign: float = 1.0) -> QueryTerm:
    match = _WEIGHT.fullmatch(text)
    weight, rest = (float(match[1]), match[2]) if match else (1.0, text)
    return as_term(rest, sign * weight)
