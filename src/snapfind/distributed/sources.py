"""Sources for millions of pictures: Parquet with the pictures inside and tar shards, read by Ray Data; and all others.

Local tables and folders are read as `add` reads them; workers must then see the same files. Those of object storage
are in `stored.py`. Parquet with a column `bytes` needs `id` and `picture` (a name) beside it. A tar shard has, for each
key, a picture and, if it has one, a `.json` with the columns of the product; without it the key is the product.
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
from snapfind.catalog.ingest.folders import is_of_system, is_picture
from snapfind.catalog.ingest.kinds import settle, typed_kind_of
from snapfind.catalog.ingest.notes import Notes
from snapfind.catalog.ingest.sources import Failure, Item, Source, open_source
from snapfind.catalog.ingest.tables import TABLES, header, table_suffix
from snapfind.core.errors import BadInput, SnapfindError
from snapfind.core.types import Kind
from snapfind.distributed.object_store import Store, open_store, told
from snapfind.distributed.storage import far_folder, far_table

__all__ = ["Shards", "open_bulk"]

Rows = Iterator[dict[str, Any] | Failure]
_LOOKED_AT = 1000  # rows from which the kinds of new columns are settled
_BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Shards(Source):
    """Items whose pictures come as bytes; `read` begins to read the rows anew."""

    read: Callable[[], Rows] = lambda: iter(())

    def __iter__(self) -> Iterator[Item | Failure]:
        assert self.columns is not None
        for number, row in enumerate(self.read(), 1):
            if isinstance(row, Failure):
                yield row
                continue
            content = row.pop(_BYTES) or b""  # nothing in it is one bad picture, and the worker says so
            try:
                product = self.columns.product(row, self.schema, self.numbers, self.noted)
                name, _ = self.columns.pictures(row)[0]
            except SnapfindError as error:
                yield Failure(text_of(row.get("id")), error.code, f"{self.path.name} row {number}", error.message)
                continue
            yield Item(product, name, Path(name), bytes(content))


def open_bulk(
    source: str, known: Mapping[str, Kind], root: str | Path | None, store: Store | None, spare: Path
) -> Source:
    """What a source holds; `known` kinds of the catalogue win. `store` is where its pictures lie, if not on this
    machine; a table that is not either is fetched into `spare`. Raises NotFound, BadInput, NotReady."""
    if "://" in source:
        return _far(source, known, store, spare)
    path = Path(source)
    if path.suffix == ".tar" or (path.is_dir() and any(path.glob("*.tar"))):
        return _shards(source, _of_tars(source), known)
    if path.suffix == ".parquet" and path.is_file() and {_BYTES, "picture"} <= set(header(path)):
        return _shards(source, _of_parquet(source), known)
    if store:
        return far_table(path, known, store)
    return open_source(path, known, Path(root) if root else None)


def _far(source: str, known: Mapping[str, Kind], store: Store | None, spare: Path) -> Source:
    own = open_store(source)
    suffix, one = PurePosixPath(own.path).suffix.lower(), own.is_file()
    inside = {suffix} if one else own.suffixes()
    if ".tar" in inside:
        return _shards(source, _of_tars(own.path, own.files), known)
    if ".parquet" in inside and not (one and _BYTES not in own.columns()):
        return _shards(source, _of_parquet(own.path, own.files), known)
    if one and table_suffix(own.path):
        return far_table(own.fetch(spare), known, store or own.parent())
    if one:
        raise BadInput(f"{source}: give a folder of pictures, tar shards, or a table that ends in {', '.join(TABLES)}")
    return far_folder(own)


def _shards(source: str, read: Callable[[], Rows], known: Mapping[str, Kind]) -> Shards:
    looked = [row for row in itertools.islice(_said(source, read), _LOOKED_AT) if not isinstance(row, Failure)]
    first = [{name: value for name, value in row.items() if name != _BYTES} for row in looked]
    if not first:
        raise BadInput(f"{source} holds no pictures; give Parquet with bytes, tar shards, or a folder of pictures")
    notes = Notes()
    columns = Columns(dict.fromkeys(name for row in first for name in row), PurePosixPath(source).name, notes=notes)
    schema = {
        name: known.get(name) or settle({typed_kind_of(row.get(column)) for row in first})
        for column, name in columns.attributes.items()
    }
    return Shards(Path(source), Path(), 0, schema, columns, noted=notes, read=partial(_said, source, read))


def _said(source: str, read: Callable[[], Rows]) -> Rows:
    """The rows; raises BadInput with a sentence where Ray cannot read on."""
    import ray

    try:
        yield from read()
    except (OSError, ValueError, ray.exceptions.RayError) as error:
        if "://" in source:
            raise told(error, source) from error
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise BadInput(
            f"{source} cannot be read ({reason[-1][:200]}); mend it and run again, what is in stays"
        ) from error


def _of_parquet(source: str, files: Any = None) -> Callable[[], Rows]:
    import ray.data

    return lambda: iter(ray.data.read_parquet(source, filesystem=files).iter_rows())


def _of_tars(source: str, files: Any = None) -> Callable[[], Rows]:
    import ray.data

    def rows() -> Rows:
        # decoder=None, for False decodes too: pictures are decoded by our workers, within our bounds
        read = ray.data.read_webdataset(source, filesystem=files, decoder=None, file_extensions=["tar"])
        for row in read.iter_rows():
            parts = {name: part for name, part in row.items() if part is not None}  # None: a key without that member
            suffix = next((name for name in parts if _is_picture(row["__key__"], name, parts[name])), None)
            if suffix:
                key, told = row["__key__"], _columns_of(parts.get("json", b"{}"))
                name = f"{key}.{suffix}"
                if told is None:
                    yield Failure(key, "row_bad", name, f"{key}.json is no JSON object; write the columns as one")
                else:
                    yield {"id": key, **told, "picture": name, _BYTES: parts[suffix]}

    return rows


def _is_picture(key: str, suffix: str, content: Any) -> bool:
    inside = isinstance(content, bytes) and not any(map(is_of_system, PurePosixPath(key).parts))
    return inside and is_picture(f"x.{suffix}", content[:32])


def _columns_of(written: bytes | str) -> dict[str, Any] | None:
    """What a .json beside a picture says of its product; None where it is no object."""
    try:
        told = json.loads(written)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
