"""Media files: types of media, decoding within limits, and fetching by URL."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.media.base import MediaHandler, MediaItem, ReadMedia
    from snapfind.media.fetch import FetchPolicy, fetch_url
    from snapfind.media.handlers import handler_for, is_media, media_suffixes, read_media, register_media_handler
    from snapfind.media.prefetch import map_ahead

__all__ = [
    "FetchPolicy",
    "MediaHandler",
    "MediaItem",
    "ReadMedia",
    "fetch_url",
    "handler_for",
    "is_media",
    "map_ahead",
    "media_suffixes",
    "read_media",
    "register_media_handler",
]

_MODULES = {
    "FetchPolicy": "fetch",
    "MediaHandler": "base",
    "MediaItem": "base",
    "ReadMedia": "base",
    "fetch_url": "fetch",
    "handler_for": "handlers",
    "is_media": "handlers",
    "map_ahead": "prefetch",
    "media_suffixes": "handlers",
    "read_media": "handlers",
    "register_media_handler": "handlers",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for, so that the package is cheap to import."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
