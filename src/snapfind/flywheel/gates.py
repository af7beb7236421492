"""What must hold before a model may be tried on shoppers; each guard says in a sentence what it saw."""

from collections.abc import Sequence
from dataclasses import dataclass

from snapfind.evaluation.report import Answered, Figure, Report, compare
from snapfind.evaluation.slices import by_property
from snapfind.flywheel.config import Rules
from snapfind.flywheel.labels import Candidate

__all__ = ["Guard", "enough", "no_slice_falls", "not_one_sided", "proved", "wide_enough"]

_METRIC = "precision@1"


@dataclass(frozen=True, slots=True)
class Guard:
    """Whether it holds, and why."""

    name: str
    holds: bool
    told: str


def enough(candidates: Sequence[Candidate], rules: Rules) -> Guard:
    """So many labeled photos are there to learn from."""
    count, products = len(candidates), len({one.product for one in candidates})
    told = f"{count} labeled photos of {products} products; {rules.least} photos of 2 products are needed"
    return Guard("enough to learn from", count >= rules.least and products >= 2, told)


def proved(name: str, before: Report, after: Report, rules: Rules) -> Guard:
    """The new model gains what it must, and not by chance, on a set that it did not learn from."""
    found = compare(after, before)[_METRIC]
    least = rules.gain or -rules.loss
    fine = found.mean >= least and (not rules.gain or found.p < rules.alpha)
    told = f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f}) on {len(after.answered)} photos, p {found.p:.3f}"
    return Guard(f"no loss on the {name} set", fine, told)


def no_slice_falls(name: str, before: Report, after: Report, rules: Rules) -> Guard:
    """No slice of some size loses more than is allowed."""
    pairs = {one.query: one for one in before.answered}
    both = [(_first(pairs[one.query]), _first(one)) for one in after.answered if one.query in pairs]
    parts = by_property(both, [one.properties for one in after.answered if one.query in pairs])
    falls = [
        (Figure.of([new - old for old, new in rows]).mean, f"{kind} {value} ({len(rows)} photos)")
        for kind, own in parts.items()
        for value, rows in own.items()
        if len(rows) >= rules.slice_least
    ]
    worst, where = min(falls, default=(0.0, "no slice is large enough"))
    told = f"worst slice of the {name} set: {where}, {worst:+.3f}; {-rules.slice_loss:+.3f} is allowed"
    return Guard(f"no slice falls on the {name} set", worst >= -rules.slice_loss, told)


def not_one_sided(candidates: Sequence[Candidate], shown: dict[str, int]) -> Guard:
    """No product takes far more labels than its impressions explain: what a bot, or a seller, does to a log."""
    if not candidates:
        return Guard("labels are not one-sided", True, "there are none")
    total = sum(shown.values()) or 1
    counts: dict[str, int] = {}
    for one in candidates:
        counts[one.product] = counts.get(one.product, 0) + 1
    part, product = max((count / len(candidates), product) for product, count in counts.items())
    seen = shown.get(product, 0) / total
    told = f"{product} has {part:.0%} of the labels and {seen:.0%} of the impressions"
    return Guard("labels are not one-sided", part <= max(_SIDED * seen, _ALWAYS) or len(counts) < _FEW, told)


_SIDED, _ALWAYS, _FEW = 2.0, 0.2, 5  # times its impressions; a part that is never suspicious; products of a tiny shop


def wide_enough(exploration: float, coverage: float, rules: Rules) -> Guard:
    """A ranker that learns from its own answers narrows: some of them must be tried out, most products be seen."""
    told = f"{exploration:.0%} of the impressions explore, {coverage:.0%} of the products were shown"
    return Guard("the loop stays open", exploration >= rules.exploration and coverage >= rules.coverage, told)


def _first(one: Answered) -> float:
    return (one.values("product") or {}).get(_METRIC, 0.0)
