"""Ask a catalog every query of a table and keep what came back: the run that a report is made of."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from snapfind.core.errors import SnapfindError
from snapfind.core.query import Like, Query
from snapfind.core.types import Answer
from snapfind.evaluation.queries import LabeledQuery
from snapfind.evaluation.report import Answered
from snapfind.evaluation.slices import properties_of
from snapfind.media.image.decode import Limits, load

if TYPE_CHECKING:
    from snapfind.catalog.catalog import Catalog

__all__ = ["query_of", "run"]

Progress = Callable[[int, int], None]


def query_of(asked: LabeledQuery) -> Query:
    """The query of a row of the table."""
    return Query((Like(photo=asked.photo) if asked.photo else Like(text=asked.text),))


def run(
    catalog: "Catalog",
    queries: Sequence[LabeledQuery],
    *,
    depth: int = 20,
    model: str | None = None,
    progress: Progress | None = None,
) -> tuple[list[Answered], list[str]]:
    """What came back for each query, `depth` products deep, and a sentence for each that could not be asked.

    `model` lets another built model of the catalog answer than the active one.
    """
    categories = {product.id: product.category for product in catalog.products()}
    answered, failed = [], []
    for done, asked in enumerate(queries, 1):
        try:
            answer = catalog.search(query_of(asked), limit=depth, model=model)
            answered.append(_answered(catalog, asked, answer, categories))
        except SnapfindError as error:
            failed.append(f"{asked.name}: {error.message}")
        if progress:
            progress(done, len(queries))
    return answered, failed


def _answered(catalog: "Catalog", asked: LabeledQuery, answer: Answer, categories: dict[str, str]) -> Answered:
    # a product's own category where the table names none
    right = {asked.category} if asked.category else {categories.get(product, "") for product in asked.products}
    found = dict.fromkeys(hit.product.category for hit in answer if hit.product.category)
    properties = {"category": min(right)} if any(right) else {}
    if asked.photo is not None:
        properties |= properties_of(load(asked.photo, Limits.of(catalog.settings)))
    return Answered(
        asked.name,
        asked.products,
        tuple(hit.product.id for hit in answer),
        frozenset(right - {""}),
        tuple(found),
        answer[0].score if answer else 0.0,
        properties,
    )
