"""How many tokens each block gives up, so that the mean share of tokens over depth is what was asked for.

The keep ratio is that mean: tokens that enter a block's MLP, over the tokens that the model begins with, averaged over
blocks. Nearly all of a block's work is in proportion to it: models of one ratio cost about the same under any schedule.
"""

from collections.abc import Sequence
from typing import Literal

from snapfind.core.errors import BadInput

__all__ = ["Schedule", "mean_share", "removals"]

Schedule = Literal["constant", "decreasing", "increasing"] | Sequence[float]


def removals(tokens: int, prefix: int, blocks: int, ratio: float, schedule: Schedule) -> tuple[int, ...]:
    """Tokens that each block merges away, the nearest to `ratio` under the shape of `schedule`.

    "constant": as many in each block (the paper's r); "decreasing": from twice that down to none (ToMe's);
    "increasing": the other way; or one weight a block. No block gives up more than its sources,
    half of what may be merged. Raises BadInput for a ratio outside 0..1, for weights that do not fit, and where even
    that is not few enough.
    """
    if not 0 < ratio <= 1:
        raise BadInput(f"ratio is {ratio}; it is the share of tokens that stay, above 0 and up to 1")
    weights = _weights(blocks, schedule)
    if ratio == 1:
        return (0,) * blocks
    fullest = _capped(tokens, prefix, weights, float(tokens * blocks))
    if mean_share(tokens, fullest) > ratio + 1e-9:
        least = mean_share(tokens, fullest)
        raise BadInput(
            f"ratio {ratio} is not to be had with {tokens} tokens in {blocks} blocks; the least is {least:.2f}"
        )
    low, high = 0.0, float(tokens * blocks)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if mean_share(tokens, _capped(tokens, prefix, weights, middle)) > ratio else (low, middle)
        )
    either = _capped(tokens, prefix, weights, low), _capped(tokens, prefix, weights, high)
    return min(either, key=lambda counts: abs(mean_share(tokens, counts) - ratio))


def mean_share(tokens: int, counts: Sequence[int]) -> float:
    """The keep ratio of these removals."""
    left, total = tokens, 0
    for count in counts:
        left -= count
        total += left
    return total / (tokens * len(counts))


def _weights(blocks: int, schedule: Schedule) -> tuple[float, ...]:
    """Of each block, summing to 1."""
    if schedule == "constant":
        shape: list[float] = [1.0] * blocks
    elif schedule in ("decreasing", "increasing"):
        slope = [2 * (blocks - block) - 1.0 for block in range(blocks)]
        shape = slope if schedule == "decreasing" else slope[::-1]
    elif isinstance(schedule, str):
        raise BadInput(f"schedule is {schedule!r}; there are constant, decreasing, increasing, or one weight a block")
    else:
        shape = [float(weight) for weight in schedule]
    if len(shape) != blocks or min(shape) < 0 or sum(shape) <= 0:
        raise BadInput(
            f"schedule has {len(shape)} weights; the model has {blocks} blocks, each with a weight of 0 or more"
        )
    return tuple(weight / sum(shape) for weight in shape)


def _capped(tokens: int, prefix: int, weights: Sequence[float], total: float) -> tuple[int, ...]:
    """`total` removals by weight, rounded so that no error adds up, each at most the sources there are."""
    counts, left, wanted, asked = [], tokens, 0.0, 0
    for weight in weights:
        wanted += weight * total
        count = min(round(wanted) - asked, _most(left, prefix))
        asked = round(wanted)
        counts.append(count)
        left -= count
    return tuple(counts)


def _most(tokens: int, prefix: int) -> int:
    """Sources among so many tokens; none where there is no target."""
    even, odd = len(range(prefix + prefix % 2, tokens, 2)), len(range(prefix + 1 - prefix % 2, tokens, 2))
    return even if odd else 0
