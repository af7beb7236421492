"""The bundled encoder as a PyTorch module, read from its ONNX file, so that nothing is downloaded.

Tan & Le, "EfficientNet", arXiv 1905.11946, the Lite variants. Batch norms were folded into the convolutions when the
file was made (scripts/export_encoder.py), so batches may have any size and the vector of an image does not depend on
others. Any chain of Conv, Clip and Add with the same block names can be read. training/export.py writes it back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from snapfind.core.errors import ModelBroken

__all__ = ["Block", "Convolution", "Network", "read_network"]


@dataclass(frozen=True, slots=True)
class _Node:
    """A Conv node of the file and what follows it."""

    name: str
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: int
    groups: int
    clips: bool
    adds: bool


class Convolution(nn.Module):
    """A convolution with the padding of TensorFlow (SAME), and ReLU6 if the file has one.

    The odd pixel of the padding is added right and below.

    Args:
        node: Conv node of the file.
    """

    def __init__(self, node: _Node) -> None:
        super().__init__()
        self.name = node.name
        self.weight = nn.Parameter(torch.from_numpy(node.weight.copy()).contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.from_numpy(node.bias.copy()))
        self.stride, self.groups, self.clips = node.stride, node.groups, node.clips

    def forward(self, planes: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c', h', w')."""
        kernel = self.weight.shape[-1]
        padding = kernel // 2
        if self.stride > 1:
            side = planes.shape[-1]
            total = max((-(-side // self.stride) - 1) * self.stride + kernel - side, 0)
            planes, padding = functional.pad(planes, (total // 2, total - total // 2) * 2), 0
        after = functional.conv2d(planes, self.weight, self.bias, self.stride, padding, 1, self.groups)
        return functional.hardtanh(after, 0.0, 6.0) if self.clips else after


class Block(nn.Sequential):
    """A sequence of convolutions, with a residual connection if the file has one.

    Args:
        convolutions: The convolutions in order.
        adds: Whether the input is added to the output.
    """

    def __init__(self, *convolutions: Convolution, adds: bool) -> None:
        super().__init__(*convolutions)
        self.adds = adds

    def forward(self, planes: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c', h', w')."""
        after: Tensor = super().forward(planes)
        return after + planes if self.adds else after


class Network(nn.Module):
    """Images to pooled features, in blocks, so that frozen blocks can run once and their maps be cached.

    Args:
        blocks: Name in the file, such as `_blocks.11`, and block, in order.
        mean: Mean of the levels 0..255.
        deviation: Standard deviation of the levels.
        spread: Standard deviation of the pooling weights, in half sides of the map.
    """

    def __init__(self, blocks: Mapping[str, Block], mean: float, deviation: float, spread: float) -> None:
        super().__init__()
        self.names = tuple(blocks)
        self.blocks = nn.ModuleList(blocks.values())
        self.mean, self.deviation, self.spread = mean, deviation, spread

    @property
    def width(self) -> int:
        """Length of the pooled features."""
        last = [own for own in self.modules() if isinstance(own, Convolution)][-1]
        return int(last.weight.shape[0])

    @property
    def last_stage(self) -> str:
        """Name of the block at which the map is halved for the last time."""
        strided = [
            any(own.stride > 1 for own in block.modules() if isinstance(own, Convolution)) for block in self.blocks
        ]
        return self.names[max(place for place, halves in enumerate(strided) if halves)]

    def planes(self, pictures: Tensor) -> Tensor:
        """Map (n, side, side, 3) images with levels 0..255 to (n, 3, side, side) float32 input of the first block."""
        return (pictures.permute(0, 3, 1, 2).float() - self.mean) / self.deviation

    def between(self, planes: Tensor, first: int, last: int) -> Tensor:
        """Run blocks `first` up to, but not including, `last`."""
        for block in self.blocks[first:last]:
            planes = block(planes)
        return planes

    def pooled(self, planes: Tensor, first: int = 0) -> Tensor:
        """Map the input of block `first` to (n, width) features.

        The features are a mean of the last map with higher weights at the center.
        """
        cells = self.between(planes, first, len(self.blocks))
        return (cells * center(cells.shape[-1], self.spread).to(cells)).sum((2, 3))

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (n, side, side, 3) images with levels 0..255 to (n, width) float32 features."""
        return self.pooled(self.planes(pictures))


def center(cells: int, spread: float) -> Tensor:
    """Compute pooling weights: a Gaussian around the center, as in the bundled file.

    Args:
        cells: Side of the map.
        spread: Standard deviation in half sides.

    Returns:
        (cells, cells) weights that sum to 1.
    """
    places = (torch.arange(cells) - (cells - 1) / 2) / (cells / 2)
    weights = torch.exp(-(places[:, None] ** 2 + places**2) / (2 * spread**2))
    return weights / weights.sum()


def read_network(folder: Path, spread: float = 0.5) -> Network:
    """Read the network of an artifact.

    Args:
        folder: Artifact folder.
        spread: Standard deviation of the pooling weights, in half sides of the map.

    Returns:
        The network in float32, trainable.

    Raises:
        ModelBroken: The file is missing or has another graph.
    """
    try:
        graph = onnx.load(folder / "model.onnx").graph
        constants = _constants(graph)
        grouped: dict[str, list[_Node]] = {}
        for node in _nodes(graph, constants):
            grouped.setdefault(_block(node.name), []).append(node)
        blocks = {
            name: Block(*(Convolution(node) for node in nodes), adds=any(node.adds for node in nodes))
            for name, nodes in grouped.items()
        }
        return Network(blocks, float(constants["mean"]), float(constants["deviation"]), spread)
    except Exception as problem:
        raise ModelBroken(f"{folder / 'model.onnx'} is not a network that can be trained ({problem}).") from problem


def _constants(graph: onnx.GraphProto) -> dict[str, NDArray[np.float32]]:
    """Return initializers by name. Those stored as float16 are listed under the output of their cast."""
    held = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    casts = {
        node.output[0]: held[node.input[0]] for node in graph.node if node.op_type == "Cast" and node.input[0] in held
    }
    return {name: value.astype(np.float32) for name, value in (held | casts).items()}


def _nodes(graph: onnx.GraphProto, constants: Mapping[str, NDArray[np.float32]]) -> Iterator[_Node]:
    follows = {(node.op_type, node.input[0]) for node in graph.node}  # a residual adds its block's input second
    for node in graph.node:
        if node.op_type == "Conv":
            options = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
            weight, bias = (constants[name] for name in node.input[1:3])
            name, out = node.input[1].removesuffix(".weight"), node.output[0]
            clips, adds = ("Clip", out) in follows, ("Add", out) in follows
            yield _Node(name, weight, bias, int(options["strides"][0]), int(options["group"]), clips, adds)


def _block(name: str) -> str:
    """Return the block of a convolution: `_blocks.3._expand_conv` is in `_blocks.3`, stem and head are blocks."""
    return ".".join(name.split(".")[:2]) if name.startswith("_blocks.") else name
