"""Visual product search for shops: a shopper's photo finds the product in your catalog.

Example:
    >>> import snapfind
    >>> catalog = snapfind.open("shop.snap")
    >>> catalog.add("products.csv")
    >>> for hit in catalog.search("photo.jpg", filter="price < 50"):
    ...     print(hit.product.title, hit.score, hit.verdict)
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from snapfind import _telemetry  # noqa: F401 -- telemetry first, before any package that has some
from snapfind._version import __version__
from snapfind.core import errors
from snapfind.core.query import Query, QueryTerm
from snapfind.core.types import Answer, Box, CategoryGuess, Group, Hit, Picture, Product, Region

if TYPE_CHECKING:
    from snapfind.catalog.catalog import Catalog
    from snapfind.catalog.replica import Replica
    from snapfind.client import Client
    from snapfind.events.event import Event

__all__ = [
    "Answer",
    "Box",
    "Catalog",
    "CategoryGuess",
    "Client",
    "Event",
    "Group",
    "Hit",
    "Picture",
    "Product",
    "Query",
    "QueryTerm",
    "Region",
    "__version__",
    "errors",
    "open",
    "replica",
]


def open(path: str | Path, *, create: bool = True, **settings: int | float | str) -> "Catalog":
    """Open a catalog folder, or create one.

    Args:
        path: The folder, such as "shop.snap".
        create: Create the folder if there is none.
        settings: Settings of docs/reference/settings.md by name.

    Returns:
        The open catalog.

    Raises:
        NotFound: There is no catalog, and `create` is false.
        CatalogBusy: Another process has it open.
        CatalogBroken: A file is damaged.
    """
    from snapfind.catalog.catalog import open_catalog

    return open_catalog(path, create=create, **settings)


def replica(path: str | Path, **settings: int | float | str) -> "Replica":
    """Open a read-only replica of a catalog that another process owns. It follows the changes of that catalog.

    Args:
        path: Folder of the catalog, or a copy of it. Nothing is written to it.
        settings: Settings of docs/reference/settings.md by name.

    Returns:
        The replica, with the reading methods of a catalog.

    Raises:
        NotFound: There is no catalog in the folder.
        CatalogBroken: A file is damaged.
        ReadOnly: The index is embedded. Replicas need an index on Qdrant servers.
        NotReady: The servers cannot be reached.
    """
    from snapfind.catalog.replica import open_replica

    return open_replica(path, **settings)


def __getattr__(name: str) -> Any:
    if name == "Client":
        from snapfind.client import Client

        return Client
    if name == "Event":
        from snapfind.events.event import Event

        return Event
    if name == "Catalog":  # imported when asked for: `import snapfind` stays below 150 ms
        from snapfind.catalog.catalog import Catalog

        return Catalog
    raise AttributeError(f"module 'snapfind' has no attribute {name!r}")
