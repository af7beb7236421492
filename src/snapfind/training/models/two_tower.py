"""Two towers that meet in one space: a picture's and a title's, with a loss between them.

CLIP (Radford et al., arXiv 2103.00020) in both its losses. The title's tower reads bytes (after Xue et al., "ByT5",
arXiv 2105.13626): no vocabulary to download, and every language. The picture's tower is the shipped network with a
linear head, or anything else that gives a row for a picture.
"""

import math
import zlib
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from snapfind.training.losses.contrastive import gathered, in_parts, info_nce, sigmoid_loss
from snapfind.training.models.efficientnet import Network
from snapfind.training.models.heads import Heads

__all__ = ["ByteText", "Loss", "Sight", "Towers", "bytes_of", "titles_of"]

Loss = Literal["info_nce", "sigmoid"]
_BYTES = 256
_SCALE = {"info_nce": 1 / 0.07, "sigmoid": 10.0}  # where the two papers begin
_MOST = 100.0  # of the scale, as in CLIP


class Sight(nn.Module):
    """(n, side, side, 3) uint8 -> (n, dim) unit rows: the network's pooled features, times a matrix.

    The blocks before `first` rest.
    """

    def __init__(self, network: Network, dim: int, first: str = "_conv_stem") -> None:
        super().__init__()
        self.network = network
        self.mean = nn.Parameter(torch.zeros(network.width))
        self.matrix = nn.Parameter(torch.randn(network.width, dim) / network.width**0.5)
        start = network.names.index(first)
        for number, block in enumerate(network.blocks):
            block.requires_grad_(number >= start)

    def heads(self) -> Heads:
        """The matrix as the two heads of an artifact; both roles are seen alike."""
        matrix, mean = (own.detach().cpu().numpy() for own in (self.matrix, self.mean))
        return Heads(matrix, mean, mean)

    def forward(self, pictures: Tensor) -> Tensor:
        """Unit rows."""
        features = functional.normalize(self.network(pictures).float(), dim=1)
        return functional.normalize((features - self.mean) @ self.matrix, dim=1)


class ByteText(nn.Module):
    """(n, length) int64 bytes, 256 where there is none -> (n, dim) unit rows: a small transformer, mean over bytes."""

    def __init__(self, dim: int, width: int = 256, layers: int = 4, length: int = 96) -> None:
        super().__init__()
        self.letters = nn.Embedding(_BYTES + 1, width)
        self.places = nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(
            width, max(1, width // 64), 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.out = nn.Linear(width, dim, bias=False)

    def forward(self, texts: Tensor) -> Tensor:
        """Unit rows; a text without a byte is the mean of its padding."""
        there = (texts < _BYTES) | (texts == _BYTES).all(1, keepdim=True)
        seen = self.layers(self.letters(texts) + self.places[: texts.shape[1]], src_key_padding_mask=~there)
        mean = (seen * there[..., None]).sum(1) / there.sum(1, keepdim=True)
        return functional.normalize(self.out(mean).float(), dim=1)


class Towers(nn.Module):
    """`forward(pictures, texts, titles)` is the loss of a batch over all ranks.

    `titles` (n,) int64 number what is written: pairs with one title do not stand against each other. `part` rows are in
    memory at a time (0: all); `hard` as in contrast.py. Scale and bias are learned; the scale is clipped to 100 itself,
    as in CLIP, so that it can come down again. The loss is in float32 whatever the towers compute in.
    """

    def __init__(self, picture: nn.Module, text: nn.Module, loss: Loss, *, part: int = 0, hard: float = 0.0) -> None:
        super().__init__()
        self.picture, self.text = picture, text
        self.loss, self.part, self.hard = loss, part, hard
        self.scale = nn.Parameter(torch.tensor(_SCALE[loss]).log())
        self.bias = nn.Parameter(torch.tensor(-10.0), requires_grad=loss == "sigmoid")

    def forward(self, pictures: Tensor, texts: Tensor, titles: Tensor) -> Tensor:
        """A scalar, the same on every rank."""
        left = gathered(in_parts(self.picture, pictures, self.part))
        right = gathered(in_parts(self.text, texts, self.part))
        own = gathered(titles)
        same = own[:, None] == own[None, :]
        with torch.no_grad():
            self.scale.clamp_(max=math.log(_MOST))
        with torch.autocast(left.device.type, enabled=False):
            left, right, scale = left.float(), right.float(), self.scale.exp()
            if self.loss == "info_nce":
                return info_nce(left, right, scale=scale, same=same, hard=self.hard)
            return sigmoid_loss(left, right, scale=scale, bias=self.bias, same=same, hard=self.hard)


def bytes_of(titles: Sequence[str], length: int = 96) -> Tensor:
    """(n, length) int64: UTF-8, cut, 256 behind the end."""
    rows = torch.full((len(titles), length), _BYTES)
    for row, title in zip(rows, titles):
        told = title.encode()[:length]
        row[: len(told)] = torch.tensor(list(told), dtype=torch.int64)
    return rows


def titles_of(titles: Sequence[str]) -> Tensor:
    """(n,) int64: the same number for the same title, on every machine (64 bits of two checksums)."""
    told = [title.strip().lower().encode() for title in titles]
    return torch.tensor([zlib.crc32(own) << 31 ^ zlib.adler32(own) for own in told])
