"""`snapfind add --ray`: the same run as `add`, read and encoded by a crew; one process compares and writes.

Idempotent as `add` is: what the index holds with the same hash is not looked at again, so a run that was killed, here
or on any worker, goes on where it stopped.
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
from snapfind.catalog.ingest.diff import Held
from snapfind.catalog.ingest.ingest import Adding, Progress, Ready
from snapfind.catalog.ingest.report import AddReport
from snapfind.catalog.ingest.sources import Failure, Item
from snapfind.catalog.storage.hidden import hidden_hash
from snapfind.core.errors import NotFound, NotReady
from snapfind.core.types import Picture
from snapfind.distributed.pool import BATCH, Crew
from snapfind.distributed.sources import open_bulk
from snapfind.distributed.storage import store_of
from snapfind.distributed.worker import Refused, Task, Unreached, recipe_of
from snapfind.encoders.base import Vectors

__all__ = ["add"]


def add(
    catalogue: Catalog,
    source: str | Path,
    address: str = "local",
    *,
    workers: int = 0,
    sync: bool = False,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> AddReport:
    """Add a table, a folder, Parquet with pictures inside, or tar shards by the workers of a Ray cluster.

    `address` is that of Ray, "local" starts it on this machine; `workers` 0 takes one a core. `source` and `root`, from
    which a table names its pictures, may be in object storage (`s3://BUCKET/…`, see `distributed/object_store.py`).
    Pictures that stopped two workers are in `report.failures` as `picture_poison`. Raises as `Catalog.add`,
    ExtraMissing, NotReady; what was added before stays, and the same call goes on from there.
    """
    if "://" not in str(source) and not Path(source).exists():
        raise NotFound(f"{source} is neither a file nor a folder")  # before workers are begun, which takes seconds
    store = store_of(str(source), str(root or ""))
    recipe = replace(recipe_of(catalogue.folder, catalogue.model, catalogue.settings), store=store)
    crew = Crew(address, recipe, workers=workers)
    try:
        with tempfile.TemporaryDirectory() as spare:
            found = open_bulk(str(source), catalogue.schema, root, store, Path(spare))
            return catalogue.add(found, sync=sync, progress=progress, by=partial(Spread, crew))
    finally:
        crew.close()


class Spread(Adding):
    """One run whose pictures are looked at by a crew."""

    def __init__(self, crew: Crew, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._crew = crew
        self.chunk = 4 * BATCH * max(2, len(crew.workers))

    def outcomes(
        self, items: Mapping[str, Item], stored: Held, pool: ThreadPoolExecutor
    ) -> Iterator[tuple[str, Ready | Failure | None]]:
        """As they come from the crew."""
        tasks = (
            Task(point, item, tuple(filter(None, (stored.hash_of(point), hidden_hash(self.folder, point)))))
            for point, item in items.items()
        )
        for task, seen in self._crew.see(tasks):
            if seen is None:
                yield task.point, None
            elif isinstance(seen, Unreached):
                raise NotReady(seen.reason)
            elif isinstance(seen, Refused):
                yield task.point, Failure(task.item.product.id, seen.code, task.item.picture, seen.reason)
            else:
                if not self.report.dry_run:
                    self.keep(task.point, seen.copy)
                picture = Picture(task.item.picture, seen.digest, *seen.size)
                image = PIL.Image.open(io.BytesIO(seen.copy))
                is_new = task.point not in stored.points
                yield task.point, Ready(task.item, task.point, picture, image, is_new, seen.vectors)

    def vectors(self, batch: Sequence[Ready]) -> Mapping[str, Vectors]:
        """What the workers made of the pictures."""
        return {space: np.stack([ready.vectors[space] for ready in batch]) for space in batch[0].vectors}
