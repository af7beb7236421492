"""Contrastive losses over all processes and any batch size: matching rows are similar, other rows are not.

InfoNCE (van den Oord et al., arXiv 1807.03748) in both directions, and the sigmoid loss of SigLIP (Zhai et al., arXiv
2303.15343). Rows with the same title are all positives (as in Yang et al., "UniCL", arXiv 2204.03610), and hard
negatives may have a higher weight (Robinson et al., arXiv 2010.04592). `gather_rows` concatenates the vectors of all
ranks with their gradients, so that two ranks compute the same as one rank with a batch of twice the size.
`encode_in_parts` encodes a batch that does not fit into memory as GradCache does (Gao et al., arXiv 2101.06983): first
without storing activations, then again part by part in the backward pass.
"""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

__all__ = ["encode_in_parts", "gather_rows", "info_nce", "sigmoid_loss"]


def gather_rows(vectors: Tensor) -> Tensor:
    """Concatenate the vectors of all ranks. Gradients flow back to the rank of each row.

    Args:
        vectors: (n, d) vectors of this rank.

    Returns:
        (ranks * n, d) vectors in order of rank.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return vectors
    joined: Tensor = _Gather.apply(vectors)
    return joined


class _Gather(torch.autograd.Function):
    """Gather in the forward pass. In the backward pass each rank gets the summed gradients of its rows."""

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
    """Symmetric InfoNCE loss of (n, d) unit rows (arXiv 1807.03748, eq. 4). Row i of both sides belongs together.

    Args:
        left: (n, d) unit rows.
        right: (n, d) unit rows.
        scale: Factor of the cosines, the inverse temperature.
        same: (n, n) bool, pairs that belong together. The diagonal by default.
        hard: 0 or more. A negative has the weight exp(hard * scale * cosine), divided by the mean weight.

    Returns:
        Scalar loss.
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
    """Sigmoid loss (arXiv 2303.15343): -log sigmoid(±(scale * cosine + bias)), summed over pairs, averaged over rows.

    Args:
        left: (n, d) unit rows.
        right: (n, d) unit rows.
        scale: Factor of the cosines.
        bias: Added to the scaled cosines.
        same: (n, n) bool, pairs that belong together. The diagonal by default.
        hard: Weight of hard negatives, as in `info_nce`.

    Returns:
        Scalar loss.
    """
    logits, same = left @ right.T * scale, _own(left) if same is None else same
    weights = _weights(logits, same, hard).exp()
    signs = torch.where(same, 1.0, -1.0)
    return -(weights * functional.logsigmoid(signs * (logits + bias))).sum(1).mean()


def encode_in_parts(tower: nn.Module, rows: Tensor, part: int) -> Tensor:
    """Encode a batch with the activations of one part in memory at a time. The gradient is that of the whole batch.

    Args:
        tower: Encoder without batch statistics. Dropout is the same in both passes.
        rows: (n, …) inputs.
        part: Rows per part. 0 encodes all at once.

    Returns:
        (n, d) vectors.
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
    """Return (n, n) logarithms of the weights: 0 for positives, a mean weight of 1 over the negatives of a row."""
    if not hard:
        return torch.zeros_like(logits)
    far = (hard * logits.detach()).masked_fill(same, -torch.inf)
    mean = far.logsumexp(1, keepdim=True) - (~same).sum(1, keepdim=True).clamp(min=1).log()
    return torch.where(same, 0.0, far - mean)
