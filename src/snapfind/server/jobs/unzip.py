"""Safe extraction of a zip archive of pictures: bounded in bytes and files, nothing outside the folder, only pictures.

An entry that cannot be used is skipped and reported.
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

_MAX_FILES = 1_000_000
_PIECE = 1 << 20
_NAME_WRONG = {errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EILSEQ}
_UNICODE_PATH = 0x7075  # extra field of Info-ZIP


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Result of an extraction.

    Args:
        count: Number of extracted pictures.
        failures: Skipped entries.
        notes: Sentences about ignored files.
    """

    count: int = 0
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()

    def plus(self, other: "Unpacked") -> "Unpacked":
        """Return the sum of two results.

        Args:
            other: The other result.
        """
        return Unpacked(self.count + other.count, self.failures + other.failures, self.notes + other.notes)

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """Read a result from the values of its JSON.

        Args:
            fields: Plain values.
        """
        return cls(fields["count"], tuple(Failure(**one) for one in fields["failures"]), tuple(fields["notes"]))


class _Skipped(Exception):
    """Reason for skipping an entry: an error code and a sentence."""

    def __init__(self, reason: str, code: str = "picture_broken") -> None:
        super().__init__(reason)
        self.code = code


def unpack(archive: Path, into: Path, *, max_bytes: int, max_file_bytes: int) -> Unpacked:
    """Extract the pictures of a zip archive.

    Args:
        archive: The zip file.
        into: Target folder. Nothing is written outside.
        max_bytes: Maximum bytes of all pictures. The sizes that the archive declares are not trusted.
        max_file_bytes: Maximum bytes of a picture. Larger ones are skipped.

    Returns:
        Number of pictures, and skipped entries.

    Raises:
        BadInput: The file is not a zip archive.
        TooLarge: The pictures have more than `max_bytes` bytes, or the archive has too many entries.
    """
    left, count, failures, others = max_bytes, 0, [], Counter[str]()
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            if len(entries) > _MAX_FILES:
                raise TooLarge(f"the archive has {len(entries):,} files; the maximum is {_MAX_FILES:,}")
            for entry in entries:
                name = _name_of(entry)
                if entry.is_dir() or name.endswith("/") or any(map(is_system_file, PurePosixPath(name).parts)):
                    continue
                try:
                    written = _unpacked(opened, entry, name, into, min(left, max_file_bytes))
                except _Skipped as reason:
                    failures.append(Failure(_product_of(name), reason.code, name[:200], str(reason)))
                    # an entry that declares its size was not extracted; one with a false size was, and counts
                    left -= (
                        min(left, max_file_bytes) + 1
                        if reason.code == _LARGE and entry.file_size <= max_file_bytes
                        else 0
                    )
                else:
                    others[suffix_of(name)] += written is None
                    count, left = count + (written is not None), left - (written or 0)
                if left < 0:
                    raise TooLarge(f"the archive unpacks to more than {max_bytes:,} bytes (max_import)")
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise BadInput(f"the archive cannot be unpacked ({str(error)[:100]}); send a plain zip") from error
    return Unpacked(count, tuple(failures), tuple(ignored_files_note(+others)))


_LARGE = "picture_too_large"


def _product_of(name: str) -> str:
    product = product_of_path(PurePosixPath(name.lstrip("/") or "?"))
    return product.id


def _name_of(entry: zipfile.ZipInfo) -> str:
    """Return the name with slashes. Windows writes backslashes, and old programs do not mark UTF-8."""
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


def _unpacked(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, into: Path, limit: int) -> int | None:
    """Extract one entry. Return its size, or None if it is not a picture."""
    _check(entry, name)
    target = into / name
    try:
        with opened.open(entry) as packed:
            head = packed.read(32)
            if not is_media(name, head):
                return None
            target.parent.mkdir(parents=True, exist_ok=True)
            return _write(packed, head, target, limit)
    except _Skipped:
        target.unlink(missing_ok=True)
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        if PurePosixPath(name).suffix.lower() not in media_suffixes():
            return None
        _remove(target)
        raise _Skipped(f"the entry cannot be unpacked ({str(error)[:80]}); create the archive again") from None
    except OSError as error:
        if error.errno not in _NAME_WRONG:
            raise
        raise _Skipped(f"invalid file name on this system ({error.strerror}); rename it") from None


def _remove(target: Path) -> None:
    with suppress(OSError):  # an existing file may not be from this entry
        target.unlink(missing_ok=True)


def _check(entry: zipfile.ZipInfo, name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name):
        raise _Skipped("the name points outside of the archive; pack it without parent folders", "picture_outside")
    if entry.external_attr >> 28 == 0o12:  # a symbolic link, as Unix writes it
        raise _Skipped("the entry is a link; pack the file itself", "picture_outside")
    if entry.flag_bits & 1:
        raise _Skipped("the entry is encrypted; pack it without a password")


def _write(packed: IO[bytes], head: bytes, target: Path, limit: int) -> int:
    """Write the file. Raise _Skipped if it has more than `limit` bytes."""
    with target.open("wb") as file:
        written, piece = 0, head
        while piece:
            written += len(piece)
            if written > limit:
                raise _Skipped(f"the file has more than {limit:,} bytes; send a smaller one", _LARGE)
            file.write(piece)
            piece = packed.read(_PIECE)
    return written
