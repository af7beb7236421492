"""Who may ask what: a scope for each endpoint; without any key in the catalog everyone on this machine may do all."""

from collections.abc import AsyncIterator

from fastapi import Security, params
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from snapfind.core.errors import Forbidden, KeyMissing, ReadOnly
from snapfind.server.runtime.trace import trace_of
from snapfind.server.service import Serving

__all__ = ["needs"]

_BEARER = HTTPBearer(
    auto_error=False, description="a key made by `snapfind key create`; none is needed while there are none"
)


def needs(scope: str) -> params.Depends:
    """A dependency that lets only callers with that scope pass. Raises KeyMissing, Forbidden, Busy."""

    async def check(
        request: Request,
        service: Serving,
        given: HTTPAuthorizationCredentials | None = Security(_BEARER, scopes=[scope]),  # noqa: B008
    ) -> AsyncIterator[None]:
        if not service.needs_key and not service.keys.keys():
            _refuse_changes(request, service, scope)
            yield
            return
        if given is None:
            raise KeyMissing("this server wants a key: send the header Authorization: Bearer KEY")
        key = service.keys.check(given.credentials)
        trace_of(request).caller = key.id
        with service.rate_limiter.one(key.id):  # a key that may not is counted too
            if not key.may(scope):
                raise Forbidden(f"key {key.id} may {', '.join(key.scopes)}; this needs the scope {scope}")
            _refuse_changes(request, service, scope)
            yield

    return params.Depends(check)


def _refuse_changes(request: Request, service: Serving, scope: str) -> None:
    """Before a body is read in earnest: what only searches may be asked of a server that changes nothing."""
    if service.reads_only and scope != "search" and request.method not in {"GET", "HEAD"}:
        raise ReadOnly("this server answers from a catalog that another one writes; ask that one")
