"""An archive of pictures, unpacked within bounds: names stay inside, only pictures come out, and no byte too many."""

import zipfile
from pathlib import Path, PurePosixPath
from typing import IO

from snapfind.catalog.sources import PICTURE_SUFFIXES
from snapfind.errors import BadInput, TooLarge

__all__ = ["unpack"]

_MOST_FILES = 1_000_000
_PIECE = 1 << 20


def unpack(archive: Path, into: Path, *, most: int, most_each: int) -> int:
    """Write the pictures of a zip into a folder; returns how many. Other files and links are left out.

    A picture above `most_each` bytes is cut one byte above it, so that it fails by itself. Raises BadInput for what is
    no zip or leads outside, TooLarge above `most` bytes in all, whatever the archive says about itself.
    """
    left, count = most, 0
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            if len(entries) > _MOST_FILES:
                raise TooLarge(f"the archive has {len(entries):,} files; the most is {_MOST_FILES:,}")
            for entry in entries:
                target = _target(entry, into)
                if target is None:
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(entry) as packed:
                    left -= _write(packed, target, min(left + 1, most_each + 1))
                if left < 0:
                    raise TooLarge(f"the archive unpacks to more than {most:,} bytes (max_import)")
                count += 1
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise BadInput(f"the archive cannot be unpacked ({str(error)[:100]}); send a plain zip") from error
    return count


def _target(entry: zipfile.ZipInfo, into: Path) -> Path | None:
    name = PurePosixPath(entry.filename)
    linked = entry.external_attr >> 28 == 0o12  # a symbolic link, as Unix writes it
    hidden = any(part.startswith(".") for part in name.parts) or "__MACOSX" in name.parts
    if name.is_absolute() or ".." in name.parts or "\\" in entry.filename or ":" in entry.filename:
        raise BadInput(f"the archive has a name that leads outside: {entry.filename[:80]!r}")
    if entry.is_dir() or linked or hidden or name.suffix.lower() not in PICTURE_SUFFIXES:
        return None
    return into / name


def _write(packed: IO[bytes], target: Path, most: int) -> int:
    written = 0
    with target.open("wb") as file:
        while written < most and (piece := packed.read(min(_PIECE, most - written))):
            written += file.write(piece)
    return written
