"""Images: decoding within limits, color, thumbnails, fingerprints, and synthetic photos."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

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

__getattr__ = lazy_exports(
    __name__,
    {
        "background": ["cut_out_product"],
        "decode": ["Limits", "load", "probe"],
        "fingerprint": ["is_blank"],
        "formats": ["sniff"],
        "handler": ["ImageHandler"],
        "heatmap": ["overlay"],
        "photo_simulation": ["simulate_photo"],
        "sandbox": ["DecoderPool"],
    },
)
