"""Qdrant servers as one thing to ask: their address, who of them answers, and what their refusals mean here.

`qdrant://HOST:6333/NAME`, or `qdrants://` for TLS; several servers of one cluster stand beside each other,
`qdrant://A:6333,B:6333/NAME`, and are asked in turn. A key comes from SNAPFIND_QDRANT_KEY. `qdrant+path:///FOLDER/NAME`
is the client's own local mode, a full scan for one thread: for trials and tests.
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
_LOCAL = ("Payload indexes have no effect", "Local mode performs exact")  # what the client says of its local mode


def connect(address: str) -> tuple["Servers", str]:
    """The servers of an address, and the name that a catalog has there. Raises BadInput, ExtraMissing."""
    scheme, parted, rest = address.partition("://")
    hosts, _, name = rest.rpartition("/")
    local = scheme == "qdrant+path"
    if not (parted and hosts and name) or (not local and (scheme not in {"qdrant", "qdrants"} or "/" in hosts)):
        raise BadInput(f"{address[:80]!r}: write qdrant://HOST:6333/NAME, or qdrants:// for TLS", field="address")
    try:
        from qdrant_client import QdrantClient
    except ImportError:
        raise ExtraMissing.of("a cluster needs qdrant-client", "cluster") from None
    if local:
        for said in _LOCAL:
            warnings.filterwarnings("ignore", said)
        return Servers([QdrantClient(path=hosts)]), name
    key = os.environ.get("SNAPFIND_QDRANT_KEY") or None
    urls = [_url(scheme, host, address) for host in hosts.split(",")]
    return Servers(
        [QdrantClient(url=url, api_key=key, timeout=_TIMEOUT, check_compatibility=False) for url in urls]
    ), name


def _url(scheme: str, host: str, address: str) -> str:
    name, _, port = host.partition(":")
    if not name or (port and not port.isdigit()):
        raise BadInput(f"{address[:80]!r}: write each server as HOST:6333, parted by commas", field="address")
    return f"{'https' if scheme == 'qdrants' else 'http'}://{name}:{port or _PORT}"


class Servers:
    """The servers of one cluster. Any thread may ask; the one that answered last is asked first."""

    def __init__(self, clients: Sequence["QdrantClient"]) -> None:
        self._clients = tuple(clients)
        self._first = 0

    def ask(self, verb: str, /, *given: Any, **named: Any) -> Any:
        """What a method of the client gives, from the first server that answers.

        Raises NotFound where the cluster has no such collection, NotReady where no server answers or the one that does
        cannot now, SnapfindError where it refuses.
        """
        return self._said(lambda client: getattr(client, verb)(*given, **named))

    def _said(self, call: Callable[["QdrantClient"], T]) -> T:
        from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

        clients, first = self.ready(), self._first
        silent: Exception | None = None
        for step in range(len(clients)):
            place = (first + step) % len(clients)
            try:
                found = call(clients[place])
            except ResponseHandlingException as error:  # nothing came back: every verb here may be asked twice
                silent = error
            except UnexpectedResponse as error:
                raise _refusal(error.status_code or 500, str(error)) from error
            except NotImplementedError as error:  # of the local mode, as the next
                raise SnapfindError("the client's local mode has no groups of categories; give real servers") from error
            except ValueError as error:
                raise _refusal(404 if "not found" in str(error) else 400, str(error)) from error
            else:
                self._first = place
                return found
        raise NotReady(f"the index servers do not answer ({silent}); see that they run, then ask again") from silent

    def ready(self) -> tuple["QdrantClient", ...]:
        """The connections. Raises SnapfindError when they were closed."""
        if not self._clients:
            raise SnapfindError("the index is closed; open the catalog again")
        return self._clients

    def close(self) -> None:
        """Let the connections go; what is asked after that raises."""
        clients, self._clients = self._clients, ()
        for client in clients:
            client.close()


def _refusal(status: int, said: str) -> SnapfindError:
    if status == 404:
        return NotFound(f"the index servers do not have it: {said[:300]}")
    if status >= 500:
        return NotReady(f"the index servers cannot do it now: {said[:300]}")
    return SnapfindError(f"the index servers refused: {said[:300]}")
