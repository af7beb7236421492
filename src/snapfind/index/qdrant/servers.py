"""Connection to the Qdrant servers of a cluster: addresses, failover, and conversion of errors.

An address is `qdrant://HOST:6333/NAME`, or `qdrants://` for TLS. Several servers of one cluster are separated by
commas, `qdrant://A:6333,B:6333/NAME`, and tried in turn. The API key is SNAPFIND_QDRANT_KEY. The address
`qdrant+path:///FOLDER/NAME` is the local mode of the client, an exact scan in one thread, for tests.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from snapfind.core.errors import BadInput, ExtraMissing, NotFound, NotReady, SnapfindError

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

__all__ = ["Servers", "connect"]

T = TypeVar("T")
_PORT, _TIMEOUT = 6333, 60  # seconds
_LOCAL = ("Payload indexes have no effect", "Local mode performs exact")  # warnings of the client about its local mode


def connect(address: str) -> tuple["Servers", str]:
    """Parse an address and create the connections.

    Args:
        address: `qdrant://HOST:6333/NAME`, `qdrants://…` or `qdrant+path:///FOLDER/NAME`.

    Returns:
        The servers, and the name of the catalog.

    Raises:
        BadInput: The address is malformed.
        ExtraMissing: `qdrant-client` is not installed.
    """
    scheme, separator, rest = address.partition("://")
    hosts, _, name = rest.rpartition("/")
    local = scheme == "qdrant+path"
    if not (separator and hosts and name) or (not local and (scheme not in {"qdrant", "qdrants"} or "/" in hosts)):
        raise BadInput(f"{address[:80]!r}: write qdrant://HOST:6333/NAME, or qdrants:// for TLS", field="address")
    try:
        from qdrant_client import QdrantClient
    except ImportError:
        raise ExtraMissing.of("a cluster needs qdrant-client", "cluster") from None
    if local:
        for warning in _LOCAL:
            warnings.filterwarnings("ignore", warning)
        return Servers([QdrantClient(path=hosts)]), name
    key = os.environ.get("SNAPFIND_QDRANT_KEY") or None
    urls = [_url(scheme, host, address) for host in hosts.split(",")]
    return Servers(
        [QdrantClient(url=url, api_key=key, timeout=_TIMEOUT, check_compatibility=False) for url in urls]
    ), name


def _url(scheme: str, host: str, address: str) -> str:
    name, _, port = host.partition(":")
    if not name or (port and not port.isdigit()):
        raise BadInput(f"{address[:80]!r}: write each server as HOST:6333, separated by commas", field="address")
    return f"{'https' if scheme == 'qdrants' else 'http'}://{name}:{port or _PORT}"


class Servers:
    """The servers of one cluster. Thread-safe. The one that responded last is tried first.

    Args:
        clients: One client per server.
    """

    def __init__(self, clients: Sequence["QdrantClient"]) -> None:
        self._clients = tuple(clients)
        self._first = 0

    def ask(self, method: str, /, *args: Any, **options: Any) -> Any:
        """Call a method of the client at the first server that responds.

        Args:
            method: Name of the method.
            *args: Its positional arguments.
            **options: Its keyword arguments.

        Returns:
            The result of the method.

        Raises:
            NotFound: The cluster has no such collection.
            NotReady: No server responds, or the one that does is not ready.
            SnapfindError: The server rejects the request.
        """
        return self._try_each(lambda client: getattr(client, method)(*args, **options))

    def _try_each(self, call: Callable[["QdrantClient"], T]) -> T:
        from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

        clients, first = self.ready(), self._first
        last: Exception | None = None
        for step in range(len(clients)):
            place = (first + step) % len(clients)
            try:
                result = call(clients[place])
            except ResponseHandlingException as error:  # no response; every method used here is idempotent
                last = error
            except UnexpectedResponse as error:
                raise _refusal(error.status_code or 500, str(error)) from error
            except NotImplementedError as error:  # of the local mode, as the next
                raise SnapfindError("the client's local mode has no groups of categories; give real servers") from error
            except ValueError as error:
                raise _refusal(404 if "not found" in str(error) else 400, str(error)) from error
            else:
                self._first = place
                return result
        raise NotReady(f"the index servers do not respond ({last}); check that they run, and retry") from last

    def ready(self) -> tuple["QdrantClient", ...]:
        """Return the connections.

        Raises:
            SnapfindError: They are closed.
        """
        if not self._clients:
            raise SnapfindError("the index is closed; open the catalog again")
        return self._clients

    def close(self) -> None:
        """Close the connections. Later calls raise SnapfindError."""
        clients, self._clients = self._clients, ()
        for client in clients:
            client.close()


def _refusal(status: int, reason: str) -> SnapfindError:
    if status == 404:
        return NotFound(f"not found on the index servers: {reason[:300]}")
    if status >= 500:
        return NotReady(f"the index servers are not ready: {reason[:300]}")
    return SnapfindError(f"the index servers rejected the request: {reason[:300]}")
