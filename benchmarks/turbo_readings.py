"""Other readings of what Turbo's description leaves open, against the one taken. Prints Markdown.

    SNAPFIND_DATA=… python benchmarks/turbo_readings.py --work FOLDER      # where turbo_vit.py left its weights

Each model is asked about the tenth that was left out of its own training photos; none sees a photo here that
turbo_accuracy.py judges it on. Nats from the unmerged posterior, summed over keeps, and what they are more than those
of the reading taken, with the 95 % interval over photos.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from turbo_accuracy import CHOSEN_ON, PAPER, distances, interval, posteriors
from turbo_vit import FOLDS, folds, parts, prepare, trained

from snapfind.token_merging import Informativity
from snapfind.token_merging.informativity import Rule, attention_received
from snapfind.token_merging.matching import sources, targets
from snapfind.token_merging.stream import Stream

WEIGHT = PAPER * 30 / 577  # times the tokens that A is about one part of


@dataclass
class Received:
    """A of all tokens and how many patches each stands for, (b, n), at the block that merges."""

    value: Tensor
    sizes: Tensor


last: list[Received] = []  # what a rule is not given, left here by the block that asks it


@dataclass(frozen=True)
class CatalogReader:
    """A rule of R (b, s, t), A of the sources (b, s), and what was received."""

    score: Callable[[Tensor, Tensor, Received], Tensor]
    needs_value: bool = True

    def scores(self, redundancy: Tensor, value: Tensor | None, block: int, tokens: int) -> Tensor:
        """As in Rule."""
        assert value is not None
        return self.score(redundancy, value, last[-1])


def begun(received: Received) -> int:
    """The tokens that the model begins with."""
    return int(received.sizes[0].sum())


def now(redundancy: Tensor, value: Tensor, received: Received) -> Tensor:
    """A times the tokens that are left, not those of the beginning."""
    return redundancy - WEIGHT * received.value.shape[1] * value[:, :, None]


def each_patch(redundancy: Tensor, value: Tensor, received: Received) -> Tensor:
    """A of a token divided among its patches."""
    share = sources(received.value / received.sizes, 1)
    return redundancy - WEIGHT * begun(received) * share[:, :, None]


def both_ends(redundancy: Tensor, value: Tensor, received: Received) -> Tensor:
    """The mean A of source and target, so that A also says where a source goes."""
    ends = (value[:, :, None] + targets(received.value, 1)[:, None]) / 2
    return redundancy - WEIGHT * begun(received) * ends


def power(exponent: float) -> Callable[[Tensor, Tensor, Received], Tensor]:
    """R / A, with 1 + R so that it is positive, and A to a power."""
    return lambda redundancy, value, received: (1 + redundancy) / (value[:, :, None] * begun(received)) ** exponent


def listening(plain: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`Stream._value`, leaving what it saw in `last`."""

    def value(stream: Stream, seen: Any, bias: Tensor | None, sizes: Tensor) -> Tensor:
        received = attention_received(seen.queries[:, :, :1], seen.keys, bias, seen.scale, sizes[:, :1])
        last[:] = [Received(received, sizes)]
        return plain(stream, seen, bias, sizes)

    return value


def nats(work: Path, fold: int, cells: Tensor, rules: dict[str, Rule]) -> dict[str, NDArray[np.float32]]:
    """(n,) of each rule, summed over CHOSEN_ON."""
    model = trained(work, fold)
    plain = posteriors(model, cells, None, 1)
    return {
        name: sum(distances(plain, posteriors(model, cells, rule, ratio)) for ratio in CHOSEN_ON).numpy()
        for name, rule in rules.items()
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    work = parser.parse_args().work
    Stream._value = listening(Stream._value)  # type: ignore[method-assign]
    cells, features, classes = prepare(work)
    fold_of, seen = folds(features[:, 0], classes), torch.from_numpy(cells[:, 0])
    rules: dict[str, Rule] = {
        "R - alpha A, alpha 5, tokens of the beginning (taken)": Informativity(PAPER),
        "alpha 0 (ToMe)": Informativity(0),
        "tokens that are left": CatalogReader(now),
        "A of a token divided by its patches": CatalogReader(each_patch),
        "mean A of source and target": CatalogReader(both_ends),
        "R / A": CatalogReader(power(1)),
        "R / A^(1/4)": CatalogReader(power(0.25)),
        "alpha damped by 0.8 a block": Informativity(PAPER, beta=0.8),
        "alpha damped the other way": Informativity(PAPER, beta=0.8, gamma=5),
    }
    found = [nats(work, fold, seen[parts(fold_of, fold)[1]], rules) for fold in range(FOLDS)]
    joined = {name: np.concatenate([each[name] for each in found]) for name in rules}
    taken = next(iter(joined.values()))
    print(f"{len(taken):,} photos.\n\n| reading | nats | more than the one taken |\n|---|---|---|")
    for name, values in joined.items():
        print(f"| {name} | {values.mean():.4f} | {interval(values - taken, 4)} |")


if __name__ == "__main__":
    main()
