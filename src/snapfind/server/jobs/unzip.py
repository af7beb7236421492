"""An archive of pictures, unpacked within bounds: names stay inside, only pictures come out, and no byte too many.

One entry that cannot be used is left out and listed; the others are unpacked.
"""

import errno
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self

from snapfind.catalog.ingest.folders import ignored_files_note, is_system_file, product_of_path, suffix_of
from snapfind.catalog.ingest.items import Failure
from snapfind.core.errors import BadInput, TooLarge
from snapfind.media.handlers import is_media, media_suffixes

__all__ = ["Unpacked", "unpack"]

_MOST_FILES = 1_000_000
_PIECE = 1 << 20
_NAME_WRONG = {errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EILSEQ}
_UNICODE_PATH = 0x7075  # extra field of Info-ZIP


@dataclass(frozen=True, slots=True)
class Unpacked:
    """How many pictures were written, what was left out, and notes on files that are no pictures."""

    count: int = 0
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()

    def plus(self, other: "Unpacked") -> "Unpacked":
        """Both."""
        return Unpacked(self.count + other.count, self.failures + other.failures, self.notes + other.notes)

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """The value of its JSON."""
        return cls(given["count"], tuple(Failure(**one) for one in given["failures"]), tuple(given["notes"]))


class _LeftOut(Exception):
    """Why one entry is left out: a code of the error file, and a sentence."""

    def __init__(self, reason: str, code: str = "picture_broken") -> None:
        super().__init__(reason)
        self.code = code


def unpack(archive: Path, into: Path, *, most: int, most_each: int) -> Unpacked:
    """Write the pictures of a zip into a folder.

    Args:
        archive: The zip.
        into: The folder; nothing is written outside of it.
        most: Bytes of all pictures, whatever the archive says about itself.
        most_each: Bytes of one picture; a larger one is left out.

    Returns:
        What was unpacked and what was left out.

    Raises:
        BadInput: The file is no zip.
        TooLarge: The pictures have more than `most` bytes, or the archive has too many entries.
    """
    left, count, failures, others = most, 0, [], Counter[str]()
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            if len(entries) > _MOST_FILES:
                raise TooLarge(f"the archive has {len(entries):,} files; the most is {_MOST_FILES:,}")
            for entry in entries:
                name = _name_of(entry)
                if entry.is_dir() or name.endswith("/") or any(map(is_system_file, PurePosixPath(name).parts)):
                    continue
                try:
                    written = _unpacked(opened, entry, name, into, min(left, most_each))
                except _LeftOut as reason:
                    failures.append(Failure(_product_of(name), reason.code, name[:200], str(reason)))
                    # what says its size was not unpacked; what lies about it was, and counts
                    left -= min(left, most_each) + 1 if reason.code == _LARGE and entry.file_size <= most_each else 0
                else:
                    others[suffix_of(name)] += written is None
                    count, left = count + (written is not None), left - (written or 0)
                if left < 0:
                    raise TooLarge(f"the archive unpacks to more than {most:,} bytes (max_import)")
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise BadInput(f"the archive cannot be unpacked ({str(error)[:100]}); send a plain zip") from error
    return Unpacked(count, tuple(failures), tuple(ignored_files_note(+others)))


_LARGE = "picture_too_large"


def _product_of(name: str) -> str:
    product = product_of_path(PurePosixPath(name.lstrip("/") or "?"))
    return product.id


def _name_of(entry: zipfile.ZipInfo) -> str:
    """The name with slashes: names of Windows have backslashes, old programs do not say that theirs is UTF-8."""
    name = _unicode_name(entry.extra) or entry.filename
    if not entry.flag_bits & 0x800 and name == entry.filename and not name.isascii():
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _unicode_name(extra: bytes) -> str:
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        if kind == _UNICODE_PATH and size > 5:
            return extra[9 : 4 + size].decode("utf-8", "replace")
        extra = extra[4 + size :]
    return ""


def _unpacked(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, into: Path, most: int) -> int | None:
    """Write one entry; returns its bytes, None for what is no picture. Raises _LeftOut."""
    _check(entry, name, most)
    target = into / name
    try:
        with opened.open(entry) as packed:
            head = packed.read(32)
            if not is_media(name, head):
                return None
            target.parent.mkdir(parents=True, exist_ok=True)
            return _write(packed, head, target, most)
    except _LeftOut:
        target.unlink(missing_ok=True)
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        if PurePosixPath(name).suffix.lower() not in media_suffixes():
            return None
        _remove(target)
        raise _LeftOut(f"the entry cannot be unpacked ({str(error)[:80]}); pack it anew") from None
    except OSError as error:
        if error.errno not in _NAME_WRONG:
            raise
        raise _LeftOut(f"no file can have that name here ({error.strerror}); rename it") from None


def _remove(target: Path) -> None:
    with suppress(OSError):  # what is there was not written from this entry
        target.unlink(missing_ok=True)


def _check(entry: zipfile.ZipInfo, name: str, most: int) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name):
        raise _LeftOut("the name leads outside of the archive; pack it without the folders above", "picture_outside")
    if entry.external_attr >> 28 == 0o12:  # a symbolic link, as Unix writes it
        raise _LeftOut("the entry is a link; pack the file itself", "picture_outside")
    if entry.flag_bits & 1:
        raise _LeftOut("the entry is encrypted; pack it without a password")


def _write(packed: IO[bytes], head: bytes, target: Path, most: int) -> int:
    """Raises _LeftOut for more than `most` bytes."""
    with target.open("wb") as file:
        written, piece = 0, head
        while piece:
            written += len(piece)
            if written > most:
                raise _LeftOut(f"the file has more than {most:,} bytes; send a smaller one", _LARGE)
            file.write(piece)
            piece = packed.read(_PIECE)
    return written
