"""Category network for Virtual IDs: the category of a photo, trained on clicks alone.

After Zhang et al. (arXiv 2102.04667): classification of Virtual IDs of the co-click graph of leaf categories, with two
regularizers, the category of the first click and the tab that the shopper changed to. The paper does not publish their
form. Here the network scores leaf categories, and

    virtual   cross-entropy of the photo's Virtual ID, whose probability is the sum over its leaf categories
    first     cross-entropy of the leaf category of the first click
    switch    softplus(score of the tab that was left - score of the tab that was chosen), where the score of a tab is
              the sum over its leaf categories
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from snapfind.training.losses.margin import Prototypes

__all__ = ["Leaves", "Shares"]


@dataclass(frozen=True, slots=True)
class Shares:
    """Weights of the parts of the loss.

    Attributes:
        virtual: Weight of the Virtual IDs.
        first: Weight of the first click.
        switch: Weight of the change of tab.
        scale: Factor of the cosines in the softmax.
    """

    virtual: float = 1.0
    first: float = 0.5
    switch: float = 0.5
    scale: float = 16.0


class Leaves(nn.Module):
    """Scores of leaf categories. `forward` returns the loss of photos with known clicks.

    Args:
        virtual_ids: (leaves,) int64 Virtual IDs, -1 for none.
        tabs: (leaves,) int64 tabs.
        dim: Length of the vectors.
        shares: Weights of the parts of the loss.

    Example:
        >>> Leaves(virtual_ids, tabs, dim=128, shares=Shares()).scores(vectors).argmax(1)    # (n,) leaf categories
    """

    virtual_ids: Tensor
    tabs: Tensor

    def __init__(self, virtual_ids: Tensor, tabs: Tensor, dim: int, shares: Shares) -> None:
        super().__init__()
        self.register_buffer("virtual_ids", virtual_ids)
        self.register_buffer("tabs", tabs)
        self.directions, self.shares = Prototypes(torch.randn(len(virtual_ids), dim)), shares

    def scores(self, vectors: Tensor) -> Tensor:
        """Map (n, dim) unit rows of photos to (n, leaves) logits."""
        return self.directions(vectors) * self.shares.scale

    def forward(self, vectors: Tensor, virtual: Tensor, first: Tensor, tab: Tensor, switched: Tensor) -> Tensor:
        """Return the loss of n photos. Labels are -1 if they are not known.

        Args:
            vectors: (n, dim) unit rows.
            virtual: (n,) int64 Virtual IDs.
            first: (n,) int64 leaf categories of the first clicks.
            tab: (n,) int64 tabs that were left.
            switched: (n,) int64 tabs that were chosen.

        Returns:
            Scalar loss.
        """
        logits, shares = self.scores(vectors).log_softmax(1), self.shares
        loss = logits.sum() * 0.0
        for weight, part, labels in (
            (shares.virtual, _sum_by_group(logits, self.virtual_ids), virtual),
            (shares.first, logits, first),
        ):
            if weight and (labels >= 0).any():
                loss = loss + weight * functional.nll_loss(part[labels >= 0], labels[labels >= 0])
        switchers = (switched >= 0) & (tab >= 0)
        if shares.switch and switchers.any():
            tabs = _sum_by_group(logits[switchers], self.tabs)
            gap = tabs.gather(1, tab[switchers, None]) - tabs.gather(1, switched[switchers, None])
            loss = loss + shares.switch * functional.softplus(gap).sum() / len(tab)
        return loss


def _sum_by_group(logs: Tensor, groups: Tensor) -> Tensor:
    """Sum (n, leaves) log-probabilities by the (leaves,) groups, -1 for none, to (n, groups) log-probabilities."""
    count = int(groups.max()) + 1
    return torch.stack([logs[:, groups == one].logsumexp(1) for one in range(count)], 1)
