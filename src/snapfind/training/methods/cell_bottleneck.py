"""Variational information bottleneck in every cell: regularization that grows with depth.

After Zhai et al., "Cell Variational Information Bottleneck Network" (arXiv 2403.15082, withdrawn, only the abstract
could be read). A cell computes a mean map and a deviation map with convolutions of its own and passes on z = mean +
deviation * noise. The loss adds beta_l * KL(N(mean, deviation^2) || N(0, 1)) of every cell, averaged over units so that
beta does not depend on the size. How beta grows with depth is our choice: linearly from the first cell to the last. In
evaluation mode z is the mean. With one stochastic cell, the last, this is Deep VIB (Alemi et al., arXiv 1612.00410).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BottleneckConfig", "BottleneckNet", "StochasticCell", "count_parameters", "kl_to_normal"]

_FIRST_DEVIATION = 0.2  # of a cell before it has learned anything


@dataclass(frozen=True, slots=True)
class BottleneckConfig:
    """Architecture.

    Attributes:
        channels: Channels of each cell.
        stochastic: Indices of the stochastic cells.
        classes: Number of classes.
        beta: Weight of the divergence of the last cell.
        inputs: Channels of the images.
    """

    channels: tuple[int, ...]
    stochastic: frozenset[int]
    classes: int
    beta: float = 0.05
    inputs: int = 1


class StochasticCell(nn.Module):
    """Maps (n, c, h, w) to a sample of z (the mean in evaluation mode) and the mean KL divergence per unit.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        stride: Stride of the convolutions.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.mean = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.deviation = nn.Conv2d(inputs, outputs, 3, stride, 1)
        nn.init.zeros_(self.deviation.weight)
        self.deviation.bias = nn.Parameter(torch.full((outputs,), math.log(math.expm1(_FIRST_DEVIATION))))

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Return z and the divergence."""
        mean, deviation = self.mean(planes), functional.softplus(self.deviation(planes)) + 1e-4
        z = mean + deviation * torch.randn_like(mean) if self.training else mean
        return z, kl_to_normal(mean, deviation)


class PlainCell(nn.Module):
    """A convolution without noise. Its divergence is 0.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        stride: Stride of the convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.mean = nn.Conv2d(inputs, outputs, 3, stride, 1)

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map and 0."""
        return self.mean(planes), planes.new_zeros(())


class BottleneckNet(nn.Module):
    """Cells with stride 2 from the second on, mean pooling, and a linear classifier. `forward` returns the loss.

    Args:
        shape: Architecture.
    """

    def __init__(self, shape: BottleneckConfig) -> None:
        super().__init__()
        self.shape = shape
        sizes = [shape.inputs, *shape.channels]
        kinds = [StochasticCell if place in shape.stochastic else PlainCell for place in range(len(shape.channels))]
        self.cells = nn.ModuleList(
            kind(before, after, 2 if place else 1)
            for place, (kind, before, after) in enumerate(zip(kinds, sizes, sizes[1:]))
        )
        self.classify = nn.Linear(sizes[-1], shape.classes)

    def logits_and_divergences(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return (n, classes) logits and the (cells,) divergences of (n, inputs, h, w) images."""
        planes, divergences = images, []
        for cell in self.cells:
            planes, divergence = cell(planes)
            planes = functional.relu(planes)
            divergences.append(divergence)
        return self.classify(planes.mean((2, 3))), torch.stack(divergences)

    def logits(self, images: Tensor) -> Tensor:
        """Return (n, classes) logits of (n, inputs, h, w) images."""
        return self.logits_and_divergences(images)[0]

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return cross-entropy plus weighted divergences for (n, inputs, h, w) images and (n,) labels."""
        logits, divergences = self.logits_and_divergences(images)
        depth = torch.arange(1, len(divergences) + 1, device=logits.device) / len(divergences)
        return functional.cross_entropy(logits, labels) + self.shape.beta * (depth * divergences).sum()


def kl_to_normal(mean: Tensor, deviation: Tensor) -> Tensor:
    """Return KL(N(mean, deviation^2) || N(0, 1)) in nats, averaged over all units."""
    return 0.5 * (mean**2 + deviation**2 - 1 - 2 * deviation.log()).mean()


def count_parameters(shape: BottleneckConfig) -> int:
    """Return the number of parameters, so that variants can be compared at equal size."""
    return sum(parameter.numel() for parameter in BottleneckNet(shape).parameters())


def corrupt(images: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """Corrupt images.

    Args:
        images: (n, c, h, w) with values 0..1.
        kind: "noise" with standard deviation 0.3, "blur" of 3 by 3, "contrast" halves it. Others change nothing.
        generator: Random generator.

    Returns:
        (n, c, h, w) images.
    """
    if kind == "noise":
        return (images + 0.3 * torch.randn(images.shape, generator=generator)).clamp(0, 1)
    if kind == "blur":
        return functional.avg_pool2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return 0.5 * images + 0.25 if kind == "contrast" else images


def flip_labels(labels: Tensor, part: float, classes: int, generator: torch.Generator) -> Tensor:
    """Replace a fraction of the labels by other classes, drawn uniformly.

    Args:
        labels: (n,) int64 labels.
        part: Fraction 0..1.
        classes: Number of classes.
        generator: Random generator.

    Returns:
        (n,) labels.
    """
    wrong = torch.rand(len(labels), generator=generator) < part
    moved = (labels + torch.randint(1, classes, labels.shape, generator=generator)) % classes
    return torch.where(wrong, moved, labels)


def scale_to_size(shape: BottleneckConfig, wanted: int, channels: Sequence[int]) -> BottleneckConfig:
    """Scale the channels of an architecture to a number of parameters.

    Args:
        shape: Architecture.
        wanted: Number of parameters.
        channels: Channels to scale.

    Returns:
        The architecture with the nearest number of parameters.
    """
    scales = torch.arange(0.3, 3.0, 0.01).tolist()
    shapes = [
        BottleneckConfig(
            tuple(max(1, round(scale * own)) for own in channels),
            shape.stochastic,
            shape.classes,
            shape.beta,
            shape.inputs,
        )
        for scale in scales
    ]
    return min(shapes, key=lambda found: abs(count_parameters(found) - wanted))
