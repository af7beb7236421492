"""Sources for distributed ingest: Parquet with embedded pictures and tar shards (by Ray Data), tables and folders.

Local tables and folders are read as by `add`, and workers must have access to the same files. For those of object
storage see `storage.py`. Parquet with a column `bytes` also needs `id` and `picture` (a name). A tar shard has a
picture for each key, and optionally a `.json` with the columns of the product. Without one, the key is the product id.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from snapfind.catalog.ingest.cells import text_of
from snapfind.catalog.ingest.columns import Columns
from snapfind.catalog.ingest.folders import is_system_file
from snapfind.catalog.ingest.kinds import merge_kinds, typed_kind_of
from snapfind.catalog.ingest.notes import Notes
from snapfind.catalog.ingest.sources import Failure, Item, Source, open_source
from snapfind.catalog.ingest.tables import TABLES, header, table_suffix
from snapfind.core.errors import BadInput, SnapfindError
from snapfind.core.types import Kind
from snapfind.distributed.object_store import Store, open_store, storage_error
from snapfind.distributed.storage import object_folder, object_table
from snapfind.media.handlers import IMAGES

__all__ = ["Shards", "open_bulk"]

Rows = Iterator[dict[str, Any] | Failure]
_SAMPLED_ROWS = 1000  # rows from which the types of new columns are inferred
_BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Shards(Source):
    """Items with the bytes of their pictures. `read` starts a new iteration over the rows."""

    read: Callable[[], Rows] = lambda: iter(())

    def __iter__(self) -> Iterator[Item | Failure]:
        assert self.columns is not None
        for number, row in enumerate(self.read(), 1):
            if isinstance(row, Failure):
                yield row
                continue
            content = row.pop(_BYTES) or b""  # the worker reports an empty picture
            try:
                product = self.columns.product(row, self.schema, self.numbers, self.note_log)
                name, _ = self.columns.pictures(row)[0]
            except SnapfindError as error:
                yield Failure(text_of(row.get("id")), error.code, f"{self.path.name} row {number}", error.message)
                continue
            yield Item(product, name, Path(name), bytes(content))


def open_bulk(
    source: str, known: Mapping[str, Kind], root: str | Path | None, store: Store | None, temporary: Path
) -> Source:
    """Open a source.

    Args:
        source: Path or address of a table, a folder, Parquet with pictures, or tar shards.
        known: Types of attributes that the catalog has. They override inferred types.
        root: Local folder that picture paths of a table are relative to.
        store: Object storage with the pictures, or None for this machine.
        temporary: Folder for a table that is downloaded from object storage.

    Raises:
        NotFound: The source does not exist.
        BadInput: The source cannot be read or has no pictures.
        NotReady: The storage does not respond.
    """
    if "://" in source:
        return _open_stored(source, known, store, temporary)
    path = Path(source)
    if path.suffix == ".tar" or (path.is_dir() and any(path.glob("*.tar"))):
        return _shards(source, _of_tars(source), known)
    if path.suffix == ".parquet" and path.is_file() and {_BYTES, "picture"} <= set(header(path)):
        return _shards(source, _of_parquet(source), known)
    if store:
        return object_table(path, known, store)
    return open_source(path, known, Path(root) if root else None)


def _open_stored(source: str, known: Mapping[str, Kind], store: Store | None, temporary: Path) -> Source:
    bucket = open_store(source)
    suffix, is_file = PurePosixPath(bucket.path).suffix.lower(), bucket.is_file()
    suffixes = {suffix} if is_file else bucket.suffixes()
    if ".tar" in suffixes:
        return _shards(source, _of_tars(bucket.path, bucket.files), known)
    if ".parquet" in suffixes and not (is_file and _BYTES not in bucket.columns()):
        return _shards(source, _of_parquet(bucket.path, bucket.files), known)
    if is_file and table_suffix(bucket.path):
        return object_table(bucket.fetch(temporary), known, store or bucket.parent())
    if is_file:
        raise BadInput(f"unsupported source: {source}; supported: folders of pictures, tar shards, {', '.join(TABLES)}")
    return object_folder(bucket)


def _shards(source: str, read: Callable[[], Rows], known: Mapping[str, Kind]) -> Shards:
    rows = [row for row in itertools.islice(_read_rows(source, read), _SAMPLED_ROWS) if not isinstance(row, Failure)]
    first = [{name: value for name, value in row.items() if name != _BYTES} for row in rows]
    if not first:
        raise BadInput(f"{source} has no pictures; supported: Parquet with bytes, tar shards, folders of pictures")
    notes = Notes()
    columns = Columns(dict.fromkeys(name for row in first for name in row), PurePosixPath(source).name, notes=notes)
    schema = {
        name: known.get(name) or merge_kinds({typed_kind_of(row.get(column)) for row in first})
        for column, name in columns.attributes.items()
    }
    return Shards(Path(source), Path(), 0, schema, columns, note_log=notes, read=partial(_read_rows, source, read))


def _read_rows(source: str, read: Callable[[], Rows]) -> Rows:
    """Iterate over the rows, and convert errors of Ray."""
    import ray

    try:
        yield from read()
    except (OSError, ValueError, ray.exceptions.RayError) as error:
        if "://" in source:
            raise storage_error(error, source) from error
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise BadInput(f"{source} cannot be read ({reason[-1][:200]}); fix it and run again to resume") from error


def _of_parquet(source: str, files: Any = None) -> Callable[[], Rows]:
    import ray.data

    return lambda: iter(ray.data.read_parquet(source, filesystem=files).iter_rows())


def _of_tars(source: str, files: Any = None) -> Callable[[], Rows]:
    import ray.data

    def rows() -> Rows:
        # decoder=None, because False decodes too: our workers decode pictures within our limits
        read = ray.data.read_webdataset(source, filesystem=files, decoder=None, file_extensions=["tar"])
        for row in read.iter_rows():
            parts = {name: part for name, part in row.items() if part is not None}  # None: a key without that member
            suffix = next((name for name in parts if _is_picture(row["__key__"], name, parts[name])), None)
            if suffix:
                key, columns = row["__key__"], _columns_of(parts.get("json", b"{}"))
                name = f"{key}.{suffix}"
                if columns is None:
                    yield Failure(key, "row_bad", name, f"{key}.json is not a JSON object of columns")
                else:
                    yield {"id": key, **columns, "picture": name, _BYTES: parts[suffix]}

    return rows


def _is_picture(key: str, suffix: str, content: Any) -> bool:
    is_member = isinstance(content, bytes) and not any(map(is_system_file, PurePosixPath(key).parts))
    return is_member and IMAGES.recognizes(f"x.{suffix}", content[:32])


def _columns_of(content: bytes | str) -> dict[str, Any] | None:
    """Parse the .json of a picture. Return None if it is not an object."""
    try:
        columns = json.loads(content)
    except ValueError:
        return None
    return columns if isinstance(columns, dict) else None
