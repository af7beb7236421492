"""Trainable models: backbones, heads, two-tower models, CLIP."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.training.models.adaptation import LossConfig, ProductRecognizer
    from snapfind.training.models.backbone import BACKBONES, Backbone, BackboneKind, open_backbone
    from snapfind.training.models.clip import Clip, load_clip
    from snapfind.training.models.efficientnet import Network, read_network
    from snapfind.training.models.heads import Heads
    from snapfind.training.models.torch_backbone import TorchBackbone
    from snapfind.training.models.two_tower import ByteText, ImageTower, TwoTower

__all__ = [
    "BACKBONES",
    "Backbone",
    "BackboneKind",
    "ByteText",
    "Clip",
    "Heads",
    "ImageTower",
    "LossConfig",
    "Network",
    "ProductRecognizer",
    "TorchBackbone",
    "TwoTower",
    "load_clip",
    "open_backbone",
    "read_network",
]

_MODULES = {
    "BACKBONES": "snapfind.training.models.backbone",
    "Backbone": "snapfind.training.models.backbone",
    "BackboneKind": "snapfind.training.models.backbone",
    "ByteText": "snapfind.training.models.two_tower",
    "Clip": "snapfind.training.models.clip",
    "Heads": "snapfind.training.models.heads",
    "ImageTower": "snapfind.training.models.two_tower",
    "LossConfig": "snapfind.training.models.adaptation",
    "Network": "snapfind.training.models.efficientnet",
    "ProductRecognizer": "snapfind.training.models.adaptation",
    "TorchBackbone": "snapfind.training.models.torch_backbone",
    "TwoTower": "snapfind.training.models.two_tower",
    "load_clip": "snapfind.training.models.clip",
    "open_backbone": "snapfind.training.models.backbone",
    "read_network": "snapfind.training.models.efficientnet",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, because its module may import PyTorch."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
