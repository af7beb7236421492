"""Accuracy of ViTs with merged tokens: random, ToMe and Turbo at equal keep ratios. Prints Markdown.

    SNAPFIND_DATA=… python benchmarks/turbo_accuracy.py --work FOLDER            # where turbo_vit.py left its weights
    SNAPFIND_DATA=… python benchmarks/turbo_accuracy.py --work FOLDER --speed    # photos a second too: a quiet machine

Nothing is trained here. Each of the three models is judged on the third of the labeled photos that it never saw, all
91 classes against each other. Its alpha is the one of ALPHAS under which its merged posterior is nearest to the
unmerged one (Kullback-Leibler, summed over CHOSEN_ON) on the tenth that was left out of its own training photos.
Intervals are of paired differences, 95 % of 2,000 bootstraps over all photos. What was judged is kept in FOLDER.
"""

import argparse
import csv
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from turbo_vit import CELLS, FOLDS, SIDE, folds, parts, prepare, stem, trained, view

from snapfind.token_merging import Informativity, plug
from snapfind.token_merging.informativity import Rule

RATIOS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
CHOSEN_ON = (0.8, 0.6, 0.4)
ALPHAS = (1.0, 2.0, 5.0, 10.0, 20.0)
PAPER = 5.0
UNMERGED, CHANCE, TOME, TURBO, CHOSEN = "unmerged", "random", "ToMe", "Turbo", "Turbo, alpha chosen"


class Chance:
    """Any source into any target."""

    needs_value = False

    def __init__(self, seed: int) -> None:
        self._draws = torch.Generator().manual_seed(seed)

    def scores(self, redundancy: Tensor, value: Tensor | None, block: int, tokens: int) -> Tensor:
        """As in Rule."""
        return torch.rand(redundancy.shape, generator=self._draws)


@torch.inference_mode()
def posteriors(model: nn.Module, cells: Tensor, rule: Rule | None, ratio: float) -> Tensor:
    """(n, 91) log shares, merged by a rule or, without one, as the model is."""
    with (
        plug(model, ratio, rule) if rule else nullcontext(),
        torch.autocast("cpu", torch.bfloat16),
    ):  # as it was trained
        return torch.cat([model(part.float()).float() for part in cells.split(64)]).log_softmax(1)


def distances(plain: Tensor, merged: Tensor) -> Tensor:
    """(n,) Kullback-Leibler divergences, in nats, of merged log shares from unmerged ones."""
    return (plain.exp() * (plain - merged)).sum(1)


def choose(work: Path, fold: int, cells: Tensor) -> float:
    """The alpha whose posterior is nearest to the unmerged one; prints a row for the table of all."""
    kept = work / f"alphas-{fold}.json"
    if not kept.exists():
        model, nats = trained(work, fold), {}
        plain = posteriors(model, cells, None, 1)
        for alpha in (0.0, *ALPHAS):
            merged = [posteriors(model, cells, Informativity(alpha), ratio) for ratio in CHOSEN_ON]
            nats[alpha] = sum(float(distances(plain, each).mean()) for each in merged)
        kept.write_text(json.dumps(nats))
    known = {float(alpha): nats for alpha, nats in json.loads(kept.read_text()).items()}
    print(f"| {fold} | " + " | ".join(f"{each:.4f}" for each in known.values()) + " |", flush=True)
    return min(ALPHAS, key=lambda alpha: known[alpha])


class Judged(NamedTuple):
    """Of photos that a model never saw, by ratio: whether the first class was right (ratios, n), nats from the unmerged
    posterior (ratios, n)."""

    right: NDArray[np.bool_]
    nats: NDArray[np.float32]


