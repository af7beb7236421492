"""Accuracy of a ViT with merged tokens: random, ToMe, value alone and Turbo at equal keep ratios. Prints Markdown.

    SNAPFIND_DATA=… python benchmarks/turbo_accuracy.py --work FOLDER            # where turbo_vit.py left its weights
    SNAPFIND_DATA=… python benchmarks/turbo_accuracy.py --work FOLDER --speed    # photos a second too: a quiet machine

Nothing is trained here. Alpha is the one of ALPHAS under which the merged model's posterior is nearest to the unmerged
one's (Kullback-Leibler, summed over CHOSEN_ON) on the tenth of train that was left out. Measured on 637 photos of val,
all 91 classes against each other; the interval is of the paired loss against the unmerged model, over 2,000 bootstraps.
"""

import argparse
import csv
import os
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from turbo_vit import CELLS, SIDE, parts, prepare, stem, trained, view

from snapfind.turbo import Informativity, plug
from snapfind.turbo.informativity import Rule

RATIOS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
CHOSEN_ON = (0.8, 0.6, 0.4)
ALPHAS = (1.0, 2.0, 5.0, 10.0, 20.0)
SEEDS = 3
ALONE = 1e6  # an alpha under which redundancy has no say in what is merged


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
    with plug(model, ratio, rule) if rule else nullcontext():
        return torch.cat([model(part.float()) for part in cells.split(64)]).log_softmax(1)


def choose(model: nn.Module, cells: Tensor) -> float:
    """The alpha whose posterior is nearest to the unmerged one, with the table of all."""
    plain = posteriors(model, cells, None, 1)
    rules = {alpha: Informativity(alpha) for alpha in (0.0, *ALPHAS, ALONE)}
    far = {
        alpha: [distance(plain, posteriors(model, cells, rule, ratio)) for ratio in CHOSEN_ON]
        for alpha, rule in rules.items()
    }
    kept = " | ".join(f"keep {ratio}" for ratio in CHOSEN_ON)
    print(f"| alpha | {kept} | sum |\n|---{'|---' * len(CHOSEN_ON)}|---|")
    for alpha, nats in far.items():
        name = "value alone" if alpha == ALONE else f"{alpha:g}"
        print(f"| {name} | " + " | ".join(f"{each:.3f}" for each in nats) + f" | {sum(nats):.3f} |")
    return min(ALPHAS, key=lambda alpha: sum(far[alpha]))


def distance(plain: Tensor, merged: Tensor) -> float:
    """Kullback-Leibler divergence, in nats a photo, of merged log shares from unmerged ones."""
    return float((plain.exp() * (plain - merged)).sum(1).mean())


def loss(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> str:
    """Points of accuracy lost, with the 95 % interval over photos."""
    lost = 100 * (before.astype(float) - after)
    draws = np.random.default_rng(0).integers(len(lost), size=(2000, len(lost)))
    low, high = np.quantile(lost[draws].mean(1), (0.025, 0.975))
    return f"{lost.mean():+.1f} ({low:+.1f} to {high:+.1f})"


def compare(model: nn.Module, cells: Tensor, classes: Tensor, alpha: float) -> None:
    """Accuracy and distance by ratio and rule; chance is the mean of seeds, with their least and most."""
    plain = posteriors(model, cells, None, 1)
    before = right(plain, classes)
    rules = {
        "ToMe (R alone, alpha 0)": Informativity(0),
        "A alone": Informativity(ALONE),
        "Turbo, the paper's alpha 5": Informativity(5),
        f"Turbo, alpha {alpha:g}, chosen": Informativity(alpha),
    }
    head = f"| keep | random (least to most of {SEEDS} seeds) | {' | '.join(rules)} |"
    shares, nats = (
        [head + " points lost by the last |", "|---" * (len(rules) + 3) + "|"],
        [head, "|---" * (len(rules) + 2) + "|"],
    )
    for ratio in RATIOS:
        chance = [posteriors(model, cells, Chance(seed), ratio) for seed in range(SEEDS)]
        merged = [posteriors(model, cells, rule, ratio) for rule in rules.values()]
        correct = [right(each, classes) for each in merged]
        drawn, far = [100 * right(each, classes).mean() for each in chance], [distance(plain, each) for each in chance]
        shares.append(
            f"| {ratio} | {statistics.mean(drawn):.1f} ({min(drawn):.1f} to {max(drawn):.1f}) | "
            + " | ".join(f"{100 * each.mean():.1f}" for each in correct)
            + f" | {loss(before, correct[-1])} |"
        )
        nats.append(
            f"| {ratio} | {statistics.mean(far):.3f} ({min(far):.3f} to {max(far):.3f}) | "
            + " | ".join(f"{distance(plain, each):.3f}" for each in merged)
            + " |"
        )
    print(f"\nAccuracy in %; unmerged {100 * before.mean():.1f} of {len(before)} photos.\n\n" + "\n".join(shares))
    print("\nNats a photo from the unmerged posterior.\n\n" + "\n".join(nats), flush=True)


def right(posterior: Tensor, classes: Tensor) -> NDArray[np.bool_]:
    """(n,) whether the first class is the true one."""
    return (posterior.argmax(1) == classes).numpy()


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
    asked = parser.parse_args()
    model = trained(asked.work)
    cells, _, classes = prepare("train", asked.work)
    _, left_out = parts(len(classes))
    alpha = choose(model, torch.from_numpy(cells[left_out, 0]))
    print(f"\nalpha {alpha:g} is chosen")
    if asked.speed:
        speed(model, alpha)
    else:
        cells, _, classes = prepare("val", asked.work)
        compare(model, torch.from_numpy(np.array(cells[:, 0])), torch.from_numpy(classes), alpha)
        survival(model, alpha)


if __name__ == "__main__":
    main()
