"""A catalog as one file and back: a tar of the folder with the sha256 of every file, checked when it is restored.

A snapshot is for the same version of snapfind and is fast; an export is for any version. The engine has no snapshot of
its own: it is flushed and closed first, and the files are read while the folder's lock is held. Most of an engine's
files are zeros that were never written: they are left out of the tar (GNU sparse format 1.0 in PAX headers, which tar
and older versions of snapfind read) and restored as holes.
"""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO

from snapfind._version import __version__
from snapfind.catalog.storage.folder import Folder
from snapfind.core.errors import BadInput, CatalogBroken, NoRoom, NotFound

__all__ = ["pack", "restore", "snapshot", "verify"]

_SUMS = "SNAPSHOT.json"
_ZEROS = bytes(1 << 16)
_BLOCK = 512  # of a tar
_MEGABYTE = 1 << 20
Progress = Callable[[int, int], None]  # megabytes done, and of all; 0: not known
_SKIPPED = frozenset({"lock", "owner", "trial.jsonl"})
_APART = frozenset({"jobs", "asked"})


@dataclass(frozen=True, slots=True)
class _Content:
    """What a file holds: its size, its sha256, and the ranges (start, length) that are not zeros throughout."""

    size: int
    digest: str
    ranges: tuple[tuple[int, int], ...]


def snapshot(catalog: Path, target: Path, *, progress: Progress | None = None) -> int:
    """Write a closed catalog into a tar; returns its bytes. Raises CatalogBusy, NotFound, BadInput."""
    folder = Folder(catalog, create=False)
    try:
        return pack(catalog, target, progress=progress)
    finally:
        folder.close()


def pack(
    catalog: Path, target: Path, copies: Mapping[str, Path] | None = None, *, progress: Progress | None = None
) -> int:
    """The same for a folder that is open, while nobody writes into it.

    `copies` are files to be taken instead of those of their name, which another program may be writing.
    """
    if target.exists():
        raise BadInput(f"{target} is there already; give another name or remove it")
    if _belongs(target.resolve(), catalog.resolve()):
        raise BadInput(f"{target} lies in the catalog itself; give a place outside of it")
    draft = target.with_name(target.name + ".new")
    try:
        files = {path.relative_to(catalog).as_posix(): path for path in _files(catalog)}
        for name, copy in (copies or {}).items():
            files = {known: path for known, path in files.items() if known not in {f"{name}-wal", f"{name}-shm"}}
            files[name] = copy
        meter = _Meter(progress, 2 * sum(path.stat().st_size for path in files.values()))
        contents = {name: _looked_at(path, meter) for name, path in sorted(files.items())}
        sums = {name: content.digest for name, content in contents.items()}
        with _made(draft, target) as tar:
            content = json.dumps({"snapfind": __version__, "files": sums}).encode()
            entry = tarfile.TarInfo(_SUMS)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
            for name, own in contents.items():
                _put(tar, files[name], name, own)
                meter.add(own.size)
        draft.replace(target)
    except OSError as error:
        raise NoRoom(f"{target} cannot be written ({error.strerror}); free some space") from error
    finally:
        draft.unlink(missing_ok=True)
    return target.stat().st_size


class _Meter:
    """Counts bytes and reports megabytes."""

    def __init__(self, progress: Progress | None, total: int = 0) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def add(self, count: int) -> None:
        """That many bytes more are done."""
        self._done += count
        if self._progress:
            self._progress(self._done // _MEGABYTE, -(-self._total // _MEGABYTE))


def _looked_at(path: Path, meter: _Meter) -> _Content:
    digest, place = hashlib.sha256(), 0
    ranges: list[tuple[int, int]] = []
    with path.open("rb") as file:
        while piece := file.read(len(_ZEROS)):
            digest.update(piece)
            if piece != _ZEROS[: len(piece)]:
                start, length = ranges.pop() if ranges and sum(ranges[-1]) == place else (place, 0)
                ranges.append((start, length + len(piece)))
            place += len(piece)
            meter.add(len(piece))
    return _Content(place, digest.hexdigest(), tuple(ranges))


def _put(tar: tarfile.TarFile, path: Path, name: str, content: _Content) -> None:
    """Add a file, without the zeros where that saves anything."""
    stored = sum(length for _, length in content.ranges)
    if content.size - stored < len(_ZEROS):
        tar.add(path, name, recursive=False)
        return
    entry = tar.gettarinfo(path, name)
    numbers = [len(content.ranges) + 1, *(number for pair in (*content.ranges, (content.size, 0)) for number in pair)]
    table = "".join(f"{number}\n" for number in numbers).encode()
    table += bytes(-len(table) % _BLOCK)
    entry.size = len(table) + stored
    entry.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": name,
        "GNU.sparse.realsize": str(content.size),
    }
    with path.open("rb") as file:
        tar.addfile(entry, _Ranges(table, file, content.ranges))


