"""One run over queries with known answers: metrics with intervals, slices, every query, and a comparison."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from snapfind.catalog.ingest.csv_safety import write_rows
from snapfind.core.errors import BadInput
from snapfind.evaluation.bootstrap import bootstrap
from snapfind.evaluation.metrics import METRICS
from snapfind.evaluation.significance import Difference, difference
from snapfind.evaluation.slices import by_property

__all__ = ["Answered", "Figure", "Report", "compare"]

_SLICED = "precision@1"  # the figure that slices show


@dataclass(frozen=True, slots=True)
class Answered:
    """A query with what is right and what came back; ids and categories best first, each once."""

    query: str
    relevant: frozenset[str]
    ranked: tuple[str, ...]
    relevant_categories: frozenset[str] = frozenset()
    ranked_categories: tuple[str, ...] = ()
    score: float = 0.0
    properties: Mapping[str, str] = field(default_factory=dict)

    def values(self, level: str) -> dict[str, float] | None:
        """Metric -> value at `product` or `category` level; None where nothing is known to be right."""
        ranked, relevant = (
            (self.ranked, self.relevant) if level == "product" else (self.ranked_categories, self.relevant_categories)
        )
        return {name: metric(ranked, relevant) for name, metric in METRICS.items()} if relevant else None

    @property
    def best(self) -> dict[str, float]:
        """The values at product level, or at category level for a query that names no product."""
        return self.values("product") or self.values("category") or {}

    @property
    def is_wrong(self) -> bool:
        """Whether the first hit is wrong, judged as `best` is."""
        ranked, right = (
            (self.ranked, self.relevant) if self.relevant else (self.ranked_categories, self.relevant_categories)
        )
        return not ranked or ranked[0] not in right


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over n queries with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """From one value a query."""
        return cls(fmean(values) if values else 0.0, *bootstrap(values), len(values))

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Report:
    """The answers of one run and what is computed from them."""

    answered: tuple[Answered, ...]

    def figures(self, level: str) -> dict[str, Figure]:
        """Metric -> figure at `product` or `category` level; empty when no query has an answer there."""
        rows = [values for one in self.answered if (values := one.values(level)) is not None]
        return {name: Figure.of([row[name] for row in rows]) for name in METRICS} if rows else {}

    def slices(self) -> dict[str, dict[str, Figure]]:
        """Property -> value -> precision@1 of its products, or categories where a query names no product."""
        rows = [one.best.get(_SLICED, 0.0) for one in self.answered]
        parted = by_property(rows, [one.properties for one in self.answered])
        return {name: {value: Figure.of(part) for value, part in own.items()} for name, own in parted.items()}

    def worst(self, most: int = 20) -> list[Answered]:
        """Queries whose first hit is wrong, the most confident mistake first."""
        wrong = [one for one in self.answered if one.is_wrong]
        return sorted(wrong, key=lambda one: (-one.score, one.query))[:most]

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON; `Report.parse` reads it again."""
        return {
            "queries": len(self.answered),
            "product": {name: _plain(figure) for name, figure in self.figures("product").items()},
            "category": {name: _plain(figure) for name, figure in self.figures("category").items()},
            "slices": {n: {v: _plain(figure) for v, figure in own.items()} for n, own in self.slices().items()},
            "answered": [
                {
                    "query": one.query,
                    "relevant": sorted(one.relevant),
                    "ranked": list(one.ranked),
                    "relevant_categories": sorted(one.relevant_categories),
                    "ranked_categories": list(one.ranked_categories),
                    "score": one.score,
                    "properties": dict(one.properties),
                }
                for one in self.answered
            ],
        }

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "Report":
        """The report of `as_dict`. Raises BadInput for anything else."""
        try:
            return cls(tuple(_answered(row) for row in given["answered"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"not a report of snapfind eval ({error!r}); write one with --json FILE") from error

    def to_csv(self) -> str:
        """One line a query: the right ids or categories, the first hit, and the metrics."""
        out = io.StringIO()
        rows: list[list[str]] = [["query", "relevant", "first", "score", *METRICS]]
        for one in self.answered:
            values, right = one.best, one.relevant or one.relevant_categories
            ranked = one.ranked if one.relevant else one.ranked_categories
            first = ranked[0] if ranked else ""
            cells = [f"{values.get(name, 0):.4f}" for name in METRICS]
            rows.append([one.query, "|".join(sorted(right)), first, f"{one.score:.4f}", *cells])
        write_rows(out, rows)
        return out.getvalue()


def compare(ours: Report, theirs: Report) -> dict[str, Difference]:
    """Metric -> ours minus theirs, over the same queries: of products, or of categories for a query that names none.

    Raises BadInput when the queries differ.
    """
    pairs = {one.query: one for one in theirs.answered}
    if pairs.keys() != {one.query for one in ours.answered}:
        raise BadInput("the two runs have different queries; compare runs of the same table")
    mine = [one.best for one in ours.answered]
    other = [pairs[one.query].best for one in ours.answered]
    return {
        name: difference([row.get(name, 0.0) for row in mine], [row.get(name, 0.0) for row in other])
        for name in METRICS
    }


def _answered(row: Mapping[str, Any]) -> Answered:
    return Answered(
        row["query"],
        frozenset(row["relevant"]),
        tuple(row["ranked"]),
        frozenset(row["relevant_categories"]),
        tuple(row["ranked_categories"]),
        float(row["score"]),
        dict(row["properties"]),
    )


def _plain(figure: Figure) -> dict[str, float]:
    return {"mean": figure.mean, "low": figure.low, "high": figure.high, "n": figure.n}
