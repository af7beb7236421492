"""Declaration of an endpoint's limits on the endpoint itself.

The limits apply before the request is routed and its body is parsed, so the middleware looks them up here.
"""

from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.routing import BaseRoute, Match

__all__ = ["EndpointLimits", "LimitTable", "limits"]

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "snapfind_limits"


@dataclass(frozen=True, slots=True)
class EndpointLimits:
    """Limits of an endpoint.

    Args:
        body: Maximum size of the body in bytes, or the name of the setting that holds it.
        timed: Whether the body must arrive within the setting `timeout`. False for long uploads.
        sheds_load: Whether a request is rejected with 429 before its body is parsed, if the read queue is full.
        schema: Model of a body that the endpoint parses itself. It is added to the OpenAPI document.
    """

    body: str | int = "max_json"
    timed: bool = True
    sheds_load: bool = False
    schema: type[BaseModel] | None = None


_DEFAULT = EndpointLimits()


def limits(
    *,
    body: str | int = _DEFAULT.body,
    timed: bool = _DEFAULT.timed,
    sheds_load: bool = _DEFAULT.sheds_load,
    schema: type[BaseModel] | None = None,
) -> Callable[[F], F]:
    """Declare the limits of an endpoint. It is the inner decorator, below `@router.post(...)`.

    Args:
        body: See `EndpointLimits`.
        timed: See `EndpointLimits`.
        sheds_load: See `EndpointLimits`.
        schema: See `EndpointLimits`.

    Returns:
        Decorator that returns the endpoint itself.

    Example:
        >>> @router.post("/v1/labels", dependencies=[needs("write")])
        ... @limits(body="max_body")
        ... async def add_labels(body: LabelsBody, service: Serving, trace: Now) -> LabelsReply: ...
    """
    own = EndpointLimits(body, timed, sheds_load, schema)

    def declare(endpoint: F) -> F:
        setattr(endpoint, _ATTRIBUTE, own)
        return endpoint

    return declare


class LimitTable:
    """Limits of all endpoints of an application.

    Args:
        routes: Routes of the application. Routes without a declaration have the default limits.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        found = ((route, getattr(getattr(route, "endpoint", None), _ATTRIBUTE, None)) for route in routes)
        self._limits: list[tuple[BaseRoute, EndpointLimits]] = [(route, own) for route, own in found if own is not None]

    def find(self, scope: MutableMapping[str, Any]) -> EndpointLimits:
        """Return the limits of the endpoint of a request.

        Args:
            scope: ASGI scope of an HTTP request.

        Returns:
            The declared limits, or the default.
        """
        return next((own for route, own in self._limits if route.matches(scope)[0] is Match.FULL), _DEFAULT)

    def schemas(self) -> list[type[BaseModel]]:
        """Return the models of all bodies that endpoints parse themselves."""
        return [own.schema for _, own in self._limits if own.schema is not None]
