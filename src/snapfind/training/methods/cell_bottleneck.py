"""Cells with a variational bottleneck each: regularization that grows with depth, features that know their doubt.

After Zhai et al., "Cell Variational Information Bottleneck Network" (arXiv 2403.15082, withdrawn: only the abstract
could be read). A cell makes a mean map and a deviation map by convolutions of its own and passes on
z = mean + deviation * noise; the loss adds beta_l * KL(N(mean, deviation^2) || N(0, 1)) of every cell, the mean over
units so that beta does not depend on size. How beta grows with depth is ours: linearly from the first cell to the last.
At test z is the mean. With one stochastic cell, the last, it is Deep VIB (Alemi et al., arXiv 1612.00410).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BottleneckNet", "Shape", "StochasticCell", "kl_to_normal", "parameters_of"]

_FIRST_DEVIATION = 0.2  # of a cell before it has learned anything


@dataclass(frozen=True, slots=True)
class Shape:
    """Channels of each cell, which cells are stochastic (counted from 0), classes, beta of the last cell."""

    channels: tuple[int, ...]
    stochastic: frozenset[int]
    classes: int
    beta: float = 0.05
    inputs: int = 1


class StochasticCell(nn.Module):
    """(n, c, h, w) -> a draw of z (the mean when not training) and the KL of a unit, a mean over batch and units."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.mean = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.deviation = nn.Conv2d(inputs, outputs, 3, stride, 1)
        nn.init.zeros_(self.deviation.weight)
        self.deviation.bias = nn.Parameter(torch.full((outputs,), math.log(math.expm1(_FIRST_DEVIATION))))

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Both halves see the same planes."""
        mean, deviation = self.mean(planes), functional.softplus(self.deviation(planes)) + 1e-4
        z = mean + deviation * torch.randn_like(mean) if self.training else mean
        return z, kl_to_normal(mean, deviation)


class PlainCell(nn.Module):
    """A convolution; its KL is nothing."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.mean = nn.Conv2d(inputs, outputs, 3, stride, 1)

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """As StochasticCell."""
        return self.mean(planes), planes.new_zeros(())


class BottleneckNet(nn.Module):
    """Cells with stride 2 from the second on, mean pooling, a linear classifier.

    `forward(images, labels)` is the loss (n, inputs, h, w), (n,) -> scalar; `logits` classifies.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        sizes = [shape.inputs, *shape.channels]
        kinds = [StochasticCell if place in shape.stochastic else PlainCell for place in range(len(shape.channels))]
        self.cells = nn.ModuleList(
            kind(before, after, 2 if place else 1)
            for place, (kind, before, after) in enumerate(zip(kinds, sizes, sizes[1:]))
        )
        self.classify = nn.Linear(sizes[-1], shape.classes)

    def through(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, classes) and the KL of each cell (cells,)."""
        planes, divergences = images, []
        for cell in self.cells:
            planes, divergence = cell(planes)
            planes = functional.relu(planes)
            divergences.append(divergence)
        return self.classify(planes.mean((2, 3))), torch.stack(divergences)

    def logits(self, images: Tensor) -> Tensor:
        """(n, classes)."""
        return self.through(images)[0]

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy and the weighted divergences."""
        logits, divergences = self.through(images)
        depth = torch.arange(1, len(divergences) + 1, device=logits.device) / len(divergences)
        return functional.cross_entropy(logits, labels) + self.shape.beta * (depth * divergences).sum()


def kl_to_normal(mean: Tensor, deviation: Tensor) -> Tensor:
    """KL(N(mean, deviation^2) || N(0, 1)) in nats, the mean over all units."""
    return 0.5 * (mean**2 + deviation**2 - 1 - 2 * deviation.log()).mean()


def parameters_of(shape: Shape) -> int:
    """How many numbers the network learns: variants are compared at equal size."""
    return sum(parameter.numel() for parameter in BottleneckNet(shape).parameters())


def corrupted(images: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """(n, c, h, w) in 0..1 -> with `noise` of deviation .3, `blur` of 3 by 3, or half the `contrast`."""
    if kind == "noise":
        return (images + 0.3 * torch.randn(images.shape, generator=generator)).clamp(0, 1)
    if kind == "blur":
        return functional.avg_pool2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return 0.5 * images + 0.25 if kind == "contrast" else images


def mislabeled(labels: Tensor, part: float, classes: int, generator: torch.Generator) -> Tensor:
    """`part` (0..1) of the labels replaced by another class, drawn evenly."""
    wrong = torch.rand(len(labels), generator=generator) < part
    moved = (labels + torch.randint(1, classes, labels.shape, generator=generator)) % classes
    return torch.where(wrong, moved, labels)


def same_size(shape: Shape, wanted: int, channels: Sequence[int]) -> Shape:
    """`shape` with its channels scaled so that it learns about `wanted` numbers."""
    scales = torch.arange(0.3, 3.0, 0.01).tolist()
    shapes = [
        Shape(
            tuple(max(1, round(scale * own)) for own in channels),
            shape.stochastic,
            shape.classes,
            shape.beta,
            shape.inputs,
        )
        for scale in scales
    ]
    return min(shapes, key=lambda found: abs(parameters_of(found) - wanted))
