"""Evaluation report: metrics with confidence intervals, slices, the worst mistakes, and comparison of two runs."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any, Self

from snapfind.catalog.ingest.csv_safety import write_rows
from snapfind.core.errors import BadInput
from snapfind.evaluation.bootstrap import bootstrap
from snapfind.evaluation.metrics import METRICS
from snapfind.evaluation.significance import Difference, difference
from snapfind.evaluation.slices import by_property

__all__ = ["EvaluatedQuery", "Figure", "Report", "compare"]

_SLICE_METRIC = "precision@1"


@dataclass(frozen=True, slots=True)
class EvaluatedQuery:
    """A query with its right answers and its ranking.

    Args:
        query: Name of the query.
        relevant: Ids of the right products. Empty if the test set names only a category.
        ranked: Ids of the hits, best first, each once.
        relevant_categories: The right categories.
        ranked_categories: Categories of the hits, best first, each once.
        score: Score of the first hit, 0..1.
        properties: Property -> value, for slices.
    """

    query: str
    relevant: frozenset[str]
    ranked: tuple[str, ...]
    relevant_categories: frozenset[str] = frozenset()
    ranked_categories: tuple[str, ...] = ()
    score: float = 0.0
    properties: Mapping[str, str] = field(default_factory=dict)

    def values(self, level: str) -> dict[str, float] | None:
        """Return the metrics of the query.

        Args:
            level: "product" or "category".

        Returns:
            Metric -> value, 0..1; None if no right answer is known at this level.
        """
        ranked, relevant = (
            (self.ranked, self.relevant) if level == "product" else (self.ranked_categories, self.relevant_categories)
        )
        return {name: metric(ranked, relevant) for name, metric in METRICS.items()} if relevant else None

    @property
    def best(self) -> dict[str, float]:
        """The metrics at product level, or at category level if the query names no product."""
        return self.values("product") or self.values("category") or {}

    @property
    def is_wrong(self) -> bool:
        """Whether the first hit is wrong, at the level of `best`."""
        ranked, right = (
            (self.ranked, self.relevant) if self.relevant else (self.ranked_categories, self.relevant_categories)
        )
        return not ranked or ranked[0] not in right


@dataclass(frozen=True, slots=True)
class Figure:
    """Mean of a metric over n queries with its 95 % bootstrap interval.

    Args:
        mean: The mean.
        low: Lower bound of the interval.
        high: Upper bound of the interval.
        n: Number of queries.
    """

    mean: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Compute mean and interval.

        Args:
            values: One value per query.

        Returns:
            The figure; all zeros without values.
        """
        return cls(fmean(values) if values else 0.0, *bootstrap(values), len(values))

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Report:
    """Report of an evaluation run.

    Args:
        queries: The queries with their rankings.
    """

    queries: tuple[EvaluatedQuery, ...]

    def figures(self, level: str) -> dict[str, Figure]:
        """Compute the mean of each metric.

        Args:
            level: "product" or "category".

        Returns:
            Metric -> figure; empty if no query has a right answer at this level.
        """
        rows = [values for one in self.queries if (values := one.values(level)) is not None]
        return {name: Figure.of([row[name] for row in rows]) for name in METRICS} if rows else {}

    def slices(self) -> dict[str, dict[str, Figure]]:
        """Compute precision@1 of each slice, at category level for queries that name no product.

        Returns:
            Property -> value -> figure.
        """
        rows = [one.best.get(_SLICE_METRIC, 0.0) for one in self.queries]
        groups = by_property(rows, [one.properties for one in self.queries])
        return {name: {value: Figure.of(part) for value, part in own.items()} for name, own in groups.items()}

    def worst(self, limit: int = 20) -> list[EvaluatedQuery]:
        """Return the queries whose first hit is wrong.

        Args:
            limit: Maximum number of queries.

        Returns:
            The most confident mistakes first.
        """
        wrong = [one for one in self.queries if one.is_wrong]
        return sorted(wrong, key=lambda one: (-one.score, one.query))[:limit]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON. `parse` is the inverse."""
        return {
            "queries": len(self.queries),
            "product": {name: asdict(figure) for name, figure in self.figures("product").items()},
            "category": {name: asdict(figure) for name, figure in self.figures("category").items()},
            "slices": {n: {v: asdict(figure) for v, figure in own.items()} for n, own in self.slices().items()},
            "results": [
                {
                    "query": one.query,
                    "relevant": sorted(one.relevant),
                    "ranked": list(one.ranked),
                    "relevant_categories": sorted(one.relevant_categories),
                    "ranked_categories": list(one.ranked_categories),
                    "score": one.score,
                    "properties": dict(one.properties),
                }
                for one in self.queries
            ],
        }

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """Read a report from the values of `as_dict`.

        Args:
            fields: Plain values, for example from JSON.

        Returns:
            The report.

        Raises:
            BadInput: The values are not a report.
        """
        try:
            return cls(tuple(_parse_query(row) for row in fields["results"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"not a report of snapfind eval ({error!r}); write one with --json FILE") from error

    def to_csv(self) -> str:
        """Return a CSV table with a row per query: right answers, first hit, score and metrics."""
        out = io.StringIO()
        rows: list[list[str]] = [["query", "relevant", "first", "score", *METRICS]]
        for one in self.queries:
            values, right = one.best, one.relevant or one.relevant_categories
            ranked = one.ranked if one.relevant else one.ranked_categories
            first = ranked[0] if ranked else ""
            cells = [f"{values.get(name, 0):.4f}" for name in METRICS]
            rows.append([one.query, "|".join(sorted(right)), first, f"{one.score:.4f}", *cells])
        write_rows(out, rows)
        return out.getvalue()


def compare(ours: Report, theirs: Report) -> dict[str, Difference]:
    """Compare two runs over the same queries, at category level for queries that name no product.

    Args:
        ours: The new run.
        theirs: The run to compare with.

    Returns:
        Metric -> ours minus theirs.

    Raises:
        BadInput: The queries differ.
    """
    pairs = {one.query: one for one in theirs.queries}
    if pairs.keys() != {one.query for one in ours.queries}:
        raise BadInput("the two runs have different queries; compare runs of the same table")
    mine = [one.best for one in ours.queries]
    other = [pairs[one.query].best for one in ours.queries]
    return {
        name: difference([row.get(name, 0.0) for row in mine], [row.get(name, 0.0) for row in other])
        for name in METRICS
    }


def _parse_query(row: Mapping[str, Any]) -> EvaluatedQuery:
    return EvaluatedQuery(
        row["query"],
        frozenset(row["relevant"]),
        tuple(row["ranked"]),
        frozenset(row["relevant_categories"]),
        tuple(row["ranked_categories"]),
        float(row["score"]),
        dict(row["properties"]),
    )
