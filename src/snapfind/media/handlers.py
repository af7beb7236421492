"""Table of media types: the one place that decides which files are media, and how each is read."""

import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from PIL.Image import Image

from snapfind.core.errors import BadInput, BadPicture
from snapfind.media.base import MediaHandler, MediaItem
from snapfind.media.image.decode import Limits, check_size
from snapfind.media.image.handler import ImageHandler

__all__ = ["IMAGES", "handler_for", "is_media", "media_suffixes", "read_items", "read_media", "register_media_handler"]

IMAGES = ImageHandler()
_HANDLERS: list[MediaHandler] = [IMAGES]  # add a media type of the package here


def register_media_handler(handler: MediaHandler) -> None:
    """Add a media type from outside the package.

    From then on, files with its suffixes are media wherever files are looked for: in folders, tables, uploads and
    archives. A handler of the same class is replaced.

    Args:
        handler: The handler.

    Raises:
        BadInput: A suffix is malformed, or belongs to another handler.

    Example:
        >>> register_media_handler(FlipHandler())
        >>> catalog.add("folder-with-flip-files")
    """
    others = [other for other in _HANDLERS if type(other) is not type(handler)]
    for suffix in handler.suffixes:
        if not suffix.startswith(".") or suffix != suffix.lower() or "/" in suffix:
            raise BadInput(f"{suffix!r} is not a suffix of a media type; write it in lower case with the dot")
        if any(suffix in other.suffixes for other in others):
            raise BadInput(f"{suffix} already belongs to another media type; use another suffix")
    _HANDLERS[:] = [*others, handler]


def media_suffixes() -> frozenset[str]:
    """Return the suffixes of all media types, in lower case with the dot."""
    return frozenset().union(*(handler.suffixes for handler in _HANDLERS))


def handler_for(name: str) -> MediaHandler:
    """Return the handler of a file by its suffix.

    Args:
        name: Name, path or URL of the file.

    Returns:
        The handler of the suffix. For any other name that of images, which go by content.
    """
    path = urlsplit(name).path if "://" in name else name
    suffix = PurePosixPath(path).suffix.lower()
    return next((handler for handler in _HANDLERS if suffix in handler.suffixes), IMAGES)


def is_media(name: str, head: bytes) -> bool:
    """Tell whether a file is of any media type.

    Args:
        name: Name, path or URL of the file.
        head: Its first 32 bytes.

    Returns:
        True if a handler has the suffix, or if the bytes begin like an image.
    """
    handler = handler_for(name)
    return handler is not IMAGES or IMAGES.recognizes(name, head)


def read_media(name: str, content: bytes, limits: Limits, *, side: int | None = None) -> Iterator[MediaItem]:
    """Read the items of a file with the handler of its name.

    Args:
        name: Name, path or URL of the file.
        content: The bytes of the file.
        limits: Maximum sizes.
        side: Longest side in pixels that is needed. Images may be smaller than the original, but not below it.

    Yields:
        The items with their ordinals 0, 1, … and RGB images.

    Raises:
        BadPicture: The file cannot be read, has no items or more than `limits.max_items`.
    """
    return read_items(handler_for(name), content, limits, side=side)


def read_items(
    handler: MediaHandler, content: bytes, limits: Limits, *, side: int | None = None
) -> Iterator[MediaItem]:
    """Read the items of a file with a given handler. See `read_media`."""
    items = _guarded(handler, content, limits, side)
    ordinal = -1
    for ordinal, item in enumerate(islice(items, limits.max_items + 1)):
        if ordinal == limits.max_items:
            reason = f"the file has more than {limits.max_items:,} segments; send a shorter one"
            raise BadPicture(reason, code="picture_too_large")
        yield replace(item, ordinal=ordinal, image=_rgb(item.image, limits))
    if ordinal < 0:
        raise BadPicture("the file has no picture in it; send another one")


def _rgb(image: Image, limits: Limits) -> Image:
    check_size(image.size, limits, "the picture")
    return image if image.mode == "RGB" else image.convert("RGB")


def _guarded(handler: MediaHandler, content: bytes, limits: Limits, side: int | None) -> Iterator[MediaItem]:
    """Iterate over the items of a handler. Whatever a decoder raises becomes BadPicture, so that other files go on."""
    try:
        yield from handler.read(io.BytesIO(content), limits, side=side)
    except BadPicture:
        raise
    except MemoryError:
        reason = "the file would take too much memory; make it smaller"
        raise BadPicture(reason, code="picture_too_large") from None
    except Exception as error:  # handlers come from outside, and decoders raise anything
        reason = str(error).strip()[:120] or type(error).__name__
        raise BadPicture(f"the file is damaged or cut off ({reason}); send it again") from error
