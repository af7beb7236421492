"""Pictures made on the spot, and the same picture in every format."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from snapfind.media.image.decode import Limits

LIMITS = Limits(max_bytes=32 * 2**20, max_pixels=50_000_000, max_side=16_384)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


def scene(width=96, height=64):
    """Four soft patches of different colors, so that any turn or flip shows."""
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[: height // 2, : width // 2] = (200, 40, 40)
    picture[: height // 2, width // 2 :] = (40, 160, 60)
    picture[height // 2 :, : width // 2] = (40, 60, 190)
    return Image.fromarray(picture)


def written(image, kind, **options):
    """The image as a file's bytes."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def difference(a, b):
    """Mean absolute difference of two pictures of one size, 0..255."""
    return float(np.abs(np.asarray(a.convert("RGB"), float) - np.asarray(b.convert("RGB"), float)).mean())


def png_of(width, height, rows=b""):
    """A PNG whose header claims a size; `rows` is what its pixels inflate to."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
