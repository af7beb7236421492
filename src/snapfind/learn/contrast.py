"""Contrast: two views of one thing agree, those of different things do not; over all processes and any batch size.

InfoNCE (van den Oord et al., arXiv 1807.03748) in both directions, and the sigmoid loss of SigLIP (Zhai et al., arXiv
2303.15343). `gathered` joins the vectors of all ranks with their gradients, so that two ranks compute what one rank
with twice the batch would. `cached_step` (Gao et al., "GradCache", arXiv 2101.06983) makes the gradient of a batch that
does not fit into memory: vectors first, without a graph, then the graph part by part.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_gather
from torch.nn import functional

__all__ = ["cached_step", "gathered", "info_nce", "sigmoid_loss"]

PairLoss = Callable[[Tensor, Tensor], Tensor]


def gathered(vectors: Tensor) -> Tensor:
    """(n, d) of this rank -> (ranks * n, d), in order of rank; gradients flow back to where the rows came from."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return vectors
    return torch.cat(all_gather(vectors))  # type: ignore[no-untyped-call]


def info_nce(left: Tensor, right: Tensor, *, scale: float = 20.0) -> Tensor:
    """Symmetric InfoNCE of (n, d) unit rows; row i of both belongs together."""
    logits, own = left @ right.T * scale, torch.arange(len(left), device=left.device)
    return 0.5 * (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own))


def sigmoid_loss(left: Tensor, right: Tensor, *, scale: float = 10.0, bias: float = -10.0) -> Tensor:
    """Every pair is judged alone: -log sigmoid(+-(scale * cosine + bias)), summed over pairs, a mean over rows."""
    signs = 2 * torch.eye(len(left), device=left.device) - 1
    return -functional.logsigmoid(signs * (left @ right.T * scale + bias)).sum(1).mean()


def cached_step(towers: Sequence[nn.Module], inputs: Sequence[Tensor], loss: PairLoss, part: int) -> Tensor:
    """Adds the gradient of `loss(gathered left, gathered right)` over the whole batch to the towers' parameters.

    Each tower sees `part` rows at a time. With dropout the two passes must draw alike: the random state of each part is
    kept and set again. Returns the loss.
    """
    states: list[list[Tensor]] = []
    vectors = []
    with torch.no_grad():
        for tower, rows in zip(towers, inputs):
            states.append([])
            seen = []
            for piece in rows.split(part):
                states[-1].append(torch.get_rng_state())
                seen.append(tower(piece))
            vectors.append(torch.cat(seen).requires_grad_())
    with torch.enable_grad():
        value = loss(gathered(vectors[0]), gathered(vectors[1]))
        value.backward()  # type: ignore[no-untyped-call]
    after = torch.get_rng_state()
    for tower, rows, held, own in zip(towers, inputs, states, vectors):
        assert own.grad is not None
        for piece, state, gradient in zip(rows.split(part), held, own.grad.split(part)):
            torch.set_rng_state(state)
            tower(piece).backward(gradient)
    torch.set_rng_state(after)
    return value.detach()
