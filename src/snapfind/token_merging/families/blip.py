"""BLIP's vision tower in transformers, whose attention takes no mask: it is made here from the tower's own weights.

Its tokens are passed on merged, not restored: the text side attends to them in every layer and for every word, and
fewer of them are the gain there (pruning.py takes more).
"""

from typing import Any

from torch import Tensor, nn

from snapfind.token_merging.trunk import Attended, Trunk, attention

__all__ = ["trunk_of"]


def trunk_of(module: nn.Module) -> Trunk | None:
    """A Trunk where the module is the list of layers of such a tower."""
    if not isinstance(module, nn.ModuleList) or not len(module) or type(module[0]).__name__ != "BlipEncoderLayer":
        return None
    return Trunk("blip", [*module], _attend, _feed, prefix=1, classed=True, restores=False)


def _attend(block: Any, tokens: Tensor, bias: Tensor | None) -> Attended:
    own = block.self_attn
    heads = own.qkv(block.layer_norm1(tokens)).unflatten(2, (3, own.num_heads, own.head_dim))
    queries, keys, values = heads.permute(2, 0, 3, 1, 4)
    drop = own.dropout.p if own.training else 0.0
    mixed = own.projection(attention(queries, keys, values, bias, own.scale, drop))
    return Attended(tokens + mixed, queries, keys, own.scale)


def _feed(block: Any, tokens: Tensor) -> Tensor:
    after: Tensor = tokens + block.mlp(block.layer_norm2(tokens))
    return after
