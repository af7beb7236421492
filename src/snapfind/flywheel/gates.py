"""Quality gates: conditions that must hold before a new model takes part in an A/B test or goes live."""

from collections.abc import Sequence
from dataclasses import dataclass

from snapfind.evaluation.report import EvaluatedQuery, Figure, Report, compare
from snapfind.evaluation.slices import by_property
from snapfind.flywheel.config import FlywheelConfig
from snapfind.flywheel.labels import ClickLabel

__all__ = [
    "GateResult",
    "check_exposure",
    "check_label_balance",
    "check_label_count",
    "check_overall",
    "check_slices",
]

_METRIC = "precision@1"
_MAX_RATIO = 2.0  # fraction of the labels / fraction of the impressions of one product
_ALWAYS_ALLOWED = 0.2  # a fraction of the labels that no product is stopped for
_SMALL_SHOP = 5  # with fewer labeled products the balance of labels says nothing


@dataclass(frozen=True, slots=True)
class GateResult:
    """Result of a quality gate.

    Args:
        name: The condition.
        passed: Whether the condition holds.
        detail: The numbers behind the result, as a sentence.
    """

    name: str
    passed: bool
    detail: str


def check_label_count(labels: Sequence[ClickLabel], config: FlywheelConfig) -> GateResult:
    """Check that there are enough labeled photos to train on.

    Args:
        labels: The training labels.
        config: `min_photos` is the minimum.

    Returns:
        Passed with `min_photos` labels of 2 products.
    """
    count, products = len(labels), len({label.product for label in labels})
    detail = f"{count} labeled photos of {products} products; {config.min_photos} photos of 2 products are needed"
    return GateResult("enough labels", count >= config.min_photos and products >= 2, detail)


def check_overall(test_set: str, before: Report, after: Report, config: FlywheelConfig) -> GateResult:
    """Check precision@1 of the new model on a test set.

    Args:
        test_set: Name of the test set.
        before: Report of the active model.
        after: Report of the new model on the same queries.
        config: `max_loss`, `min_gain` and `alpha` are the thresholds.

    Returns:
        Passed if the loss is at most `max_loss`, or if the gain is at least `min_gain` and significant.
    """
    change = compare(after, before)[_METRIC]
    threshold = config.min_gain or -config.max_loss
    passed = change.mean >= threshold and (not config.min_gain or change.p < config.alpha)
    interval = f"{change.mean:+.3f} ({change.low:+.3f} to {change.high:+.3f})"
    detail = f"{_METRIC} {interval} on {len(after.queries)} photos, p {change.p:.3f}"
    return GateResult(f"no loss on the {test_set} set", passed, detail)


def check_slices(test_set: str, before: Report, after: Report, config: FlywheelConfig) -> GateResult:
    """Check precision@1 of the new model in each slice of a test set.

    Args:
        test_set: Name of the test set.
        before: Report of the active model.
        after: Report of the new model on the same queries.
        config: `max_slice_loss` is the threshold for slices of `min_slice_photos` photos or more.

    Returns:
        Passed if no slice loses more than the threshold.
    """
    old = {query.query: query for query in before.queries}
    common = [query for query in after.queries if query.query in old]
    changes = [_precision(query) - _precision(old[query.query]) for query in common]
    slices = by_property(changes, [query.properties for query in common])
    means = [
        (Figure.of(values).mean, f"{name} {value} ({len(values)} photos)")
        for name, groups in slices.items()
        for value, values in groups.items()
        if len(values) >= config.min_slice_photos
    ]
    worst, where = min(means, default=(0.0, "no slice is large enough"))
    detail = f"worst slice of the {test_set} set: {where}, {worst:+.3f}; {-config.max_slice_loss:+.3f} is allowed"
    return GateResult(f"no slice falls on the {test_set} set", worst >= -config.max_slice_loss, detail)


def check_label_balance(labels: Sequence[ClickLabel], impressions: dict[str, int]) -> GateResult:
    """Check that no product has many more labels than its impressions explain, as bots and sellers cause.

    Args:
        labels: All labels of the run.
        impressions: Product id -> number of impressions.

    Returns:
        Failed if one product has over a fifth of the labels and over twice its fraction of the impressions. Passed
        with fewer than 5 labeled products.
    """
    name = "labels are balanced"
    if not labels:
        return GateResult(name, True, "there are no labels")
    counts: dict[str, int] = {}
    for label in labels:
        counts[label.product] = counts.get(label.product, 0) + 1
    fraction, product = max((count / len(labels), product) for product, count in counts.items())
    expected = impressions.get(product, 0) / (sum(impressions.values()) or 1)
    detail = f"{product} has {fraction:.0%} of the labels and {expected:.0%} of the impressions"
    passed = fraction <= max(_MAX_RATIO * expected, _ALWAYS_ALLOWED) or len(counts) < _SMALL_SHOP
    return GateResult(name, passed, detail)


def check_exposure(exploration: float, coverage: float, config: FlywheelConfig) -> GateResult:
    """Check that enough of the catalog is shown, since a ranker that learns from its own results narrows.

    Args:
        exploration: Fraction of impressions with a propensity below 1, 0..1.
        coverage: Fraction of products that were shown, 0..1.
        config: `min_exploration` and `min_coverage` are the thresholds.

    Returns:
        Passed if both are reached.
    """
    detail = f"{exploration:.0%} of the impressions explore, {coverage:.0%} of the products were shown"
    passed = exploration >= config.min_exploration and coverage >= config.min_coverage
    return GateResult("enough exploration", passed, detail)


def _precision(query: EvaluatedQuery) -> float:
    return (query.values("product") or {}).get(_METRIC, 0.0)
