"""Two-tower model: an image encoder and a text encoder with a contrastive loss.

CLIP (Radford et al., arXiv 2103.00020) with either loss. The text encoder reads bytes (after Xue et al., "ByT5", arXiv
2105.13626): it needs no vocabulary and works for every language. The image encoder is the bundled network with a linear
head, or any other module that maps an image to a vector.
"""

import math
import zlib
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from snapfind.training.losses.contrastive import encode_in_parts, gather_rows, info_nce, sigmoid_loss
from snapfind.training.models.efficientnet import Network
from snapfind.training.models.heads import Heads

__all__ = ["ByteText", "ContrastiveLoss", "ImageTower", "TwoTower", "encode_bytes", "title_ids"]

ContrastiveLoss = Literal["info_nce", "sigmoid"]
_BYTES = 256
_SCALE = {"info_nce": 1 / 0.07, "sigmoid": 10.0}  # where the two papers begin
_MOST = 100.0  # of the scale, as in CLIP


class ImageTower(nn.Module):
    """The bundled network with a linear head: (n, side, side, 3) uint8 images to (n, dim) unit rows.

    Args:
        network: The network.
        dim: Length of the vectors.
        first: Name of the first trainable block. Earlier blocks are frozen.
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
        """Return the linear head as the two heads of an artifact. Both roles are the same."""
        matrix, mean = (title_row.detach().cpu().numpy() for title_row in (self.matrix, self.mean))
        return Heads(matrix, mean, mean)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map images to (n, dim) unit rows."""
        features = functional.normalize(self.network(pictures).float(), dim=1)
        return functional.normalize((features - self.mean) @ self.matrix, dim=1)


class ByteText(nn.Module):
    """A small transformer over bytes. The output is the mean over bytes.

    Args:
        dim: Length of the vectors.
        width: Width of the transformer.
        layers: Number of layers.
        length: Largest number of bytes.
    """

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
        """Map texts to (n, dim) unit rows. A text without a byte is the mean of its padding."""
        present = (texts < _BYTES) | (texts == _BYTES).all(1, keepdim=True)
        states = self.layers(self.letters(texts) + self.places[: texts.shape[1]], src_key_padding_mask=~present)
        mean = (states * present[..., None]).sum(1) / present.sum(1, keepdim=True)
        return functional.normalize(self.out(mean).float(), dim=1)


class TwoTower(nn.Module):
    """Two encoders with a contrastive loss. `forward` returns the loss of a batch over all ranks.

    The scale and the bias are trained. As in CLIP the scale itself is clipped to 100, so that it can decrease again.
    The loss is computed in float32.

    Args:
        picture: Image encoder.
        text: Text encoder.
        loss: "info_nce" or "sigmoid".
        part: Rows in memory at a time, 0 for all.
        hard: Weight of hard negatives, as in losses/contrastive.py.
    """

    def __init__(
        self, picture: nn.Module, text: nn.Module, loss: ContrastiveLoss, *, part: int = 0, hard: float = 0.0
    ) -> None:
        super().__init__()
        self.picture, self.text = picture, text
        self.loss, self.part, self.hard = loss, part, hard
        self.scale = nn.Parameter(torch.tensor(_SCALE[loss]).log())
        self.bias = nn.Parameter(torch.tensor(-10.0), requires_grad=loss == "sigmoid")

    def forward(self, pictures: Tensor, texts: Tensor, titles: Tensor) -> Tensor:
        """Return the loss of a batch. Pairs with the same title are no negatives of each other.

        Args:
            pictures: (n, …) images.
            texts: (n, length) texts.
            titles: (n,) int64 number of each title.

        Returns:
            Scalar loss, the same on every rank.
        """
        left = gather_rows(encode_in_parts(self.picture, pictures, self.part))
        right = gather_rows(encode_in_parts(self.text, texts, self.part))
        title_row = gather_rows(titles)
        same = title_row[:, None] == title_row[None, :]
        with torch.no_grad():
            self.scale.clamp_(max=math.log(_MOST))
        with torch.autocast(left.device.type, enabled=False):
            left, right, scale = left.float(), right.float(), self.scale.exp()
            if self.loss == "info_nce":
                return info_nce(left, right, scale=scale, same=same, hard=self.hard)
            return sigmoid_loss(left, right, scale=scale, bias=self.bias, same=same, hard=self.hard)


def encode_bytes(titles: Sequence[str], length: int = 96) -> Tensor:
    """Encode titles as bytes.

    Args:
        titles: n titles.
        length: Number of bytes. Longer titles are cut.

    Returns:
        (n, length) int64 UTF-8 bytes, padded with 256.
    """
    rows = torch.full((len(titles), length), _BYTES)
    for row, title in zip(rows, titles):
        content = title.encode()[:length]
        row[: len(content)] = torch.tensor(list(content), dtype=torch.int64)
    return rows


def title_ids(titles: Sequence[str]) -> Tensor:
    """Number titles by two checksums, so that equal titles have equal numbers on every machine.

    Args:
        titles: n titles.

    Returns:
        (n,) int64 numbers. Case and surrounding spaces are ignored.
    """
    content = [title.strip().lower().encode() for title in titles]
    return torch.tensor([zlib.crc32(title_row) << 31 ^ zlib.adler32(title_row) for title_row in content])
