"""open_clip's VisionTransformer with its default blocks, whose nn.MultiheadAttention keeps queries and keys to itself:
the products are made here from its weights."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from snapfind.core.errors import BadInput
from snapfind.token_merging.trunk import Seen, Trunk, attention

__all__ = ["trunk_of"]


def trunk_of(module: nn.Module) -> Trunk | None:
    """A Trunk where the module is such a VisionTransformer; BadInput where it carries the batch second."""
    if (type(module).__module__, type(module).__name__) != ("open_clip.transformer", "VisionTransformer"):
        return None
    tower: Any = module.transformer
    if any(type(block).__name__ != "ResidualAttentionBlock" for block in tower.resblocks):
        return None
    if not tower.batch_first:
        raise BadInput("this open_clip tower carries the batch in the second place; make it with batch_first=True")
    return Trunk("open_clip", [*tower.resblocks], _attend, _feed, prefix=1, classed=True)


def _attend(block: Any, tokens: Tensor, bias: Tensor | None) -> Seen:
    own: nn.MultiheadAttention = block.attn
    heads = functional.linear(block.ln_1(tokens), own.in_proj_weight, own.in_proj_bias)
    queries, keys, values = heads.unflatten(2, (3, own.num_heads, own.head_dim)).permute(2, 0, 3, 1, 4)
    scale, drop = own.head_dim**-0.5, own.dropout if own.training else 0.0
    mixed = own.out_proj(attention(queries, keys, values, bias, scale, drop))
    return Seen(tokens + block.ls_1(mixed), queries, keys, scale)


def _feed(block: Any, tokens: Tensor) -> Tensor:
    after: Tensor = tokens + block.ls_2(block.mlp(block.ln_2(tokens)))
    return after
