"""Weight interpolation (WiSE-FT) and closed-form heads, so that products added after training are found too.

Interpolated weights are better on new products than fine-tuned weights, and as good on known ones (Wortsman et al.,
"Robust fine-tuning of zero-shot models", arXiv 2109.01903, eq. 1, there for CLIP).

A softmax over the products of a shop keeps only the directions that separate these products, so new products look like
known ones. The closed form (`discriminant_matrix`) keeps all directions that vary between products and not within one.
The outputs of both are concatenated in one affine map and weighted by their root mean square length. A photo of a new
product has a short trained half, so the closed form decides there. `SHARE` was chosen on the `train` split of the
grocery data (benchmarks/learn_unseen.py).
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snapfind.training.initialization import EncodedSamples
from snapfind.training.models.heads import Heads, discriminant_matrix

__all__ = ["SHARE", "append_closed_form", "interpolate_weights"]

SHARE = 0.7  # weight of the closed form in a cosine


@torch.no_grad()
def interpolate_weights(initial: Mapping[str, Tensor], module: nn.Module, alpha: float) -> None:
    """Set the weights of `module` to (1 - alpha) * initial + alpha * trained (arXiv 2109.01903, eq. 1).

    Args:
        initial: State dict before training.
        module: The trained module, changed in place.
        alpha: 0..1. 1 changes nothing.
    """
    for name, weight in module.state_dict().items():
        if weight.is_floating_point():
            weight.lerp_(initial[name].to(weight), 1 - alpha)


def append_closed_form(heads: Heads, samples: EncodedSamples, share: float = SHARE) -> Heads:
    """Concatenate the closed form to trained heads.

    Args:
        heads: The trained heads.
        samples: The training samples, with features of the trained body.
        share: Weight 0..1 of the closed form in a cosine. With 0 the ranking is that of `heads`.

    Returns:
        Heads of up to twice the dimension.
    """
    trained = heads.adapter("", {}).weights
    dim = trained["query_matrix"].shape[1]
    closed = discriminant_matrix(samples.features, samples.products, min(dim, samples.features.shape[1]))
    matrices = {}
    for role, rows in (("query", samples.features[samples.queries]), ("document", samples.features[~samples.queries])):
        centered = rows - trained[f"{role}_mean"]
        halves = ((1 - share, trained[f"{role}_matrix"]), (share, closed))
        matrices[role] = np.hstack([weight**0.5 / _rms_length(centered @ matrix) * matrix for weight, matrix in halves])
    joined = Heads(matrices["query"], trained["query_mean"], trained["document_mean"])
    joined.document.data.copy_(joined.document.new_tensor(matrices["document"]))
    return joined


def _rms_length(rows: NDArray[np.floating]) -> float:
    """Return the root mean square length of the rows."""
    return max(float(np.sqrt((rows**2).sum(axis=1).mean())), 1e-9)
