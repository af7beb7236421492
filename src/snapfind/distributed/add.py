"""Distributed ingest (`snapfind add --ray`): workers read and encode, one process compares and writes.

Idempotent like `add`: pictures that the index has with the same hash are not encoded again, so an interrupted run
resumes where it stopped.
"""

import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from snapfind.catalog.catalog import Catalog
from snapfind.catalog.ingest.diff import StoredPoints
from snapfind.catalog.ingest.ingest import Ingestion, PreparedItem, Progress
from snapfind.catalog.ingest.report import AddReport
from snapfind.catalog.ingest.sources import Failure, Item
from snapfind.catalog.storage.hidden import hidden_hash
from snapfind.core.errors import NotFound, NotReady
from snapfind.core.types import Picture
from snapfind.distributed.pool import BATCH, WorkerPool
from snapfind.distributed.sources import open_bulk
from snapfind.distributed.storage import store_of
from snapfind.distributed.worker import Rejected, Task, Unavailable, bundle_encoders
from snapfind.encoders.base import Vectors

__all__ = ["add"]


def add(
    catalog: Catalog,
    source: str | Path,
    address: str = "local",
    *,
    workers: int = 0,
    sync: bool = False,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> AddReport:
    """Add products with the workers of a Ray cluster.

    Args:
        catalog: The catalog to add to.
        source: Table, folder, Parquet with embedded pictures, or tar shards. Local or in object storage (`s3://…`).
        address: Address of Ray. `local` starts it on this machine.
        workers: Number of workers. 0: one per core.
        sync: Delete products and pictures that the source no longer has.
        root: Folder or address that picture paths of a table are relative to.
        progress: Called with (done, total).

    Returns:
        Counts and failures. Pictures that crashed two workers have the code `picture_poison`.

    Raises:
        SnapfindError: As `Catalog.add`. Products added before stay, and the same call resumes.
        ExtraMissing: Ray is not installed.
        NotReady: The cluster or the object storage does not respond.
    """
    if "://" not in str(source) and not Path(source).exists():
        raise NotFound(
            f"{source} is neither a file nor a folder"
        )  # checked before workers are started, which takes seconds
    store = store_of(str(source), str(root or ""))
    bundle = replace(bundle_encoders(catalog.folder, catalog.model, catalog.settings), store=store)
    pool = WorkerPool(address, bundle, workers=workers)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            bulk = open_bulk(str(source), catalog.schema, root, store, Path(temporary))
            return catalog.add(bulk, sync=sync, progress=progress, by=partial(DistributedAdding, pool))
    finally:
        pool.close()


class DistributedAdding(Ingestion):
    """A run of `add` whose pictures are encoded by a worker pool."""

    def __init__(self, workers: WorkerPool, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._workers = workers
        self.chunk = 4 * BATCH * max(2, len(workers.workers))

    def outcomes(
        self, items: Mapping[str, Item], stored: StoredPoints, pool: ThreadPoolExecutor
    ) -> Iterator[tuple[str, tuple[PreparedItem, ...] | Failure | None]]:
        """Yield results in order of completion."""
        tasks = (
            Task(point, item, tuple(filter(None, (stored.hash_of(point), hidden_hash(self.folder, point)))))
            for point, item in items.items()
        )
        for task, outcome in self._workers.encode(tasks):
            if outcome is None:
                yield task.point, None
            elif isinstance(outcome, Unavailable):
                raise NotReady(outcome.reason)
            elif isinstance(outcome, Rejected):
                yield task.point, Failure(task.item.product.id, outcome.code, task.item.picture, outcome.reason)
            else:
                if not self.report.dry_run:
                    self.keep(task.point, outcome.copy)
                picture = Picture(task.item.picture, outcome.digest, *outcome.size)
                image = PIL.Image.open(io.BytesIO(outcome.copy))
                is_new = task.point not in stored.points
                yield task.point, (PreparedItem(task.item, task.point, picture, image, is_new, outcome.vectors),)

    def vectors(self, batch: Sequence[PreparedItem]) -> Mapping[str, Vectors]:
        """Return the embeddings of the workers: (n, dim) float32 per space."""
        return {space: np.stack([ready.vectors[space] for ready in batch]) for space in batch[0].vectors}