class _Ranges(io.RawIOBase):
    """The map of a sparse file, then its ranges one after the other."""

    def __init__(self, table: bytes, file: IO[bytes], ranges: Sequence[tuple[int, int]]) -> None:
        self._waiting, self._file, self._ranges = table, file, list(ranges)

    def read(self, size: int = -1, /) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        while len(self._waiting) < size and self._ranges:
            start, length = self._ranges.pop(0)
            part = min(length, size - len(self._waiting))
            self._file.seek(start)
            self._waiting += self._file.read(part)
            if part < length:
                self._ranges.insert(0, (start + part, length - part))
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return taken


def _made(draft: Path, target: Path) -> tarfile.TarFile:
    """A tar, packed where the target's name ends like one: most of an engine's files of a small shop are zeros."""
    if target.suffix in {".gz", ".tgz"}:
        return tarfile.open(draft, "w:gz", compresslevel=1)
    return tarfile.open(draft, "w")


def _files(catalog: Path) -> Iterator[Path]:
    """What belongs to the catalog: jobs of a server and photos of shoppers are no part of it."""
    return (path for path in catalog.rglob("*") if _belongs(path, catalog) and path.is_file())


def _belongs(path: Path, catalog: Path) -> bool:
    inside = path.is_relative_to(catalog) and path.name not in _SKIPPED
    return inside and path.relative_to(catalog).parts[0] not in _APART


def restore(source: Path, catalog: Path, *, progress: Progress | None = None) -> int:
    """Unpack a snapshot into a new folder and check every file; returns how many. Raises CatalogBroken, BadInput.

    The folder appears when all sums agree, and not before.
    """
    if catalog.exists():
        raise BadInput(f"{catalog} is there already; restore into a new folder")
    draft = catalog.with_name(catalog.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        meter = _Meter(progress)
        with _opened(source) as tar:
            for entry in tar:
                tar.extract(entry, draft, filter="data")
                meter.add(entry.size)
        sums = _sums(draft / _SUMS, source)
        _check(draft, sums, source)
        (draft / _SUMS).unlink()
        draft.replace(catalog)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return len(sums)


def verify(source: Path, *, progress: Progress | None = None) -> int:
    """Check every file of a snapshot against its sum without unpacking; returns how many. Raises CatalogBroken."""
    with _opened(source) as tar:
        first = tar.next()
        listed = tar.extractfile(first) if first and first.name == _SUMS else None
        if listed is None:
            raise CatalogBroken(f"{source} is not a snapshot of snapfind")
        sums = dict(json.loads(listed.read())["files"])
        wrong, meter = set(sums), _Meter(progress)
        for entry in tar:
            meter.add(entry.size)
            file = tar.extractfile(entry) if entry.isfile() else None
            if file and _digest(file) == sums.get(entry.name):
                wrong.discard(entry.name)
    if wrong:
        raise CatalogBroken(f"{source}: {len(wrong)} files are damaged or missing, first {min(wrong)}")
    return len(sums)


class _Sparse(tarfile.TarFile):
    """Leaves holes where a file has zeros, as the engine did: a small shop takes 3 MB again, and not 280."""

    def makefile(self, tarinfo: tarfile.TarInfo, targetpath: str | PathLike[str]) -> None:  # type: ignore[override]
        source = self.extractfile(tarinfo)
        assert source is not None
        with Path(targetpath).open("wb") as target:
            while piece := source.read(len(_ZEROS)):
                if piece == _ZEROS[: len(piece)]:
                    target.seek(len(piece), 1)
                else:
                    target.write(piece)
            target.truncate()


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    if not source.is_file():
        raise NotFound(f"there is no snapshot {source}")
    try:
        with _Sparse.open(source) as tar:
            yield tar
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CatalogBroken(f"{source} is not a snapshot of snapfind, or is cut off ({error}); take another") from error


def _sums(path: Path, source: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_bytes())["files"])
    except (OSError, ValueError, KeyError) as error:
        raise CatalogBroken(f"{source} is not a snapshot of snapfind") from error


def _check(folder: Path, sums: dict[str, str], source: Path) -> None:
    for name, expected in sums.items():
        path = folder / name
        if not path.is_file() or _sum(path) != expected:
            raise CatalogBroken(f"{source}: the file {name} is damaged or missing; take an older snapshot")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return _digest(file)


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()
