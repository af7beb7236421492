"""Text-to-image spaces: ConSE and LiT."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

if TYPE_CHECKING:
    from snapfind.encoders.crossmodal.conse import Conse
    from snapfind.encoders.crossmodal.lit import LitMaps, LitSpace

__all__ = [
    "Conse",
    "LitMaps",
    "LitSpace",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "conse": ["Conse"],
        "lit": ["LitMaps", "LitSpace"],
    },
)
