"""Cell bottlenecks (arXiv 2403.15082) on scikit-learn's digits: label noise and corrupted inputs. Prints Markdown.

    python benchmarks/learn_bottleneck.py

Plain network, Deep VIB (last cell only) and a bottleneck in every cell learn about the same count of numbers. Half of
the 1,797 digits of 8 by 8 pixels train, the rest test. Beta was chosen per method on another tenth of the training
half at 40 % label noise (seed 9), from 0, .003, .01, .03, .1, .3. Mean and standard deviation over seeds.
"""

import argparse
from dataclasses import replace
from functools import cache

import torch
from learn_data import spread
from sklearn.datasets import load_digits
from torch import Tensor

from snapfind.training.loop import TrainingConfig, train
from snapfind.training.methods.cell_bottleneck import (
    BottleneckConfig,
    BottleneckNet,
    corrupt,
    count_parameters,
    flip_labels,
    scale_to_size,
)

CHANNELS = (12, 24, 32)
TRAINING = TrainingConfig(epochs=40, rate=4e-3, average=0.9)
BATCH = 64
NOISE = (0.0, 0.2, 0.4, 0.6)
BETAS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3)
METHODS = {
    "plain": frozenset[int](),
    "Deep VIB (last cell)": frozenset({2}),
    "cell VIB (every cell)": frozenset({0, 1, 2}),
}


def digits() -> tuple[Tensor, Tensor]:
    """(1797, 1, 8, 8) in 0..1 and labels, shuffled once."""
    found = load_digits()
    order = torch.randperm(len(found.target), generator=torch.Generator().manual_seed(0))
    return torch.tensor(found.images, dtype=torch.float32)[order, None] / 16, torch.tensor(found.target)[order]


@cache
def shape_of(method: str) -> BottleneckConfig:
    """Of the size of the network with a bottleneck in every cell."""
    wanted = count_parameters(BottleneckConfig(CHANNELS, METHODS["cell VIB (every cell)"], 10))
    return scale_to_size(BottleneckConfig(CHANNELS, METHODS[method], 10), wanted, CHANNELS)


def learned(method: str, beta: float, images: Tensor, labels: Tensor, noise: float, seed: int) -> BottleneckNet:
    """A network trained on labels of which `noise` are wrong."""
    generator = torch.Generator().manual_seed(seed)
    wrong = flip_labels(labels, noise, 10, generator)
    torch.manual_seed(seed)
    network = BottleneckNet(replace(shape_of(method), beta=beta))

    def batch(epoch: int, step: int) -> tuple[Tensor, Tensor]:
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1000 * seed + epoch))
        rows = order[step * BATCH : (step + 1) * BATCH]
        return images[rows], wrong[rows]

    found = train(network, batch, len(images) // BATCH, replace(TRAINING, seed=seed)).module.eval()
    assert isinstance(found, BottleneckNet)
    return found


@torch.no_grad()
def accuracy(network: BottleneckNet, images: Tensor, labels: Tensor) -> float:
    """Part that is right."""
    return float((network.logits(images).argmax(1) == labels).float().mean())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = digits()
    train_x, train_y, test_x, test_y = images[:900], labels[:900], images[900:], labels[900:]
    betas = {}
    for method, stochastic in METHODS.items():
        choices = BETAS if stochastic else (0.0,)
        scores = {
            beta: accuracy(learned(method, beta, train_x[90:], train_y[90:], 0.4, 9), train_x[:90], train_y[:90])
            for beta in choices
        }
        betas[method] = max(scores, key=lambda beta: scores[beta])
    kinds = ("noise", "blur", "contrast")
    heads = [*(f"{part:.0%} wrong labels" for part in NOISE), *(f"{kind}, 0 %" for kind in kinds)]
    print(f"{given.seeds} seeds, {len(test_x)} test digits\n\n| method | numbers | beta | {' | '.join(heads)} |")
    print("|---" * (3 + len(heads)) + "|")
    for method in METHODS:
        found: dict[str, list[float]] = {head: [] for head in heads}
        for seed in range(given.seeds):
            for part, head in zip(NOISE, heads):
                network = learned(method, betas[method], train_x, train_y, part, seed)
                found[head].append(accuracy(network, test_x, test_y))
                for kind in kinds if not part else ():
                    seen = corrupt(test_x, kind, torch.Generator().manual_seed(seed))
                    found[f"{kind}, 0 %"].append(accuracy(network, seen, test_y))
        row = " | ".join(spread(found[head]) for head in heads)
        print(f"| {method} | {count_parameters(shape_of(method)):,} | {betas[method]:g} | {row} |", flush=True)


if __name__ == "__main__":
    main()
