"""The small copy of a picture that a catalog keeps and serves: never the shopper's or the shop's own file."""

import io

from PIL import Image

__all__ = ["thumbnail"]


def thumbnail(image: Image.Image, side: int = 384, quality: int = 85) -> bytes:
    """An RGB picture as a JPEG whose longest side is at most `side` pixels, without any metadata.

    Nothing of EXIF, GPS, profile or comment survives: the pixels are copied into a new image first.
    """
    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    small.info = {}  # Pillow writes info["comment"] into a JPEG unasked
    written = io.BytesIO()
    # not optimize=True: 4 % smaller, twice the time of all the rest of this function
    small.save(written, "JPEG", quality=quality)
    return written.getvalue()
