"""What keeps products findable that were not there to learn from: weights half way back, and a closed form beside.

Weights between those before and after fine-tuning see what is new better than those after, and what is known as well
(Wortsman et al., "Robust fine-tuning of zero-shot models", arXiv 2109.01903, eq. 1, there for CLIP).

A softmax over the shop's products uses up the directions that tell these apart; what is new lies in the others and is
drawn to the known. The closed form (`first_matrix`) keeps whatever differs between things and not within one. The two
stand side by side in one affine map, weighted by their mean length: a photo of nothing known is short in the learnt
half, so that there the other half decides. `SHARE` was chosen inside grocery's `train` (benchmarks/learn_unseen.py).
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snapfind.training.initialization import Seen
from snapfind.training.models.heads import Heads, first_matrix

__all__ = ["SHARE", "between", "steadied"]

SHARE = 0.7  # of the closed form in a cosine


@torch.no_grad()
def between(before: Mapping[str, Tensor], learnt: nn.Module, part: float) -> None:
    """Sets `learnt` to `part` 0..1 of the way from the weights `before` to its own; 1 changes nothing."""
    for name, weight in learnt.state_dict().items():
        if weight.is_floating_point():
            weight.lerp_(before[name].to(weight), 1 - part)


def steadied(heads: Heads, seen: Seen, share: float = SHARE) -> Heads:
    """Heads of up to twice the width. `seen` holds what they learnt from, features as their body makes them now.

    `share` 0..1 of the closed form; with 0 products rank as by `heads` alone.
    """
    learnt = heads.adapter("", {}).weights
    dim = learnt["query_matrix"].shape[1]
    closed = first_matrix(seen.features, seen.products, min(dim, seen.features.shape[1]))
    sides = {}
    for role, rows in (("query", seen.features[seen.queries]), ("catalogue", seen.features[~seen.queries])):
        centred = rows - learnt[f"{role}_mean"]
        halves = ((1 - share, learnt[f"{role}_matrix"]), (share, closed))
        sides[role] = np.hstack([part**0.5 / _length(centred @ matrix) * matrix for part, matrix in halves])
    joined = Heads(sides["query"], learnt["query_mean"], learnt["catalogue_mean"])
    joined.catalogue.data.copy_(joined.catalogue.new_tensor(sides["catalogue"]))
    return joined


def _length(rows: NDArray[np.floating]) -> float:
    """Root mean square over the rows."""
    return max(float(np.sqrt((rows**2).sum(axis=1).mean())), 1e-9)
