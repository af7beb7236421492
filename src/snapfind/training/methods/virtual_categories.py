"""The category network of Virtual IDs: what kind of thing a photo shows, learned from clicks alone.

After Zhang et al. (arXiv 2102.04667): classification on Virtual IDs of the co-click graph of leaf categories, with two
regularizers, the category of what was clicked first and the tab that the shopper changed to by hand. The paper does not
publish their form; here the network scores leaf categories, and

    virtual   cross-entropy of the photo's Virtual ID, whose probability is the sum over its leaves
    first     cross-entropy of the leaf of the first click
    switch    softplus(score of the tab that was left - score of the tab that was chosen), a tab being the sum of its
              leaves
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from snapfind.training.losses.margin import Prototypes

__all__ = ["Leaves", "Shares"]


@dataclass(frozen=True, slots=True)
class Shares:
    """Weights of the three parts; `scale` of the cosines in the softmax."""

    virtual: float = 1.0
    first: float = 0.5
    switch: float = 0.5
    scale: float = 16.0


class Leaves(nn.Module):
    """`forward` is the loss of photos whose clicks are known; `own` (leaves,) Virtual IDs, `tabs` (leaves,) tabs.

    >>> Leaves(own, tabs, dim=128, shares=Shares()).scores(vectors).argmax(1)    # (n,) leaf categories
    """

    own: Tensor
    tabs: Tensor

    def __init__(self, own: Tensor, tabs: Tensor, dim: int, shares: Shares) -> None:
        super().__init__()
        self.register_buffer("own", own)
        self.register_buffer("tabs", tabs)
        self.directions, self.shares = Prototypes(torch.randn(len(own), dim)), shares

    def scores(self, vectors: Tensor) -> Tensor:
        """(n, dim) unit rows of photos -> (n, leaves) logits."""
        return self.directions(vectors) * self.shares.scale

    def forward(self, vectors: Tensor, virtual: Tensor, first: Tensor, tab: Tensor, switched: Tensor) -> Tensor:
        """(n, dim) unit rows of photos and four (n,) int64 of their searches, -1 where there is none -> a scalar."""
        logits, shares = self.scores(vectors).log_softmax(1), self.shares
        loss = logits.sum() * 0.0
        for weight, part, labels in (
            (shares.virtual, _summed(logits, self.own), virtual),
            (shares.first, logits, first),
        ):
            if weight and (labels >= 0).any():
                loss = loss + weight * functional.nll_loss(part[labels >= 0], labels[labels >= 0])
        moved = (switched >= 0) & (tab >= 0)
        if shares.switch and moved.any():
            tabs = _summed(logits[moved], self.tabs)
            gap = tabs.gather(1, tab[moved, None]) - tabs.gather(1, switched[moved, None])
            loss = loss + shares.switch * functional.softplus(gap).sum() / len(tab)
        return loss


def _summed(logs: Tensor, groups: Tensor) -> Tensor:
    """(n, leaves) log-probabilities and (leaves,) their groups, -1 in none -> (n, groups) log-probabilities."""
    count = int(groups.max()) + 1
    return torch.stack([logs[:, groups == one].logsumexp(1) for one in range(count)], 1)
