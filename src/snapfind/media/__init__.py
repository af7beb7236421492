"""Media files: types of media, decoding within limits, and fetching by URL."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.media.base import MediaHandler, MediaItem, ReadMedia
    from snapfind.media.fetch import Fetching
    from snapfind.media.handlers import handler_for, is_media, media_suffixes, read_media, register_media_handler

__all__ = [
    "Fetching",
    "MediaHandler",
    "MediaItem",
    "ReadMedia",
    "handler_for",
    "is_media",
    "media_suffixes",
    "read_media",
    "register_media_handler",
]

_MODULES = {
    "Fetching": "fetch",
    "MediaHandler": "base",
    "MediaItem": "base",
    "ReadMedia": "base",
    "handler_for": "handlers",
    "is_media": "handlers",
    "media_suffixes": "handlers",
    "read_media": "handlers",
    "register_media_handler": "handlers",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
