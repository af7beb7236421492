"""Stored query photos, for training on clicks. Photos are stored only with the setting `keep_photos`.

A photo is stored as a small JPEG without metadata, under the id of its search. It is deleted with the events of the
search: after `event_days`, and when the session is forgotten.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from PIL.Image import Image

from snapfind.media.image.thumbnail import thumbnail

__all__ = ["QueryPhotoStore"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class QueryPhotoStore:
    """Folder of query photos, by search id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, search: str, photo: Image) -> None:
        """Store a photo.

        Args:
            search: Id of the search. An id with other characters than letters, digits, `_` and `-` is ignored.
            photo: The photo, or its searched part.
        """
        if _ID.fullmatch(search):
            path = self._path(search)
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".new")
            draft.write_bytes(thumbnail(photo))
            draft.replace(path)

    def find(self, search: str) -> Path | None:
        """Find the photo of a search.

        Args:
            search: Id of the search.

        Returns:
            Path of the JPEG, or None if no photo is stored.
        """
        path = self._path(search) if _ID.fullmatch(search) else None
        return path if path is not None and path.is_file() else None

    def forget(self, searches: Iterable[str]) -> int:
        """Delete the photos of searches.

        Args:
            searches: Ids of the searches.

        Returns:
            Number of deleted photos.
        """
        paths = [path for search in searches if (path := self.find(search)) is not None]
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)

    def prune(self, days: float, *, now: datetime | None = None) -> int:
        """Delete old photos.

        Args:
            days: Age from which photos are deleted.
            now: Current time. Defaults to the clock of the machine.

        Returns:
            Number of deleted photos.
        """
        oldest = (now or datetime.now(UTC)).timestamp() - 86_400 * days
        old = [path for path in self if path.stat().st_mtime < oldest]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def __iter__(self) -> Iterator[Path]:
        return self._folder.glob("*/*.jpg")

    def _path(self, search: str) -> Path:
        return self._folder / search[:2] / f"{search}.jpg"
