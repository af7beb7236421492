"""Moving a catalog's index: from the folder to Qdrant servers, from there to others, and back into the folder.

Pictures, spaces, events and the manifest stay in the folder, which keeps its one writer; the index goes. Points are
copied page by page under an id of their own, so a move that was stopped goes on; then both sides are compared, and one
write of the manifest makes the other one answer. The index that was left is not deleted: it is the way back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from snapfind.catalog.storage.folder import Folder
from snapfind.core.errors import BadInput, CatalogBroken, ReadOnly
from snapfind.index import qdrant_edge
from snapfind.index.base import Ask, Index, Point
from snapfind.index.payload import FIXED, SYSTEM
from snapfind.index.qdrant import cluster
from snapfind.index.qdrant.collection import CollectionLayout
from snapfind.index.qdrant.servers import connect

__all__ = ["EMBEDDED", "MigrationReport", "copy", "find_index", "move", "open_index", "verify"]

EMBEDDED = "folder"
Progress = Callable[[int, int], None]
_PAGE, _ASKED, _FIRST = 512, 100, 10


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """How many points were copied and how many were there already; searches compared, and those with the same hits."""

    copied: int
    there: int
    asked: int
    same: int


def open_index(folder: Folder) -> Index:
    """The index that the manifest names. Raises CatalogBroken, NotReady where no server answers, ExtraMissing."""
    address = folder.manifest.index
    if not address and folder.manifest.active and not (folder.index / "edge_config.json").exists():
        raise CatalogBroken(f"{folder.path} has lost its folder index; put it back, or restore a snapshot")
    return cluster.open(*connect(address)) if address else qdrant_edge.open(folder.index)


def find_index(folder: Folder) -> cluster.Cluster:
    """The same for one who only reads. Raises ReadOnly for an embedded index: its log takes one process at a time."""
    address = folder.manifest.index
    if not address:
        raise ReadOnly(
            f"the index of {folder.path} lies in its folder and takes one process at a time; move it to servers first: "
            f"snapfind migrate {folder.path} qdrant://HOST:6333/NAME"
        )
    return cluster.find(*connect(address))


def move(
    folder: Folder, source: Index, address: str, progress: Progress | None = None, shape: CollectionLayout | None = None
) -> MigrationReport:
    """Copies `source` to the index at `address` ("folder" for the embedded one), compares both, and switches.

    `shape` is that of a collection that is made. Raises BadInput where it lies there
    already, CatalogBroken where the two disagree; then the old one goes on answering.
    """
    wanted = "" if address == EMBEDDED else address
    if wanted == folder.manifest.index:
        raise BadInput(f"the index lies at {address} already", field="address")
    target = cluster.open(*connect(wanted), shape, source.spaces()) if wanted else qdrant_edge.open(folder.index)
    try:
        indexed = {name: kind for name, kind in FIXED.items() if name != "description"}
        target.declare(SYSTEM | indexed | folder.manifest.schema)
        copied, there = copy(source, target, progress)
        target.publish(folder.manifest.active)
        target.optimize()
        moved = verify(source, target, copied, there)
    finally:
        target.close()
    folder.save(index=wanted)
    return moved


def copy(source: Index, target: Index, progress: Progress | None = None) -> tuple[int, int]:
    """Every space and every point that `target` lacks; what `source` has no more goes. Copied, and there already."""
    for space, dim in source.spaces().items():
        target.add_space(space, dim)
    total, done, copied, after = source.count(), 0, 0, None
    seen: set[str] = set()
    while True:
        page = source.scroll(after=after, limit=_PAGE, vectors=True)
        known = {point.id: point for point in target.get([one.id for one in page.points], vectors=True)}
        fresh = [point for point in page.points if point.id not in known or not _equal(known[point.id], point)]
        target.upsert(fresh)
        seen.update(point.id for point in page.points)
        copied, done, after = copied + len(fresh), done + len(page.points), page.after
        if progress:
            progress(done, total)
        if after is None:
            break
    if target.count() != len(seen):
        target.delete([one for one in _ids(target) if one not in seen])
    return copied, done - copied


def verify(source: Index, target: Index, copied: int = 0, there: int = 0) -> MigrationReport:
    """Counts, and the first ten of a hundred exact searches by stored vectors. Raises CatalogBroken on a difference."""
    if source.count() != target.count():
        raise CatalogBroken(f"{source.count()} points here, {target.count()} there; nothing was switched, move again")
    asked = same = 0
    sample = source.scroll(limit=_ASKED, vectors=True).points
    for point in sample:
        for space, vector in point.vectors.items():
            asked += 1
            ask = Ask(space, vector, limit=_FIRST, exact=True)
            same += _hits(source, ask) == _hits(target, ask)
    if same < asked:
        raise CatalogBroken(f"{asked - same} of {asked} searches find other products there; nothing was switched")
    return MigrationReport(copied, there, asked, same)


def _hits(index: Index, ask: Ask) -> set[object]:
    """As a set: products of equal likeness may change places between engines."""
    found = index.search(ask)
    edge_score = found[-1].score if found else 0.0
    return {one.payload["_product"] for one in found if one.score > edge_score + 1e-5}


def _equal(one: Point, other: Point) -> bool:
    if one.words != other.words or dict(one.payload) != dict(other.payload) or set(one.vectors) != set(other.vectors):
        return False
    vectors: Mapping[str, object] = one.vectors
    return all(np.allclose(one.vectors[space], other.vectors[space], atol=1e-6) for space in vectors)


def _ids(index: Index) -> list[str]:
    found, after = [], None
    while True:
        page = index.scroll(after=after, limit=_PAGE)
        found += [point.id for point in page.points]
        after = page.after
        if after is None:
            return found
