"""Split a local table or folder into batches for single requests."""

from collections.abc import Iterator, Mapping

from snapfind.catalog.ingest.diff import read_bytes
from snapfind.catalog.ingest.sources import Failure, Item, Source
from snapfind.core.errors import BadPicture
from snapfind.core.types import Product

__all__ = ["batches"]

_PRODUCTS, _PICTURES, _BYTES = 50, 16, 16 * 2**20  # per request, far below the limits of a server
_MAX_PICTURE_BYTES = 32 * 2**20

Batch = list[tuple[Product, Mapping[str, bytes]]]


def batches(source: Source) -> Iterator[tuple[int, int, Batch, list[Failure]]]:
    """Iterate over batches of a source.

    Args:
        source: An opened table or folder.

    Yields:
        Rows read so far, total number of rows, products with their pictures by name, and failures since the last
        batch.
    """
    batch: dict[str, tuple[Product, dict[str, bytes]]] = {}
    failures: list[Failure] = []
    done = size = 0
    for done, entry in enumerate(source, 1):
        if isinstance(entry, Failure):
            failures.append(entry)
            continue
        try:
            content, _ = read_bytes(entry, _MAX_PICTURE_BYTES)
        except BadPicture as error:
            failures.append(Failure(entry.product.id, error.code, entry.picture, error.message))
            continue
        if _is_full(batch, entry, size + len(content)):
            yield done - 1, source.total, list(batch.values()), failures
            batch, failures, size = {}, [], 0
        batch.setdefault(entry.product.id, (entry.product, {}))[1][entry.picture] = content
        size += len(content)
    yield done, source.total, list(batch.values()), failures


def _is_full(batch: Mapping[str, tuple[Product, Mapping[str, bytes]]], entry: Item, size: int) -> bool:
    count = len(batch[entry.product.id][1]) if entry.product.id in batch else 0
    new = entry.product.id not in batch
    return bool(batch) and (size > _BYTES or count >= _PICTURES or (new and len(batch) >= _PRODUCTS))
