"""Image encoders: the bundled network, converted networks, and their preprocessing."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

if TYPE_CHECKING:
    from snapfind.encoders.image.base import FeatureMap, Features, PhotoEncoder
    from snapfind.encoders.image.efficientnet import Builtin
    from snapfind.encoders.image.image_encoder import ImageEncoder
    from snapfind.encoders.image.onnx_tower import Tower
    from snapfind.encoders.image.preprocess import Preprocessing, to_tensor

__all__ = [
    "Builtin",
    "FeatureMap",
    "Features",
    "ImageEncoder",
    "PhotoEncoder",
    "Preprocessing",
    "Tower",
    "to_tensor",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "base": ["FeatureMap", "Features", "PhotoEncoder"],
        "efficientnet": ["Builtin"],
        "image_encoder": ["ImageEncoder"],
        "onnx_tower": ["Tower"],
        "preprocess": ["Preprocessing", "to_tensor"],
    },
)
