"""The VisionTransformer of open_clip with its default blocks.

Its nn.MultiheadAttention does not return queries and keys, so they are computed here from its weights.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from snapfind.core.errors import BadInput
from snapfind.token_merging.trunk import Attended, Trunk, attention

__all__ = ["trunk_of"]


def trunk_of(module: nn.Module) -> Trunk | None:
    """Return the trunk of such a VisionTransformer, else None. Raise BadInput if its batch dimension is the second."""
    if (type(module).__module__, type(module).__name__) != ("open_clip.transformer", "VisionTransformer"):
        return None
    tower: Any = module.transformer
    if any(type(block).__name__ != "ResidualAttentionBlock" for block in tower.resblocks):
        return None
    if not tower.batch_first:
        raise BadInput("This open_clip tower has the batch in the second dimension. Create it with batch_first=True.")
    return Trunk("open_clip", [*tower.resblocks], _attend, _feed, prefix=1, classed=True)


def _attend(block: Any, tokens: Tensor, bias: Tensor | None) -> Attended:
    own: nn.MultiheadAttention = block.attn
    heads = functional.linear(block.ln_1(tokens), own.in_proj_weight, own.in_proj_bias)
    queries, keys, values = heads.unflatten(2, (3, own.num_heads, own.head_dim)).permute(2, 0, 3, 1, 4)
    scale, drop = own.head_dim**-0.5, own.dropout if own.training else 0.0
    mixed = own.out_proj(attention(queries, keys, values, bias, scale, drop))
    return Attended(tokens + block.ls_1(mixed), queries, keys, scale)


def _feed(block: Any, tokens: Tensor) -> Tensor:
    after: Tensor = tokens + block.ls_2(block.mlp(block.ln_2(tokens)))
    return after
