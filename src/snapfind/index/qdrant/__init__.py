"""Index on Qdrant servers."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

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

__getattr__ = lazy_exports(
    __name__,
    {
        "cluster": ["Cluster"],
        "collection": ["CollectionLayout"],
        "servers": ["Servers", "connect"],
    },
)
