"""Model of catalog adaptation: a body, two heads for photos and studio images, and one softmax over products.

Query and document are samples of the same class (OCLEAR, arXiv 2305.03972, here for photos and studio images). The
softmax has a cosine margin (CosFace, arXiv 1801.09414). Feature maps of two photos may be mixed (manifold mixup, Verma
et al., arXiv 1806.05236), and a square of a feature map may be erased (cutout, DeVries and Taylor, arXiv 1708.04552).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from snapfind.training.losses.margin import Prototypes, cosine_margin, margin_loss
from snapfind.training.models.efficientnet import Network
from snapfind.training.models.heads import Heads

__all__ = ["LossConfig", "ProductRecognizer", "Tail"]


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Loss configuration. The defaults were not tuned by cross-validation."""

    scale: float = 16.0
    margin: float = 0.1
    smoothing: float = 0.1
    studio: float = 1.0  # weight of the loss of a studio image
    mixed: float = 0.5  # fraction of the batches with mixup
    hidden: float = 0.0  # side of the erased square as a fraction of the map, 0 disables it
    mirrored: float = 0.0  # fraction of the batches that are flipped horizontally


class Tail(nn.Module):
    """The trainable blocks of a network, from block `first` on, and the pooling.

    Maps (n, c, h, w) float32 feature maps to (n, width) features. If `first` is 0 the input is (n, side, side, 3)
    images with levels 0..255.
    """

    def __init__(self, network: Network, first: int) -> None:
        super().__init__()
        self.network, self.first = network, first
        for number, block in enumerate(network.blocks):
            block.requires_grad_(number >= first)
        freeze_depthwise(network)

    def forward(self, cells: Tensor) -> Tensor:
        """Return (n, width) float32 features, whatever the precision of the blocks."""
        planes = cells if self.first else self.network.planes(cells)
        return self.network.pooled(planes, self.first).float()


def freeze_depthwise(network: Network) -> None:
    """Freeze depthwise kernels: they have few weights, but their gradient takes about half of a step on a CPU."""
    for module in network.modules():
        if getattr(module, "groups", 1) > 1:
            module.weight.requires_grad_(False)  # type: ignore[union-attr, operator]


class ProductRecognizer(nn.Module):
    """Body, heads and product prototypes. `forward` returns the loss of a batch."""

    def __init__(self, body: nn.Module, heads: Heads, prototypes: Prototypes, loss_config: LossConfig) -> None:
        super().__init__()
        self.body, self.heads, self.prototypes, self.loss_config = body, heads, prototypes, loss_config

    def forward(self, inputs: Tensor, queries: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch.

        Args:
            inputs: (n, …) inputs of the body.
            queries: (n,) bool, True for photos, False for studio images.
            labels: (n,) int64 products.

        Returns:
            Scalar loss.
        """
        loss_config = self.loss_config
        other, share = _draw_partners(queries), 1.0
        if loss_config.mixed and torch.rand(()) < loss_config.mixed:
            share = 0.5 + 0.5 * float(torch.rand(()))
            inputs = share * inputs + (1 - share) * inputs[other]
        if loss_config.mirrored and torch.rand(()) < loss_config.mirrored:
            inputs = inputs.flip(-1)
        if loss_config.hidden:
            inputs = _erase_square(inputs, loss_config.hidden)
        cosines = self.prototypes(self.heads(self.body(inputs), queries))
        weights = torch.where(queries, 1.0, loss_config.studio)
        loss = share * self._loss(cosines, labels, weights)
        return loss if share == 1.0 else loss + (1 - share) * self._loss(cosines, labels[other], weights)

    def _loss(self, cosines: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        near = cosine_margin(cosines, labels, self.loss_config.margin)
        return margin_loss(
            near, labels, scale=self.loss_config.scale, smoothing=self.loss_config.smoothing, weights=weights
        )

    @torch.no_grad()
    def vectors(self, inputs: Tensor, *, query: bool, batch: int = 64) -> Tensor:
        """Return (n, dim) unit rows in the role of photos (`query`) or of catalog images."""
        inputs = inputs.to(self.heads.query.device)
        rows = torch.full((batch,), query, device=inputs.device)
        return torch.cat([self.heads(self.body(part), rows[: len(part)]) for part in inputs.split(batch)])


def _draw_partners(queries: Tensor) -> Tensor:
    """Return (n,) random partners of the same role, so that a mixture passes through one head."""
    indices = torch.arange(len(queries), device=queries.device)
    for role in (queries, ~queries):
        members = indices[role]
        indices[role] = members[torch.randperm(len(members), device=members.device)]
    return indices


def _erase_square(cells: Tensor, size: float) -> Tensor:
    """Set a random square of each map to zero. `size` is its side as a fraction of the map."""
    n, _, height, width = cells.shape
    side = max(1, round(size * width))
    y, x = (torch.randint(0, span - side + 1, (n, 1, 1), device=cells.device) for span in (height, width))
    down = torch.arange(height, device=cells.device)[None, :, None]
    across = torch.arange(width, device=cells.device)[None, None, :]
    inside = (down >= y) & (down < y + side) & (across >= x) & (across < x + side)
    return cells * ~inside[:, None]
