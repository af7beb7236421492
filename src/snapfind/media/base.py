"""Media types: what a handler is, and the items that it reads from a file.

A media item is the unit that a catalog indexes: one image, or one segment of a video. A file holds one or many items.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from PIL.Image import Image

from snapfind.core.errors import BadPicture

if TYPE_CHECKING:
    from snapfind.media.image.decode import Limits

__all__ = ["MediaHandler", "MediaItem", "ReadMedia"]


@dataclass(frozen=True, slots=True)
class MediaItem:
    """One indexed unit of a media file.

    Args:
        image: RGB image that is encoded and stored as thumbnail, upright.
        kind: Media type, such as `image` or `video`.
        start: Start within the file in seconds, or None for media without a time axis.
        end: End within the file in seconds, or None.
        ordinal: Position among the items of its file, from 0. `read_media` sets it.

    Raises:
        BadPicture: The times are not finite, negative, or end before they start.
    """

    image: Image
    kind: str = "image"
    start: float | None = None
    end: float | None = None
    ordinal: int = 0

    def __post_init__(self) -> None:
        times = [time for time in (self.start, self.end) if time is not None]
        if not all(math.isfinite(time) and time >= 0 for time in times) or times != sorted(times):
            raise BadPicture(f"the {self.kind} has an item from {self.start} to {self.end} seconds; send another file")


class MediaHandler(Protocol):
    """Reads the files of one media type. Register one with `register_media_handler`.

    A server reads files in other processes, which create a handler of their own. So the class must be importable by
    its module and name, and take no arguments.
    """

    suffixes: frozenset[str]
    """Suffixes of file names in lower case, with the dot."""

    def read(self, source: BinaryIO, limits: "Limits", *, side: int | None = None) -> Iterator[MediaItem]:
        """Read the items of a file, in order of time.

        Files come from strangers: check sizes against the limits before allocating memory for them.

        Args:
            source: The file, at its beginning.
            limits: Maximum sizes.
            side: Longest side in pixels that is needed. Images may be decoded smaller, but not below it.

        Yields:
            The items, at most `limits.max_items`. An image file has one.

        Raises:
            BadPicture: The file is damaged, or exceeds a limit.
        """
        ...


class ReadMedia(Protocol):
    """Function that reads the items of a file: `read_media`, or `DecoderPool.read` in another process."""

    def __call__(self, name: str, content: bytes, limits: "Limits", *, side: int | None = None) -> Iterator[MediaItem]:
        """Read the items as `read_media` does."""
        ...