@dataclass(frozen=True)
class Bench:
    """A trained model, and the third of the photos to judge it on."""

    work: Path
    fold: int
    model: nn.Module
    cells: Tensor
    classes: Tensor

    def judge(self, name: str, rule: Rule | None) -> Judged:
        """By each of RATIOS, or, without a rule, unmerged."""
        each = [self.at(name, rule, ratio) for ratio in (RATIOS if rule else (1.0,))]
        return Judged(*(np.stack(arrays) for arrays in zip(*each)))

    def at(self, name: str, rule: Rule | None, ratio: float) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """At one ratio (n,), (n,): from the folder where it is known."""
        kept = self.work / f"judged-{self.fold}-{name}-{ratio}.npz"
        if not kept.exists():
            merged = posteriors(self.model, self.cells, rule, ratio) if rule else self.plain
            nats = distances(self.plain, merged)
            np.savez(kept, right=(merged.argmax(1) == self.classes).numpy(), nats=nats.numpy())
        with np.load(kept) as known:
            return known["right"], known["nats"]

    @cached_property
    def plain(self) -> Tensor:
        """(n, 91) unmerged log shares."""
        return posteriors(self.model, self.cells, None, 1)


def interval(differences: NDArray[np.floating[Any]], digits: int) -> str:
    """Their mean over photos, with its 95 % interval."""
    draws = np.random.default_rng(0)
    means = [differences[draws.integers(len(differences), size=len(differences))].mean() for _ in range(2000)]
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{differences.mean():+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def report(judged: Mapping[str, Judged]) -> None:
    """Accuracy, paired differences and distances by ratio; the last row is the mean over ratios, photo by photo."""
    plain, rules = judged[UNMERGED].right[0], [name for name in judged if name != UNMERGED]
    count = len(plain)
    print(f"\nAccuracy in %; unmerged {100 * plain.mean():.1f} of {count:,} photos.\n")
    print(f"| keep | {' | '.join(rules)} |\n|{'---|' * (len(rules) + 1)}")
    for row, ratio in enumerate(RATIOS):
        print(f"| {ratio} | " + " | ".join(f"{100 * judged[name].right[row].mean():.1f}" for name in rules) + " |")
    pairs = [(TURBO, TOME), (CHOSEN, TOME), (TOME, CHANCE), (TURBO, UNMERGED)]
    print(f"\nPoints of accuracy.\n\n| keep | {' | '.join(f'{one} - {other}' for one, other in pairs)} |")
    print("|---|" + "---|" * len(pairs))
    for row, name in (*enumerate(map(str, RATIOS)), (slice(None), "mean")):
        shown = [interval(100 * (_of(judged[one], row) - _of(judged[other], row)), 2) for one, other in pairs]
        print(f"| {name} | " + " | ".join(shown) + " |")
    print(f"\nNats a photo from the unmerged posterior.\n\n| keep | {' | '.join(rules)} | {TURBO} - {TOME} |")
    print("|---|" + "---|" * (len(rules) + 1))
    for row, ratio in enumerate(RATIOS):
        nearer = interval(judged[TURBO].nats[row] - judged[TOME].nats[row], 4)
        print(f"| {ratio} | " + " | ".join(f"{judged[name].nats[row].mean():.4f}" for name in rules) + f" | {nearer} |")


def _of(judged: Judged, row: int | slice) -> NDArray[np.float64]:
    """(n,) right at one ratio, or on average over all; what is unmerged has one row."""
    rows = judged.right if len(judged.right) > 1 else judged.right.repeat(len(RATIOS), 0)
    return np.atleast_2d(rows[row]).mean(0)


def figures_of_people(front: Callable[[NDArray[np.uint8]], Tensor]) -> tuple[Tensor, Tensor]:
    """Cells (n, 40, 14, 14) of the 104 street photos of val of CCP, and (n, 196) how much of each is person or
    garment."""
    folder = Path(os.environ["SNAPFIND_DATA"]) / "ccp"
    with (folder / "index.csv").open() as table:
        names = [Path(row["image"]).stem for row in csv.DictReader(table) if row["split"] == "val"]
    cells, shares, rng = [], [], np.random.default_rng(0)
    for name in names:
        seen = view(Image.open(folder / "images" / f"{name}.jpg").convert("RGB"), 0, rng)
        mask = Image.fromarray((np.asarray(Image.open(folder / "masks" / f"{name}.png")) > 0).astype(np.uint8) * 255)
        small = view(mask, 0, rng).resize((CELLS, CELLS), Image.Resampling.BOX)
        cells.append(front(np.array(seen.resize((SIDE, SIDE), Image.Resampling.BOX))[None]))
        shares.append(torch.from_numpy(np.asarray(small).reshape(-1) / 255.0))
    return torch.cat(cells), torch.stack(shares)


@torch.inference_mode()
def survival(model: nn.Module, alpha: float) -> None:
    """How many tokens are left for each patch of the person, and for each of what stands behind."""
    cells, shares = figures_of_people(stem())
    person, behind = shares > 0.9, shares < 0.1
    print("\n| keep | rule | tokens left a patch of the person | of the background |\n|---|---|---|---|")
    for ratio in (0.8, 0.6, 0.4):
        for name, rule in (
            ("random", Chance(0)),
            ("ToMe", Informativity(0)),
            (f"alpha {alpha:g}", Informativity(alpha)),
        ):
            with plug(model, ratio, rule) as handle:
                model(cells.float())
                assert handle.sizes is not None
                left = (1 / handle.sizes.gather(1, handle.groups))[:, 1:]
            print(f"| {ratio} | {name} | {left[person].mean():.2f} | {left[behind].mean():.2f} |")


@torch.inference_mode()
def speed(model: nn.Module, alpha: float) -> None:
    """Photos a second from pixels, the frozen front with it, and FLOPs; ratios and rules take turns."""
    front, photos = stem(), np.random.default_rng(0).integers(0, 256, (32, SIDE, SIDE, 3), np.uint8)
    rules = {"unmerged": None, "ToMe": Informativity(0), f"alpha {alpha:g}": Informativity(alpha)}
    cases: Sequence[tuple[str, float]] = [("unmerged", 1.0)] + [
        (name, ratio) for ratio in RATIOS for name in [*rules][1:]
    ]
    seconds: dict[tuple[str, float], list[float]] = {case: [] for case in cases}
    flops = {}
    for lap in range(8):
        for case in cases:
            rule = rules[case[0]]
            with plug(model, case[1], rule) if rule else nullcontext():
                if lap == 0:
                    with (
                        sdpa_kernel(SDPBackend.MATH),
                        FlopCounterMode(display=False) as counter,
                    ):
                        model(front(photos))
                    flops[case] = counter.get_total_flops() / 32 / 1e9
                start = time.perf_counter()
                model(front(photos))
                seconds[case].append(time.perf_counter() - start)
    first = statistics.median(seconds[cases[0]])
    print(f"\n{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}, batches of 32\n")
    print("| keep | rule | GFLOPs a photo | photos/s | gain |\n|---|---|---|---|---|")
    for name, ratio in cases:
        own = statistics.median(seconds[name, ratio])
        print(f"| {ratio} | {name} | {flops[name, ratio]:.2f} | {32 / own:.0f} | {first / own:.2f} |")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--speed", action="store_true")
    args = parser.parse_args()
    if args.speed:
        speed(trained(args.work, 0), PAPER)
        return
    cells, features, classes = prepare(args.work)
    fold_of = folds(features[:, 0], classes)
    seen, parted = torch.from_numpy(cells[:, 0]), {}
    print(f"Nats, summed over keeps.\n\n| fold | ToMe | alpha {' | '.join(f'{each:g}' for each in ALPHAS)} |")
    print("|---|---|" + "---|" * len(ALPHAS))
    for fold in range(FOLDS):
        _, left_out, held = parts(fold_of, fold)
        model = trained(args.work, fold)
        bench = Bench(args.work, fold, model, seen[held], torch.from_numpy(classes[held]))
        alpha = choose(args.work, fold, seen[left_out])
        parted[fold] = {
            UNMERGED: bench.judge("unmerged", None),
            CHANCE: bench.judge("chance", Chance(fold)),
            TOME: bench.judge("tome", Informativity(0)),
            TURBO: bench.judge(f"alpha-{PAPER:g}", Informativity(PAPER)),
            CHOSEN: bench.judge(f"alpha-{alpha:g}", Informativity(alpha)),
        }
    names = parted[0]
    report(
        {
            name: Judged(*(np.concatenate(arrays, 1) for arrays in zip(*(each[name] for each in parted.values()))))
            for name in names
        }
    )
    survival(trained(args.work, 0), PAPER)


if __name__ == "__main__":
    main()
