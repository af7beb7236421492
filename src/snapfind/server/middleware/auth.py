"""Authorization by API key: an endpoint needs a scope. Without any key, everyone on this machine may do everything."""

from collections.abc import AsyncIterator

from fastapi import Security, params
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from snapfind.core.errors import Forbidden, KeyMissing, ReadOnly
from snapfind.server.runtime.trace import trace_of
from snapfind.server.service import Serving

__all__ = ["needs"]

_BEARER = HTTPBearer(
    auto_error=False, description="a key of `snapfind key create`; not needed as long as there is no key"
)


def needs(scope: str) -> params.Depends:
    """Return a dependency that requires a scope, and counts the request for the rate limit of the key.

    Args:
        scope: "search", "write" or "admin". A key with a later scope has the earlier ones too.

    Returns:
        Value for `dependencies=[...]` of a route or router. It raises KeyMissing, Forbidden, Busy or ReadOnly.
    """

    async def check(
        request: Request,
        service: Serving,
        credentials: HTTPAuthorizationCredentials | None = Security(_BEARER, scopes=[scope]),  # noqa: B008
    ) -> AsyncIterator[None]:
        if not service.needs_key and not service.keys.keys():
            _reject_writes(request, service, scope)
            yield
            return
        if credentials is None:
            raise KeyMissing("this server requires an API key; send the header Authorization: Bearer KEY")
        key = service.keys.check(credentials.credentials)
        trace_of(request).caller = key.id
        with service.rate_limiter.one(key.id):  # a request without the scope counts too
            if not key.may(scope):
                raise Forbidden(
                    f"key {key.id} has the scopes {', '.join(key.scopes)}; this endpoint needs the scope {scope}"
                )
            _reject_writes(request, service, scope)
            yield

    return params.Depends(check)


def _reject_writes(request: Request, service: Serving, scope: str) -> None:
    """Raise ReadOnly for a write to a read replica, before the body is parsed."""
    if service.reads_only and scope != "search" and request.method not in {"GET", "HEAD"}:
        raise ReadOnly("this server is a read replica; send writes to the server that owns the catalog")
