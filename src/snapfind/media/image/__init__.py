"""Images: decoding within limits, color, thumbnails, fingerprints, and synthetic photos."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.media.image.background import cut_out_product
    from snapfind.media.image.decode import Limits, load, probe
    from snapfind.media.image.fingerprint import is_blank
    from snapfind.media.image.formats import sniff
    from snapfind.media.image.handler import ImageHandler
    from snapfind.media.image.heatmap import overlay
    from snapfind.media.image.photo_simulation import simulate_photo
    from snapfind.media.image.sandbox import DecoderPool

__all__ = [
    "DecoderPool",
    "ImageHandler",
    "Limits",
    "cut_out_product",
    "is_blank",
    "load",
    "overlay",
    "probe",
    "simulate_photo",
    "sniff",
]

_MODULES = {
    "DecoderPool": "sandbox",
    "ImageHandler": "handler",
    "Limits": "decode",
    "cut_out_product": "background",
    "is_blank": "fingerprint",
    "load": "decode",
    "overlay": "heatmap",
    "probe": "decode",
    "simulate_photo": "photo_simulation",
    "sniff": "formats",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for, so that the package is cheap to import."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
