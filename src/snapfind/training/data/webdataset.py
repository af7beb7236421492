"""Pairs of image and title in sharded tar files in the layout of webdataset: KEY.jpg beside KEY.txt.

The reader is tarfile of the standard library. A stream of the package webdataset cannot return batch number n, so a
resumed run would have to read everything before it, and its decoders accept pickles. Here the headers of each shard are
read once, and every pair is then one bounded read at a known position, with 29 bytes of memory per pair. Nothing is
extracted. What cannot be used is left out and counted by reason.
"""

import hashlib
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from snapfind.core.errors import BadInput
from snapfind.media.image.decode import Limits, load

__all__ = ["Shards"]

_PICTURES, _TEXTS = {"jpg", "jpeg", "png", "webp"}, {"txt", "json"}
_TEXT, _SHARD = 65_536, 4 * 2**30  # bytes of a title's file, of a shard
_WINDOW = 16  # shards whose pairs are mixed with each other
_BLOCK = 512  # of a tar
_ROW = np.dtype(
    [("shard", "i4"), ("picture", "i8"), ("pixels", "i4"), ("text", "i8"), ("letters", "i4"), ("json", "?")]
)


class Shards:
    """The pairs of some shards by number, in order of shard and position.

    `left_out` counts what was left out, by reason.

    Args:
        files: Tar files.
        limits: Limits of the images.
        side: Longest side in pixels to which images are reduced.

    Raises:
        BadInput: No shard contains a pair.

    Example:
        >>> image, title = Shards([Path("pairs-000.tar")], Limits.of(settings)).read(0)
    """

    def __init__(self, files: Sequence[Path], limits: Limits, side: int = 256) -> None:
        self.files, self._limits, self._side = list(files), limits, side
        self.left_out: Counter[str] = Counter()
        rows = [row for number, file in enumerate(self.files) for row in self._index(number, file)]
        self._rows = np.array(rows, _ROW)
        if not len(self._rows):
            reasons = ", ".join(f"{count} × {reason}" for reason, count in self.left_out.items())
            details = reasons or (f"{len(self.files)} empty" if self.files else "no shard was given")
            raise BadInput(f"The shards contain no pair of KEY.jpg and KEY.txt ({details}).")

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def fingerprint(self) -> str:
        """Hash of the names of the shards and the positions of their pairs."""
        content = repr([file.name for file in self.files]).encode() + self._rows.tobytes()
        return hashlib.sha256(content).hexdigest()[:12]

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return all pairs once, in a random order that keeps reads near each other.

        Shards are shuffled, and pairs are shuffled within 16 shards.

        Args:
            seed: Random seed.
            epoch: Number of the epoch.

        Returns:
            (pairs,) int64 numbers.
        """
        rng = np.random.default_rng([seed, epoch])
        shards = rng.permutation(len(self.files))
        places = np.searchsorted(self._rows["shard"], np.arange(len(self.files) + 1))
        windows = [shards[at : at + _WINDOW] for at in range(0, len(shards), _WINDOW)]
        mixed = [np.concatenate([np.arange(places[own], places[own + 1]) for own in window]) for window in windows]
        return np.concatenate([rng.permutation(window) for window in mixed])

    def read(self, number: int) -> tuple[Image, str]:
        """Read a pair.

        Args:
            number: Number of the pair.

        Returns:
            RGB image and title.

        Raises:
            BadInput: The image or the title cannot be read.
        """
        row = self._rows[number]
        with self.files[row["shard"]].open("rb") as file:
            picture, text = (_read_bytes(file, int(row[at]), int(row[size])) for at, size in _PARTS)
        return load(picture, self._limits, side=self._side), _title(text, is_json=bool(row["json"]))

    def title(self, number: int) -> str:
        """Read the title of a pair. Raise BadInput if it cannot be read."""
        row = self._rows[number]
        with self.files[row["shard"]].open("rb") as file:
            return _title(_read_bytes(file, int(row["text"]), int(row["letters"])), is_json=bool(row["json"]))

    def _index(self, number: int, file: Path) -> Iterator[tuple[int, int, int, int, int, bool]]:
        """Yield the pairs of a shard. What follows damage is lost, and the shard is counted."""
        key, parts = "", {}  # type: str, dict[str, tarfile.TarInfo]
        try:
            for member in self._members(file):
                own, _, kind = Path(member.name).name.partition(".")
                if f"{Path(member.name).parent}/{own}" != key:
                    yield from self._pair(number, parts)
                    key, parts = f"{Path(member.name).parent}/{own}", {}
                if self._fits(member, kind.lower()):
                    parts[kind.lower()] = member
        except (tarfile.TarError, OSError, ValueError, EOFError):
            self.left_out["shard that is no whole tar file"] += 1
        yield from self._pair(number, parts)

    def _members(self, file: Path) -> Iterator[tarfile.TarInfo]:
        size = file.stat().st_size
        if size > _SHARD:
            raise ValueError(f"{file} is larger than 4 GiB")
        with tarfile.open(file, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # else every header stays in memory
                if member.offset_data + member.size > size:
                    raise EOFError
                yield member
            end = tar.offset
        with file.open("rb") as opened:  # tarfile takes a broken header for the end
            opened.seek(end)
            if opened.read(_BLOCK).strip(b"\0"):
                raise EOFError

    def _fits(self, member: tarfile.TarInfo, kind: str) -> bool:
        most = self._limits.max_bytes if kind in _PICTURES else _TEXT
        if not member.isfile() or member.issparse():
            self.left_out["member that is no plain file"] += 1
        elif kind not in _PICTURES | _TEXTS:
            self.left_out[f"member of another kind (.{kind[:12]})"] += 1
        elif member.size > most:
            self.left_out[f"member over {most:,} bytes"] += 1
        else:
            return True
        return False

    def _pair(self, number: int, parts: dict[str, tarfile.TarInfo]) -> Iterator[tuple[int, int, int, int, int, bool]]:
        picture = next((own for kind, own in parts.items() if kind in _PICTURES), None)
        text = parts.get("txt") or parts.get("json")
        if picture and text:
            is_json = text is not parts.get("txt")
            yield number, picture.offset_data, picture.size, text.offset_data, text.size, is_json
        elif picture or text:
            self.left_out["picture without a title" if picture else "title without a picture"] += 1


_PARTS = (("picture", "pixels"), ("text", "letters"))


def _read_bytes(file: object, at: int, size: int) -> bytes:
    file.seek(at)  # type: ignore[attr-defined]
    content: bytes = file.read(size)  # type: ignore[attr-defined]
    return content


def _title(content: bytes, *, is_json: bool) -> str:
    if not is_json:
        return content.decode("utf-8", "replace").strip()
    try:
        return str(json.loads(content)["title"]).strip()
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise BadInput(f'A title in JSON has no text under "title" ({problem}).') from problem
