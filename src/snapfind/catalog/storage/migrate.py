"""Migration of an index from the folder to Qdrant servers, to other servers, and back.

Pictures, models, events and the manifest stay in the folder, which has one writer. Points are copied page by page under
their ids, so an interrupted migration can be resumed. Then both indexes are compared, and one write of the manifest
switches to the new one. The old index is not deleted, so that one can go back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from snapfind.catalog.storage.folder import Folder
from snapfind.core.errors import BadInput, CatalogBroken, ReadOnly
from snapfind.index import qdrant_edge
from snapfind.index.base import Index, IndexQuery, Point
from snapfind.index.payload import FIXED, SYSTEM
from snapfind.index.qdrant import cluster
from snapfind.index.qdrant.collection import CollectionLayout
from snapfind.index.qdrant.servers import connect

__all__ = ["EMBEDDED", "MigrationReport", "copy", "find_index", "move", "open_index", "verify"]

EMBEDDED = "folder"
Progress = Callable[[int, int], None]
_PAGE, _SEARCHES, _HITS = 512, 100, 10


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """Result of a migration.

    Attributes:
        copied: Copied points.
        there: Points that existed already.
        compared: Searches that were compared.
        same: Searches with the same hits.
    """

    copied: int
    there: int
    compared: int
    same: int


def open_index(folder: Folder) -> Index:
    """Open the index of a catalog.

    Args:
        folder: Folder of the catalog.

    Returns:
        The embedded index, or that on the servers of the manifest.

    Raises:
        CatalogBroken: The index is damaged or missing.
        NotReady: No server responds.
        ExtraMissing: `qdrant-client` is not installed.
    """
    address = folder.manifest.index
    if not address and folder.manifest.active and not (folder.index / "edge_config.json").exists():
        raise CatalogBroken(f"{folder.path} has no folder index; restore it from a snapshot")
    return cluster.open(*connect(address)) if address else qdrant_edge.open(folder.index)


def find_index(folder: Folder) -> cluster.Cluster:
    """Open the index of a catalog for a read replica.

    Args:
        folder: Folder of the catalog.

    Returns:
        The index on servers.

    Raises:
        ReadOnly: The index is embedded, which allows one process at a time.
        NotReady: No server responds.
    """
    address = folder.manifest.index
    if not address:
        raise ReadOnly(
            f"the index of {folder.path} is embedded and allows one process at a time; move it to servers first: "
            f"snapfind migrate {folder.path} qdrant://HOST:6333/NAME"
        )
    return cluster.find(*connect(address))


def move(
    folder: Folder, source: Index, address: str, progress: Progress | None = None, shape: CollectionLayout | None = None
) -> MigrationReport:
    """Copy an index, compare both, and switch to the copy.

    Args:
        folder: Folder of the catalog.
        source: Current index.
        address: Address of the servers, or "folder" for the embedded index.
        progress: Called with (points done, points in total).
        shape: Layout of a new collection.

    Returns:
        Numbers of points and searches.

    Raises:
        BadInput: The index is at the address already.
        CatalogBroken: The copy is different. The old index stays active.
    """
    target_address = "" if address == EMBEDDED else address
    if target_address == folder.manifest.index:
        raise BadInput(f"the index is at {address} already", field="address")
    target = (
        cluster.open(*connect(target_address), shape, source.spaces())
        if target_address
        else qdrant_edge.open(folder.index)
    )
    try:
        indexed = {name: kind for name, kind in FIXED.items() if name != "description"}
        target.declare(SYSTEM | indexed | folder.manifest.schema)
        copied, there = copy(source, target, progress)
        target.publish(folder.manifest.active)
        target.optimize()
        moved = verify(source, target, copied, there)
    finally:
        target.close()
    folder.save(index=target_address)
    return moved


def copy(source: Index, target: Index, progress: Progress | None = None) -> tuple[int, int]:
    """Copy every space and point that an index lacks, and delete the points that it has in excess.

    Args:
        source: Index to read.
        target: Index to write.
        progress: Called with (points done, points in total).

    Returns:
        Number of copied points, and of points that existed already.
    """
    for space, dim in source.spaces().items():
        target.add_space(space, dim)
    total, done, copied, after = source.count(), 0, 0, None
    ids: set[str] = set()
    while True:
        page = source.scroll(after=after, limit=_PAGE, vectors=True)
        known = {point.id: point for point in target.get([one.id for one in page.points], vectors=True)}
        fresh = [point for point in page.points if point.id not in known or not _equal(known[point.id], point)]
        target.upsert(fresh)
        ids.update(point.id for point in page.points)
        copied, done, after = copied + len(fresh), done + len(page.points), page.after
        if progress:
            progress(done, total)
        if after is None:
            break
    if target.count() != len(ids):
        target.delete([one for one in _ids(target) if one not in ids])
    return copied, done - copied


def verify(source: Index, target: Index, copied: int = 0, there: int = 0) -> MigrationReport:
    """Compare the counts and the first ten hits of a hundred exact searches by stored vectors.

    Args:
        source: One index.
        target: The other index.
        copied: Number of copied points, for the result.
        there: Number of points that existed already, for the result.

    Returns:
        Numbers of points and searches.

    Raises:
        CatalogBroken: The indexes are different.
    """
    if source.count() != target.count():
        raise CatalogBroken(f"{source.count()} points here, {target.count()} there; nothing was switched, run it again")
    compared = same = 0
    sample = source.scroll(limit=_SEARCHES, vectors=True).points
    for point in sample:
        for space, vector in point.vectors.items():
            compared += 1
            query = IndexQuery(space, vector, limit=_HITS, exact=True)
            same += _hits(source, query) == _hits(target, query)
    if same < compared:
        raise CatalogBroken(f"{compared - same} of {compared} searches have other hits there; nothing was switched")
    return MigrationReport(copied, there, compared, same)


def _hits(index: Index, query: IndexQuery) -> set[object]:
    """Return the hits as a set, without those tied with the last one, whose order can differ between engines."""
    hits = index.search(query)
    last_score = hits[-1].score if hits else 0.0
    return {one.payload["_product"] for one in hits if one.score > last_score + 1e-5}


def _equal(one: Point, other: Point) -> bool:
    if one.words != other.words or dict(one.payload) != dict(other.payload) or set(one.vectors) != set(other.vectors):
        return False
    vectors: Mapping[str, object] = one.vectors
    return all(np.allclose(one.vectors[space], other.vectors[space], atol=1e-6) for space in vectors)


def _ids(index: Index) -> list[str]:
    ids, after = [], None
    while True:
        page = index.scroll(after=after, limit=_PAGE)
        ids += [point.id for point in page.points]
        after = page.after
        if after is None:
            return ids
