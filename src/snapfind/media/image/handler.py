"""Image files as a media type: each is one item."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from snapfind.media.base import MediaItem
from snapfind.media.image.decode import Limits, load
from snapfind.media.image.formats import SUFFIXES, sniff

__all__ = ["ImageHandler"]

_BITMAP_HEADERS = {12, 40, 52, 56, 64, 108, 124}  # sizes of the header; its two first letters also begin texts


class ImageHandler:
    """Reads image files."""

    suffixes = SUFFIXES

    def read(self, source: BinaryIO, limits: Limits, *, side: int | None = None) -> Iterator[MediaItem]:
        """Read an image file as one item.

        Args:
            source: The file.
            limits: Maximum sizes.
            side: Longest side in pixels that is needed.

        Yields:
            The image, RGB and upright.

        Raises:
            BadPicture: The file is not a supported image, damaged, or too large.
        """
        yield MediaItem(load(source.read(), limits, side=side))

    def recognizes(self, name: str, head: bytes) -> bool:
        """Tell whether a file is an image.

        Args:
            name: Name of the file.
            head: Its first 32 bytes.

        Returns:
            True if the suffix is that of an image, or if the bytes begin like an image.
        """
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in SUFFIXES:
            return True
        kind = sniff(head)
        if kind == "BMP":
            return int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS
        return bool(kind) and not (suffix and kind == "TIFF")  # raw files of cameras are TIFF by their first bytes
