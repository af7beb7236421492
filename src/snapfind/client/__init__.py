"""Client of a running server, with the methods and value types of the library."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

if TYPE_CHECKING:
    from snapfind.client.client import Client
    from snapfind.client.convert import ServedAnswer
    from snapfind.client.models import ClientModels

__all__ = [
    "Client",
    "ClientModels",
    "ServedAnswer",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "client": ["Client"],
        "convert": ["ServedAnswer"],
        "models": ["ClientModels"],
    },
)
