"""Photos of searches, kept only where the shop asks for it (`keep_photos`): what learning from clicks needs.

A photo is kept small, as a JPEG without metadata, under the id of its search, and goes with the search's events: after
`event_days`, and when the session is forgotten.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from PIL.Image import Image

from snapfind.media.image.thumbnail import thumbnail

__all__ = ["KeptPhotos"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class KeptPhotos:
    """A folder of photos by the id of the search."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, search: str, photo: Image) -> None:
        """Keep a photo, or the searched part of one; an id that is no plain word is left out."""
        if _ID.fullmatch(search):
            path = self._path(search)
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".new")
            draft.write_bytes(thumbnail(photo))
            draft.replace(path)

    def find(self, search: str) -> Path | None:
        """Where the photo of a search lies; None where none was kept."""
        path = self._path(search) if _ID.fullmatch(search) else None
        return path if path is not None and path.is_file() else None

    def forget(self, searches: Iterable[str]) -> int:
        """Delete the photos of those searches; returns how many there were."""
        found = [path for search in searches if (path := self.find(search)) is not None]
        for path in found:
            path.unlink(missing_ok=True)
        return len(found)

    def prune(self, days: float, *, now: datetime | None = None) -> int:
        """Delete what is older than so many days; returns how many."""
        oldest = (now or datetime.now(UTC)).timestamp() - 86_400 * days
        old = [path for path in self if path.stat().st_mtime < oldest]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def __iter__(self) -> Iterator[Path]:
        return self._folder.glob("*/*.jpg")

    def _path(self, search: str) -> Path:
        return self._folder / search[:2] / f"{search}.jpg"
