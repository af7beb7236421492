"""Snapshots: a tar of the folder of a catalog with the SHA-256 of every file, which is checked on restore.

A snapshot is fast and for the same version of snapfind. An export is for any version. The engine is flushed and closed
first, and files are read while the folder is locked. Large parts of the engine's files are zeros that were never
written. They are left out of the tar (GNU sparse format 1.0 in PAX headers, which tar reads) and restored as holes.
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
Progress = Callable[[int, int], None]  # megabytes done, and in total (0: unknown)
_SKIPPED = frozenset({"lock", "owner", "trial.jsonl"})
_APART = frozenset({"jobs", "query_photos"})


@dataclass(frozen=True, slots=True)
class _Content:
    """Content of a file: its size, its SHA-256, and its ranges (start, length) with data."""

    size: int
    digest: str
    ranges: tuple[tuple[int, int], ...]


def snapshot(catalog: Path, target: Path, *, progress: Progress | None = None) -> int:
    """Write a snapshot of a closed catalog.

    Args:
        catalog: Folder of the catalog.
        target: The tar file, packed if it ends in .gz or .tgz.
        progress: Called with (megabytes done, megabytes in total).

    Returns:
        Size of the file in bytes.

    Raises:
        CatalogBusy: Another process has the catalog open.
        NotFound: There is no such catalog.
        BadInput: The file exists, or is within the catalog.
        NoRoom: The disk is full.
    """
    folder = Folder(catalog, create=False)
    try:
        return pack(catalog, target, progress=progress)
    finally:
        folder.close()


def pack(
    catalog: Path, target: Path, copies: Mapping[str, Path] | None = None, *, progress: Progress | None = None
) -> int:
    """Write a snapshot of an open catalog, to which nobody writes meanwhile.

    Args:
        catalog: Folder of the catalog.
        target: The tar file, packed if it ends in .gz or .tgz.
        copies: Files to use instead of those with the same name, which another program may be writing.
        progress: Called with (megabytes done, megabytes in total).

    Returns:
        Size of the file in bytes.

    Raises:
        BadInput: The file exists, or is within the catalog.
        NoRoom: The disk is full.
    """
    if target.exists():
        raise BadInput(f"{target} already exists; use another name or delete it")
    if _belongs(target.resolve(), catalog.resolve()):
        raise BadInput(f"{target} is within the catalog; use a place outside of it")
    draft = target.with_name(target.name + ".new")
    try:
        files = {path.relative_to(catalog).as_posix(): path for path in _files(catalog)}
        for name, copy in (copies or {}).items():
            files = {known: path for known, path in files.items() if known not in {f"{name}-wal", f"{name}-shm"}}
            files[name] = copy
        counter = _Counter(progress, 2 * sum(path.stat().st_size for path in files.values()))
        contents = {name: _scan(path, counter) for name, path in sorted(files.items())}
        sums = {name: content.digest for name, content in contents.items()}
        with _open_new(draft, target) as tar:
            content = json.dumps({"snapfind": __version__, "files": sums}).encode()
            entry = tarfile.TarInfo(_SUMS)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
            for name, own in contents.items():
                _put(tar, files[name], name, own)
                counter.add(own.size)
        draft.replace(target)
    except OSError as error:
        raise NoRoom(f"{target} cannot be written ({error.strerror}); free some space") from error
    finally:
        draft.unlink(missing_ok=True)
    return target.stat().st_size


class _Counter:
    """Counts bytes and reports megabytes."""

    def __init__(self, progress: Progress | None, total: int = 0) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def add(self, count: int) -> None:
        """Count bytes that are done."""
        self._done += count
        if self._progress:
            self._progress(self._done // _MEGABYTE, -(-self._total // _MEGABYTE))


def _scan(path: Path, counter: _Counter) -> _Content:
    digest, place = hashlib.sha256(), 0
    ranges: list[tuple[int, int]] = []
    with path.open("rb") as file:
        while piece := file.read(len(_ZEROS)):
            digest.update(piece)
            if piece != _ZEROS[: len(piece)]:
                start, length = ranges.pop() if ranges and sum(ranges[-1]) == place else (place, 0)
                ranges.append((start, length + len(piece)))
            place += len(piece)
            counter.add(len(piece))
    return _Content(place, digest.hexdigest(), tuple(ranges))


def _put(tar: tarfile.TarFile, path: Path, name: str, content: _Content) -> None:
    """Add a file, as a sparse one if that saves space."""
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
    """File object with the map of a sparse file, followed by its ranges."""

    def __init__(self, table: bytes, file: IO[bytes], ranges: Sequence[tuple[int, int]]) -> None:
        self._buffer, self._file, self._ranges = table, file, list(ranges)

    def read(self, size: int = -1, /) -> bytes:
        """Read exactly `size` bytes, fewer only at the end."""
        while len(self._buffer) < size and self._ranges:
            start, length = self._ranges.pop(0)
            part = min(length, size - len(self._buffer))
            self._file.seek(start)
            self._buffer += self._file.read(part)
            if part < length:
                self._ranges.insert(0, (start + part, length - part))
        content, self._buffer = self._buffer[:size], self._buffer[size:]
        return content


def _open_new(draft: Path, target: Path) -> tarfile.TarFile:
    """Open a new tar, packed if the name of the target ends in .gz or .tgz."""
    if target.suffix in {".gz", ".tgz"}:
        return tarfile.open(draft, "w:gz", compresslevel=1)
    return tarfile.open(draft, "w")


def _files(catalog: Path) -> Iterator[Path]:
    """Iterate over the files of a snapshot. Jobs of a server and query photos are not among them."""
    return (path for path in catalog.rglob("*") if _belongs(path, catalog) and path.is_file())


def _belongs(path: Path, catalog: Path) -> bool:
    inside = path.is_relative_to(catalog) and path.name not in _SKIPPED
    return inside and path.relative_to(catalog).parts[0] not in _APART


def restore(source: Path, catalog: Path, *, progress: Progress | None = None) -> int:
    """Restore a snapshot. The folder appears after all checksums were verified.

    Args:
        source: The snapshot.
        catalog: New folder.
        progress: Called with (megabytes done, 0).

    Returns:
        Number of files.

    Raises:
        NotFound: There is no such snapshot.
        BadInput: The folder exists.
        CatalogBroken: The snapshot is damaged.
    """
    if catalog.exists():
        raise BadInput(f"{catalog} already exists; restore into a new folder")
    draft = catalog.with_name(catalog.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        counter = _Counter(progress)
        with _open(source) as tar:
            for entry in tar:
                tar.extract(entry, draft, filter="data")
                counter.add(entry.size)
        sums = _sums(draft / _SUMS, source)
        _check(draft, sums, source)
        (draft / _SUMS).unlink()
        draft.replace(catalog)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return len(sums)


def verify(source: Path, *, progress: Progress | None = None) -> int:
    """Verify the checksums of a snapshot without unpacking it.

    Args:
        source: The snapshot.
        progress: Called with (megabytes done, 0).

    Returns:
        Number of files.

    Raises:
        NotFound: There is no such snapshot.
        CatalogBroken: The snapshot is damaged.
    """
    with _open(source) as tar:
        first = tar.next()
        file_of_sums = tar.extractfile(first) if first and first.name == _SUMS else None
        if file_of_sums is None:
            raise CatalogBroken(f"{source} is not a snapshot of snapfind")
        sums = dict(json.loads(file_of_sums.read())["files"])
        wrong, counter = set(sums), _Counter(progress)
        for entry in tar:
            counter.add(entry.size)
            file = tar.extractfile(entry) if entry.isfile() else None
            if file and _digest(file) == sums.get(entry.name):
                wrong.discard(entry.name)
    if wrong:
        raise CatalogBroken(f"{source}: {len(wrong)} files are damaged or missing, first {min(wrong)}")
    return len(sums)


class _Sparse(tarfile.TarFile):
    """Restores zeros as holes, so that a small shop takes 3 MB instead of 280."""

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
def _open(source: Path) -> Iterator[tarfile.TarFile]:
    if not source.is_file():
        raise NotFound(f"there is no snapshot {source}")
    try:
        with _Sparse.open(source) as tar:
            yield tar
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CatalogBroken(
            f"{source} is not a snapshot of snapfind, or is cut off ({error}); use another one"
        ) from error


def _sums(path: Path, source: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_bytes())["files"])
    except (OSError, ValueError, KeyError) as error:
        raise CatalogBroken(f"{source} is not a snapshot of snapfind") from error


def _check(folder: Path, sums: dict[str, str], source: Path) -> None:
    for name, expected in sums.items():
        path = folder / name
        if not path.is_file() or _sum(path) != expected:
            raise CatalogBroken(f"{source}: the file {name} is damaged or missing; use an older snapshot")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return _digest(file)


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()
