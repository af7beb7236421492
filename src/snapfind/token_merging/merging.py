"""Merging tokens by a match, and taking it back: the size-weighted mean there, each part a copy of the whole back.

Indices are made flat over the batch: on a CPU that is several times faster than gather and scatter with an index as
wide as the tokens.
"""

import torch
from torch import Tensor

from snapfind.token_merging.matching import Match, sources, targets

__all__ = ["merge", "unmerge"]


def merge(tokens: Tensor, sizes: Tensor, found: Match) -> tuple[Tensor, Tensor]:
    """Tokens (b, n, c) and sizes (b, n), how many patches each stands for, -> both with n - r tokens.

    A target becomes the mean of itself and its sources, weighted by size; a token that nothing joins keeps its bits.
    """
    to, prefix, even = found.to, found.prefix, sources(tokens, found.prefix)
    parts, wholes = sources(sizes, prefix), targets(sizes, prefix)
    going = parts.gather(1, found.go)
    grown = wholes.scatter_add(1, to, going)
    kept = targets(tokens, prefix) * (wholes / grown)[..., None].to(tokens.dtype)
    moved = _taken(even, found.go) * (going / grown.gather(1, to))[..., None].to(tokens.dtype)
    return (
        torch.cat([tokens[:, :prefix], _taken(even, found.stay), _added(kept, to, moved)], 1),
        torch.cat([sizes[:, :prefix], parts.gather(1, found.stay), grown], 1),
    )


def unmerge(tokens: Tensor, found: Match) -> Tensor:
    """(b, n - r, …) -> (b, n, …): every token of before the merge, in its old place."""
    flat = tokens.reshape(*tokens.shape[:2], -1)
    return _taken(flat, _places(found)).reshape(tokens.shape[0], found.tokens, *tokens.shape[2:])


def _places(found: Match) -> Tensor:
    """(b, n) int64: where each token of before the merge is after it."""
    every = torch.arange(found.tokens, device=found.to.device).repeat(len(found.to), 1)
    prefix, even, odd = found.prefix, sources(every, found.prefix), targets(every, found.prefix)
    stays = prefix + found.stay.shape[1]
    before = (every[:, :prefix], even.gather(1, found.stay), even.gather(1, found.go), odd)
    after = (every[:, :prefix], every[:, prefix:stays], stays + found.to, stays + every[:, : odd.shape[1]])
    return torch.zeros_like(every).scatter(1, torch.cat(before, 1), torch.cat(after, 1))


def _flat(index: Tensor, rows: int) -> Tensor:
    """(b, k) places among `rows` of each picture -> (b * k,) places among all rows."""
    if len(index) > 1:
        index = index + rows * torch.arange(len(index), device=index.device)[:, None]
    return index.reshape(-1)


def _taken(tokens: Tensor, index: Tensor) -> Tensor:
    """(b, n, c), (b, k) -> (b, k, c)."""
    batch, rows, width = tokens.shape
    return tokens.reshape(-1, width).index_select(0, _flat(index, rows)).reshape(batch, -1, width)


def _added(tokens: Tensor, index: Tensor, more: Tensor) -> Tensor:
    """(b, n, c) with `more` (b, k, c) added in the places `index` (b, k)."""
    batch, rows, width = tokens.shape
    summed = tokens.reshape(-1, width).index_add(0, _flat(index, rows), more.reshape(-1, width))
    return summed.reshape(batch, rows, width)
