"""Media files: types of media, decoding within limits, and fetching by URL."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

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

__getattr__ = lazy_exports(
    __name__,
    {
        "base": ["MediaHandler", "MediaItem", "ReadMedia"],
        "fetch": ["FetchPolicy", "fetch_url"],
        "handlers": ["handler_for", "is_media", "media_suffixes", "read_media", "register_media_handler"],
        "prefetch": ["map_ahead"],
    },
)
