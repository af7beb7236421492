"""Index on Qdrant servers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.index.qdrant.cluster import Cluster
    from snapfind.index.qdrant.collection import CollectionLayout
    from snapfind.index.qdrant.servers import Servers, connect

__all__ = [
    "Cluster",
    "CollectionLayout",
    "Servers",
    "connect",
]

_MODULES = {
    "Cluster": "cluster",
    "CollectionLayout": "collection",
    "Servers": "servers",
    "connect": "servers",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for, so that the package is cheap to import."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
