"""Evaluation run: ask a catalog all queries of a test set and store the rankings."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from snapfind.core.errors import SnapfindError
from snapfind.core.query import Query, QueryTerm, Regions
from snapfind.core.types import Answer
from snapfind.evaluation.queries import LabeledQuery
from snapfind.evaluation.report import EvaluatedQuery
from snapfind.evaluation.slices import properties_of
from snapfind.media.image.decode import Limits, load

if TYPE_CHECKING:
    from snapfind.catalog.catalog import Catalog

__all__ = ["evaluate", "query_of"]

Progress = Callable[[int, int], None]


def query_of(labeled: LabeledQuery, regions: Regions = "auto") -> Query:
    """Return the query of a row of the test set.

    Args:
        labeled: The row, with a photo or a text.
        regions: Region of a photo to search.

    Returns:
        The query without the label.
    """
    if labeled.photo is None:
        return Query((QueryTerm(text=labeled.text),))
    return Query((QueryTerm(photo=labeled.photo),), regions=regions)


def evaluate(
    catalog: "Catalog",
    queries: Sequence[LabeledQuery],
    *,
    depth: int = 20,
    model: str | None = None,
    regions: Regions = "auto",
    progress: Progress | None = None,
) -> tuple[list[EvaluatedQuery], list[str]]:
    """Search a catalog for each query of a test set.

    Args:
        catalog: The catalog.
        queries: The test set.
        depth: Number of hits per query.
        model: Built model to search with. Default: the active model.
        regions: Region of each photo to search.
        progress: Called with the number of finished queries and their total.

    Returns:
        The queries with their rankings, and a sentence for each query that failed.
    """
    categories = {product.id: product.category for product in catalog.products()}
    results, failures = [], []
    for done, labeled in enumerate(queries, 1):
        try:
            answer = catalog.search(query_of(labeled, regions), limit=depth, model=model)
            results.append(_evaluated(catalog, labeled, answer, categories))
        except SnapfindError as error:
            failures.append(f"{labeled.name}: {error.message}")
        if progress:
            progress(done, len(queries))
    return results, failures


def _evaluated(catalog: "Catalog", labeled: LabeledQuery, answer: Answer, categories: dict[str, str]) -> EvaluatedQuery:
    # The table may name no category; then the categories of the right products count.
    right = {labeled.category} if labeled.category else {categories.get(product, "") for product in labeled.products}
    ranked_categories = dict.fromkeys(hit.product.category for hit in answer if hit.product.category)
    properties = {"category": min(right)} if any(right) else {}
    if labeled.photo is not None:
        properties |= properties_of(load(labeled.photo, Limits.of(catalog.settings)))
    return EvaluatedQuery(
        labeled.name,
        labeled.products,
        tuple(hit.product.id for hit in answer),
        frozenset(right - {""}),
        tuple(ranked_categories),
        answer[0].score if answer else 0.0,
        properties,
    )
