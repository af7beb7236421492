"""Contrast: two views of one thing agree, those of different things do not; over all processes and any batch size.

InfoNCE (van den Oord et al., arXiv 1807.03748) in both directions, and the sigmoid loss of SigLIP (Zhai et al., arXiv
2303.15343). Rows that carry the same title are all right (as in Yang et al., "UniCL", arXiv 2204.03610), and hard
negatives may weigh more (Robinson et al., arXiv 2010.04592). `gathered` joins the vectors of all ranks with their
gradients, so that two ranks compute what one rank with twice the batch would. `in_parts` makes vectors and gradients of
a batch that does not fit into memory, as GradCache does (Gao et al., arXiv 2101.06983): vectors first, without keeping
what lies between, then that again part by part on the way back.
"""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

__all__ = ["gathered", "in_parts", "info_nce", "sigmoid_loss"]


def gathered(vectors: Tensor) -> Tensor:
    """(n, d) of this rank -> (ranks * n, d), in order of rank; gradients flow back to where the rows came from."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return vectors
    joined: Tensor = _Gather.apply(vectors)
    return joined


class _Gather(torch.autograd.Function):
    """All rows forward; on the way back each rank gets the sum over ranks of the gradients of its own rows."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor) -> Tensor:
        ctx.rows = len(vectors)
        parts = [torch.empty_like(vectors) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, vectors.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        whole = gradient.contiguous().clone()
        distributed.all_reduce(whole)
        first = distributed.get_rank() * ctx.rows
        return whole[first : first + ctx.rows]


def info_nce(
    left: Tensor, right: Tensor, *, scale: float | Tensor = 20.0, same: Tensor | None = None, hard: float = 0.0
) -> Tensor:
    """Symmetric InfoNCE of (n, d) unit rows; row i of both belongs together.

    `same` (n, n) bool tells all pairs that do, by default the diagonal. `hard` 0.. weighs a negative by
    exp(hard * scale * cosine), in mean 1.
    """
    logits, same = left @ right.T * scale, _own(left) if same is None else same
    return 0.5 * (_one_way(logits, same, hard) + _one_way(logits.T, same.T, hard))


def sigmoid_loss(
    left: Tensor,
    right: Tensor,
    *,
    scale: float | Tensor = 10.0,
    bias: float | Tensor = -10.0,
    same: Tensor | None = None,
    hard: float = 0.0,
) -> Tensor:
    """Every pair is judged alone: -log sigmoid(+-(scale * cosine + bias)), summed over pairs, a mean over rows.

    `same` and `hard` as in `info_nce`.
    """
    logits, same = left @ right.T * scale, _own(left) if same is None else same
    weights = _weights(logits, same, hard).exp()
    signs = torch.where(same, 1.0, -1.0)
    return -(weights * functional.logsigmoid(signs * (logits + bias))).sum(1).mean()


def in_parts(tower: nn.Module, rows: Tensor, part: int) -> Tensor:
    """`tower(rows)` with the activations of `part` rows in memory at a time; the gradient is that of the whole batch.

    Each row must be seen alone (no batch statistics). Dropout draws alike in both passes.
    """
    if not 0 < part < len(rows) or not torch.is_grad_enabled():
        vectors: Tensor = tower(rows)
        return vectors
    return torch.cat([checkpoint(tower, piece, use_reentrant=False) for piece in rows.split(part)])


def _own(rows: Tensor) -> Tensor:
    return torch.eye(len(rows), dtype=torch.bool, device=rows.device)


def _one_way(logits: Tensor, same: Tensor, hard: float) -> Tensor:
    logs = (logits + _weights(logits, same, hard)).log_softmax(1)
    return -((logs * same).sum(1) / same.sum(1)).mean()


def _weights(logits: Tensor, same: Tensor, hard: float) -> Tensor:
    """(n, n) logarithms of the weights: 0 for what belongs together, in mean weight 1 over the others of a row."""
    if not hard:
        return torch.zeros_like(logits)
    far = (hard * logits.detach()).masked_fill(same, -torch.inf)
    mean = far.logsumexp(1, keepdim=True) - (~same).sum(1, keepdim=True).clamp(min=1).log()
    return torch.where(same, 0.0, far - mean)
