"""Margin softmax: each product is a direction, a vector must be nearer to its own than to any other by a margin.

Additive in the cosine as in CosFace (Wang et al., arXiv 1801.09414), or in the angle as in ArcFace (Deng et al., arXiv
1801.07698). With `sampled` only part of the other directions stand against each batch, as in Partial FC (An et
al., arXiv 2010.05222): memory and time no longer grow with the number of products.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Prototypes", "angular_margin", "cosine_margin", "margin_loss", "sampled"]

_EDGE = 1e-6  # keeps the derivative of the arc cosine finite


class Prototypes(nn.Module):
    """(classes, dim) directions, learned; `forward` gives the cosines (n, classes) of unit rows to them."""

    def __init__(self, first: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(functional.normalize(first.float(), dim=1))

    def forward(self, vectors: Tensor, chosen: Tensor | None = None) -> Tensor:
        """(n, dim) unit rows -> (n, classes) cosines in -1..1, or (n, k) to the `chosen` (k,) classes."""
        weight = self.weight if chosen is None else self.weight[chosen]
        return vectors @ functional.normalize(weight, dim=1).T


def cosine_margin(cosines: Tensor, labels: Tensor, margin: float) -> Tensor:
    """The own cosine less `margin` (0.1 to 0.4): (n, k) cosines, (n,) labels -> (n, k)."""
    return cosines - margin * functional.one_hot(labels, cosines.shape[1]).to(cosines)


def angular_margin(cosines: Tensor, labels: Tensor, margin: float) -> Tensor:
    """The own angle made larger by `margin` radians (0.1 to 0.5): (n, k) cosines, (n,) labels -> (n, k).

    Beyond pi - margin the cosine would rise again: there the own cosine falls by margin * sin(margin) instead.
    """
    own = cosines.gather(1, labels[:, None]).clamp(-1 + _EDGE, 1 - _EDGE)
    turned = torch.cos(torch.acos(own) + margin)
    far = own < torch.cos(torch.tensor(torch.pi - margin))
    moved = torch.where(far, own - margin * torch.sin(torch.tensor(margin)), turned)
    return cosines.scatter(1, labels[:, None], moved.to(cosines))


def margin_loss(
    cosines: Tensor, labels: Tensor, *, scale: float, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Mean softmax cross-entropy of `scale` times the cosines, in float32; `weights` (n,) >= 0 of the rows."""
    losses = functional.cross_entropy(cosines.float() * scale, labels, label_smoothing=smoothing, reduction="none")
    return losses.mean() if weights is None else (losses * weights).sum() / weights.sum().clamp(min=_EDGE)


def sampled(labels: Tensor, classes: int, part: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Classes that stand against a batch: all its own and so many others that `part` (0..1) of all are there.

    Returns the chosen classes (k,), sorted, and the labels (n,) as places among them.
    """
    own = labels.unique()
    drawn = torch.rand(classes, generator=generator)
    drawn[own.cpu()] = 2.0
    count = max(len(own), round(part * classes))
    chosen = drawn.topk(count).indices.sort().values.to(labels.device)
    return chosen, torch.searchsorted(chosen, labels)
