"""Families of models, one file each: where their blocks are and how they are split.

Models are recognized by the names of classes, so that no library is imported only to check.
"""

from torch import nn

from snapfind.token_merging.families import blip, open_clip, timm, transformers
from snapfind.token_merging.trunk import Trunk

__all__ = ["FAMILIES", "find_trunk"]

FAMILIES = (
    "VisionTransformer of timm and of open_clip, the vision towers ViT, DeiT, DINOv2, CLIP, SigLIP and BLIP of "
    "transformers, and U-Nets of diffusers"
)


def find_trunk(model: nn.Module) -> Trunk | None:
    """Find the vision transformer in a model, None if there is none."""
    for family in (timm, open_clip, blip, transformers):
        for module in model.modules():
            if trunk := family.trunk_of(module):
                return trunk
    return None
