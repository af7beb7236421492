"""Who may ask what: a scope for each endpoint; without any key in the catalogue everyone on this machine may do all."""

from collections.abc import Callable

from fastapi import Security, params
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from snapfind.errors import Forbidden, KeyMissing
from snapfind.server.keys import Key
from snapfind.server.service import Serving
from snapfind.server.trace import trace_of

__all__ = ["needs"]

_bearer = HTTPBearer(
    auto_error=False, description="a key made by `snapfind key create`; none is needed while there are none"
)
_ENOUGH = {"search": {"search", "write", "admin"}, "write": {"write", "admin"}, "admin": {"admin"}}


def needs(scope: str) -> params.Depends:
    """A dependency that lets only callers with that scope pass. Raises KeyMissing, Forbidden."""

    def check(
        request: Request,
        service: Serving,
        given: HTTPAuthorizationCredentials | None = Security(_bearer),  # noqa: B008
    ) -> None:
        keys = service.keys.keys()
        if not keys and not service.needs_key:
            return
        if given is None:
            raise KeyMissing("this server wants a key: send the header Authorization: Bearer KEY")
        key = service.keys.check(given.credentials)
        trace_of(request).caller = key.id
        _may(key, scope)

    return params.Depends(_named(check, scope))


def _may(key: Key, scope: str) -> None:
    if not _ENOUGH[scope] & set(key.scopes):
        raise Forbidden(f"key {key.id} may {', '.join(key.scopes)}; this needs the scope {scope}")


def _named(check: Callable[..., None], scope: str) -> Callable[..., None]:
    check.__name__ = f"needs_{scope}"
    return check
