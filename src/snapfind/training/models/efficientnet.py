"""The shipped encoder as a PyTorch module, read off its ONNX file: nothing is downloaded to learn.

Tan & Le, "EfficientNet", arXiv 1905.11946, the Lite variants. Batch norms were folded into the convolutions when the
file was made (scripts/export_encoder.py), so a batch may have any size and a picture's vector never depends on its
neighbors. Any chain of Conv, Clip and Add with the same block names can be read; training/export.py writes it back.
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
    """A Conv node of the file with what follows it."""

    name: str
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: int
    groups: int
    clips: bool
    adds: bool


class Convolution(nn.Module):
    """Padded as TensorFlow does (SAME: the odd pixel goes right and below), perhaps with ReLU6."""

    def __init__(self, node: _Node) -> None:
        super().__init__()
        self.name = node.name
        self.weight = nn.Parameter(torch.from_numpy(node.weight.copy()).contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.from_numpy(node.bias.copy()))
        self.stride, self.groups, self.clips = node.stride, node.groups, node.clips

    def forward(self, planes: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c', h', w')."""
        kernel = self.weight.shape[-1]
        padding = kernel // 2
        if self.stride > 1:
            side = planes.shape[-1]
            total = max((-(-side // self.stride) - 1) * self.stride + kernel - side, 0)
            planes, padding = functional.pad(planes, (total // 2, total - total // 2) * 2), 0
        after = functional.conv2d(planes, self.weight, self.bias, self.stride, padding, 1, self.groups)
        return functional.hardtanh(after, 0.0, 6.0) if self.clips else after


class Block(nn.Sequential):
    """Convolutions in a row, with a residual around them where the file has one."""

    def __init__(self, *convolutions: Convolution, adds: bool) -> None:
        super().__init__(*convolutions)
        self.adds = adds

    def forward(self, planes: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c', h', w')."""
        after: Tensor = super().forward(planes)
        return after + planes if self.adds else after


class Network(nn.Module):
    """Pictures -> pooled features, in two parts so that the frozen one can run once and its maps be kept.

    `blocks` are in order; `names[i]` is the file's name of block i, such as `_blocks.11`.
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
        """(n, side, side, 3) uint8 RGB -> (n, 3, side, side) float32 as the first block takes it."""
        return (pictures.permute(0, 3, 1, 2).float() - self.mean) / self.deviation

    def between(self, planes: Tensor, first: int, last: int) -> Tensor:
        """Runs blocks `first` up to, not including, `last`."""
        for block in self.blocks[first:last]:
            planes = block(planes)
        return planes

    def pooled(self, planes: Tensor, first: int = 0) -> Tensor:
        """The input of block `first` -> (n, width): the mean of the last map, weighted toward its middle."""
        cells = self.between(planes, first, len(self.blocks))
        return (cells * center(cells.shape[-1], self.spread).to(cells)).sum((2, 3))

    def forward(self, pictures: Tensor) -> Tensor:
        """(n, side, side, 3) uint8 RGB -> (n, width) float32."""
        return self.pooled(self.planes(pictures))


def center(cells: int, spread: float) -> Tensor:
    """(cells, cells) weights that sum to 1: a bell of that deviation in half sides, as the shipped file pools."""
    places = (torch.arange(cells) - (cells - 1) / 2) / (cells / 2)
    weights = torch.exp(-(places[:, None] ** 2 + places**2) / (2 * spread**2))
    return weights / weights.sum()


def read_network(folder: Path, spread: float = 0.5) -> Network:
    """The network of an encoder's artifact folder, float32, trainable. Raises ModelBroken on any other graph."""
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
        raise ModelBroken(
            f"{folder / 'model.onnx'} is not an encoder that can be learned from ({problem})"
        ) from problem


def _constants(graph: onnx.GraphProto) -> dict[str, NDArray[np.float32]]:
    """Initializers by name; those kept as float16 with a cast under the name of the cast's output."""
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
    """`_blocks.3._expand_conv` -> `_blocks.3`; the stem and the head are blocks of their own."""
    return ".".join(name.split(".")[:2]) if name.startswith("_blocks.") else name
