"""Text encoders: multilingual E5, and the text tower of a converted model."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

if TYPE_CHECKING:
    from snapfind.encoders.text.e5 import TextEncoder
    from snapfind.encoders.text.onnx_tower import WordTower

__all__ = [
    "TextEncoder",
    "WordTower",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "e5": ["TextEncoder"],
        "onnx_tower": ["WordTower"],
    },
)
