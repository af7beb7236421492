"""timm's VisionTransformer with plain blocks: ViT, DeiT, AugReg, DINO, SigLIP and CLIP weights under timm's names.

Blocks with rotary positions (EVA), windows or parallel halves are other classes and are not taken: a merged token has
no one place to turn its keys by.
"""

from typing import Any

from torch import Tensor, nn

from snapfind.token_merging.trunk import Attended, Trunk, capture_output

__all__ = ["trunk_of"]


def trunk_of(module: nn.Module) -> Trunk | None:
    """A Trunk where the module is such a VisionTransformer."""
    if not any(
        own.__module__.startswith("timm.") and own.__name__ == "VisionTransformer" for own in type(module).mro()
    ):
        return None
    blocks: Any = [*module.blocks]  # type: ignore[misc]
    if any(type(block).__name__ != "Block" or type(block.attn).__name__ != "Attention" for block in blocks):
        return None
    return Trunk("timm", blocks, _attend, _feed, int(module.num_prefix_tokens), module.cls_token is not None)  # type: ignore[arg-type]


def _attend(block: Any, tokens: Tensor, bias: Tensor | None) -> Attended:
    own = block.attn
    with capture_output(own.q_norm) as asked, capture_output(own.k_norm) as known:
        mixed = own(block.norm1(tokens), attn_mask=bias)
    return Attended(tokens + block.drop_path1(block.ls1(mixed)), asked[0], known[0], own.scale)


def _feed(block: Any, tokens: Tensor) -> Tensor:
    after: Tensor = tokens + block.drop_path2(block.ls2(block.mlp(block.norm2(tokens))))
    return after
