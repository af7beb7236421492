"""What catalogue adaptation trains: features of photos and of studio pictures, two heads, one softmax over products.

Query and document are samples of the same class (OCLEAR, arXiv 2305.03972, for photos and studio pictures), classes are
directions with a margin (arXiv 1801.09414). Maps of two photos may be mixed (manifold mixup, Verma et al., arXiv
1806.05236) and part of a map may be hidden (DeVries & Taylor's cutout, arXiv 1708.04552, on cells).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from snapfind.training.losses.margin import Prototypes, cosine_margin, margin_loss
from snapfind.training.models.efficientnet import Network
from snapfind.training.models.heads import Heads

__all__ = ["Recipe", "Recogniser", "Tail"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Numbers of the loss: first guesses, none of them chosen by cross-validation yet."""

    scale: float = 16.0
    margin: float = 0.1
    smoothing: float = 0.1
    studio: float = 1.0  # weight of a studio picture's loss
    mixed: float = 0.5  # part of the batches whose maps are mixed
    hidden: float = 0.0  # part of the side of the map that is hidden
    mirrored: float = 0.0  # part of the batches whose maps are mirrored


class Tail(nn.Module):
    """The blocks of a network from `first` on, and its pooling: (n, c, h, w) maps -> (n, width) features.

    With `first` 0 it takes pictures: (n, side, side, 3), levels 0..255.
    """

    def __init__(self, network: Network, first: int) -> None:
        super().__init__()
        self.network, self.first = network, first
        for number, block in enumerate(network.blocks):
            block.requires_grad_(number >= first)
        hold_depthwise(network)

    def forward(self, cells: Tensor) -> Tensor:
        """Float32 on the way out, whatever the precision within."""
        planes = cells if self.first else self.network.planes(cells)
        return self.network.pooled(planes, self.first).float()


def hold_depthwise(network: Network) -> None:
    """Depthwise kernels stay as they are: few weights, but their gradient is about half of a step on a CPU."""
    for module in network.modules():
        if getattr(module, "groups", 1) > 1:
            module.weight.requires_grad_(False)  # type: ignore[union-attr, operator]


class Recogniser(nn.Module):
    """`forward(seen, queries, labels)` is the loss of a batch of photos (True in `queries`) and studio pictures."""

    def __init__(self, body: nn.Module, heads: Heads, prototypes: Prototypes, recipe: Recipe) -> None:
        super().__init__()
        self.body, self.heads, self.prototypes, self.recipe = body, heads, prototypes, recipe

    def forward(self, seen: Tensor, queries: Tensor, labels: Tensor) -> Tensor:
        """`seen` (n, …) as `body` takes it, (n,) bool, (n,) int64 -> a scalar."""
        recipe = self.recipe
        other, share = _partners(queries), 1.0
        if recipe.mixed and torch.rand(()) < recipe.mixed:
            share = 0.5 + 0.5 * float(torch.rand(()))
            seen = share * seen + (1 - share) * seen[other]
        if recipe.mirrored and torch.rand(()) < recipe.mirrored:
            seen = seen.flip(-1)
        if recipe.hidden:
            seen = _hide(seen, recipe.hidden)
        cosines = self.prototypes(self.heads(self.body(seen), queries))
        weights = torch.where(queries, 1.0, recipe.studio)
        loss = share * self._loss(cosines, labels, weights)
        return loss if share == 1.0 else loss + (1 - share) * self._loss(cosines, labels[other], weights)

    def _loss(self, cosines: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        near = cosine_margin(cosines, labels, self.recipe.margin)
        return margin_loss(near, labels, scale=self.recipe.scale, smoothing=self.recipe.smoothing, weights=weights)

    @torch.no_grad()
    def vectors(self, seen: Tensor, *, query: bool, batch: int = 64) -> Tensor:
        """Unit rows (n, dim) in one role."""
        seen = seen.to(self.heads.query.device)
        rows = torch.full((batch,), query, device=seen.device)
        return torch.cat([self.heads(self.body(part), rows[: len(part)]) for part in seen.split(batch)])


def _partners(queries: Tensor) -> Tensor:
    """(n,) places: each row gets another of its own role, so that a mixture is seen through one head."""
    places = torch.arange(len(queries), device=queries.device)
    for role in (queries, ~queries):
        own = places[role]
        places[role] = own[torch.randperm(len(own), device=own.device)]
    return places


def _hide(cells: Tensor, part: float) -> Tensor:
    """A square of the map, another one in each row, set to nothing."""
    n, _, height, width = cells.shape
    side = max(1, round(part * width))
    y, x = (torch.randint(0, span - side + 1, (n, 1, 1), device=cells.device) for span in (height, width))
    down = torch.arange(height, device=cells.device)[None, :, None]
    across = torch.arange(width, device=cells.device)[None, None, :]
    inside = (down >= y) & (down < y + side) & (across >= x) & (across < x + side)
    return cells * ~inside[:, None]
