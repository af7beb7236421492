"""Vision towers of transformers whose attention takes a mask: ViT, DeiT, DINOv2 (with registers too), CLIP, SigLIP.

Queries and keys are read from their projections. Text encoders of the same classes are recognized by their
configuration, which has no patches.
"""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from snapfind.core.errors import BadInput
from snapfind.token_merging.trunk import Attended, Trunk, capture_output

__all__ = ["trunk_of"]


@dataclass(frozen=True, slots=True)
class _Names:
    """What a layer calls its attention and the norms before it and before the MLP; how many prefix tokens there are."""

    attention: str
    first: str
    second: str
    prefix: int


_OLD = _Names("attention", "layernorm_before", "layernorm_after", 1)
_NEW = _Names("self_attn", "layer_norm1", "layer_norm2", 1)
_DINO = _Names("attention", "norm1", "norm2", 1)
_LAYERS = {
    "ViTLayer": _OLD,
    "DeiTLayer": replace(_OLD, prefix=2),
    "Dinov2Layer": _DINO,
    "Dinov2WithRegistersLayer": _DINO,
    "CLIPEncoderLayer": _NEW,
    "SiglipEncoderLayer": replace(_NEW, prefix=0),
}


def trunk_of(module: nn.Module) -> Trunk | None:
    """A Trunk where the module is the list of layers of such a tower; BadInput where its attention takes no mask."""
    if not isinstance(module, nn.ModuleList) or not len(module):
        return None
    names = _LAYERS.get(type(module[0]).__name__)
    if names is None:
        return None
    config = getattr(module[0], names.attention).config
    if not hasattr(config, "patch_size"):
        return None
    if config._attn_implementation not in ("sdpa", "eager"):
        raise BadInput(f"attention {config._attn_implementation} takes no mask; load with attn_implementation='sdpa'")
    prefix = names.prefix + getattr(config, "num_register_tokens", 0)
    return Trunk("transformers", [*module], _attend, _feed, prefix, classed=names.prefix > 0)


def _attend(block: Any, tokens: Tensor, bias: Tensor | None) -> Attended:
    names = _LAYERS[type(block).__name__]
    own = getattr(block, names.attention)
    with capture_output(own.q_proj) as asked, capture_output(own.k_proj) as known:
        mixed, _ = own(getattr(block, names.first)(tokens), attention_mask=bias)
    queries, keys = (flat.unflatten(2, (-1, own.head_dim)).transpose(1, 2) for flat in (asked[0], known[0]))
    return Attended(tokens + _scaled(block, 1, mixed), queries, keys, own.head_dim**-0.5)


def _feed(block: Any, tokens: Tensor) -> Tensor:
    made = block.mlp(getattr(block, _LAYERS[type(block).__name__].second)(tokens))
    return tokens + _scaled(block, 2, made)


def _scaled(block: Any, half: int, branch: Tensor) -> Tensor:
    """A branch as it is added: DINOv2 scales it and may drop it, ViT has dropout."""
    if type(block).__name__.startswith("Dinov2"):
        scaled: Tensor = block.drop_path(getattr(block, f"layer_scale{half}")(branch))
        return scaled
    return block.dropout(branch) if hasattr(block, "dropout") else branch
