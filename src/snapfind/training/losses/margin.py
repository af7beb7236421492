"""Margin softmax over product prototypes: a vector must be nearer to its own prototype than to others by a margin.

The margin is subtracted from the cosine as in CosFace (Wang et al., arXiv 1801.09414), or added to the angle as in
ArcFace (Deng et al., arXiv 1801.07698). With `sample_classes` only a part of the other prototypes takes part in a step,
as in Partial FC (An et al., arXiv 2010.05222), so memory and time do not grow with the number of products.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Prototypes", "angular_margin", "cosine_margin", "margin_loss", "sample_classes"]

_EDGE = 1e-6  # keeps the derivative of the arc cosine finite


class Prototypes(nn.Module):
    """Trainable (classes, dim) prototypes. `forward` returns cosines.

    Args:
        first: (classes, dim) initial vectors.
    """

    def __init__(self, first: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(functional.normalize(first.float(), dim=1))

    def forward(self, vectors: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Compute cosines to the prototypes.

        Args:
            vectors: (n, dim) unit rows.
            chosen: (k,) int64 classes, or None for all.

        Returns:
            (n, classes) or (n, k) cosines -1..1.
        """
        weight = self.weight if chosen is None else self.weight[chosen]
        return vectors @ functional.normalize(weight, dim=1).T


def cosine_margin(cosines: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Subtract a margin from the cosine of the own class (CosFace, arXiv 1801.09414, eq. 4).

    Args:
        cosines: (n, k) cosines.
        labels: (n,) int64 classes.
        margin: 0.1 to 0.4.

    Returns:
        (n, k) cosines with margin.
    """
    return cosines - margin * functional.one_hot(labels, cosines.shape[1]).to(cosines)


def angular_margin(cosines: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Add a margin to the angle of the own class (ArcFace, arXiv 1801.07698, eq. 3).

    Beyond pi - margin the cosine would rise again. There the own cosine is reduced by margin * sin(margin) instead.

    Args:
        cosines: (n, k) cosines.
        labels: (n,) int64 classes.
        margin: Radians, 0.1 to 0.5.

    Returns:
        (n, k) cosines with margin.
    """
    own = cosines.gather(1, labels[:, None]).clamp(-1 + _EDGE, 1 - _EDGE)
    turned = torch.cos(torch.acos(own) + margin)
    far = own < torch.cos(torch.tensor(torch.pi - margin))
    moved = torch.where(far, own - margin * torch.sin(torch.tensor(margin)), turned)
    return cosines.scatter(1, labels[:, None], moved.to(cosines))


def margin_loss(
    cosines: Tensor, labels: Tensor, *, scale: float, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Mean softmax cross-entropy of scaled cosines, computed in float32.

    Args:
        cosines: (n, k) cosines with margin.
        labels: (n,) int64 classes.
        scale: Factor of the cosines.
        smoothing: Label smoothing 0..1.
        weights: (n,) weights of the rows, 0 or more. None: equal weights.

    Returns:
        Scalar loss.
    """
    losses = functional.cross_entropy(cosines.float() * scale, labels, label_smoothing=smoothing, reduction="none")
    return losses.mean() if weights is None else (losses * weights).sum() / weights.sum().clamp(min=_EDGE)


def sample_classes(labels: Tensor, classes: int, part: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sample the classes that take part in a step: those of the batch, and others up to a fraction of all.

    Args:
        labels: (n,) int64 classes of the batch.
        classes: Number of classes.
        part: Fraction 0..1 of the classes.
        generator: Random generator.

    Returns:
        The (k,) int64 chosen classes in order, and the (n,) int64 labels as positions among them.
    """
    own = labels.unique()
    drawn = torch.rand(classes, generator=generator)
    drawn[own.cpu()] = 2.0
    count = max(len(own), round(part * classes))
    chosen = drawn.topk(count).indices.sort().values.to(labels.device)
    return chosen, torch.searchsorted(chosen, labels)
