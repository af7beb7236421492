"""A toy media type: a `.flip` file is a header and several PNG frames, each with its start and end in seconds."""

import io
import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from PIL import Image

from snapfind.core.errors import BadPicture
from snapfind.media.base import MediaItem
from snapfind.media.image.decode import Limits, load

__all__ = ["FlipHandler", "flip"]

Frame = tuple[float, float, Image.Image]


def flip(frames: Sequence[Frame]) -> bytes:
    """Write a `.flip` file."""
    parts = [struct.pack("<4sI", b"FLIP", len(frames))]
    for start, end, image in frames:
        png = io.BytesIO()
        image.save(png, "PNG")
        parts += [struct.pack("<ffI", start, end, len(png.getvalue())), png.getvalue()]
    return b"".join(parts)


class FlipHandler:
    """Reads `.flip` files: each frame is an item."""

    suffixes = frozenset({".flip"})

    def read(self, source: BinaryIO, limits: Limits, *, side: int | None = None) -> Iterator[MediaItem]:
        magic, count = struct.unpack("<4sI", source.read(8))
        if magic != b"FLIP":
            raise BadPicture("the file is not a flip book; send one", code="picture_format")
        for _ in range(count):
            start, end, size = struct.unpack("<ffI", source.read(12))
            frame = load(source.read(size), limits, side=side)  # checks the size before it decodes
            yield MediaItem(frame, kind="flip", start=start, end=end)
