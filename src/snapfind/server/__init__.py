"""HTTP server: the API under `/v1`, the web page at `/`, and the OpenAPI document."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.server.app import ROUTERS, add_routers, build
    from snapfind.server.endpoint import EndpointLimits, limits
    from snapfind.server.keys import SCOPES, Key, KeyStore
    from snapfind.server.mcp import assistant
    from snapfind.server.middleware.auth import needs
    from snapfind.server.run import listen, serve
    from snapfind.server.service import Now, Service, Serving

__all__ = [
    "ROUTERS",
    "SCOPES",
    "EndpointLimits",
    "Key",
    "KeyStore",
    "Now",
    "Service",
    "Serving",
    "add_routers",
    "assistant",
    "build",
    "limits",
    "listen",
    "needs",
    "serve",
]

_MODULES = {
    "EndpointLimits": "endpoint",
    "Key": "keys",
    "KeyStore": "keys",
    "Now": "service",
    "ROUTERS": "app",
    "SCOPES": "keys",
    "Service": "service",
    "Serving": "service",
    "add_routers": "app",
    "assistant": "mcp",
    "build": "app",
    "limits": "endpoint",
    "listen": "run",
    "needs": "middleware.auth",
    "serve": "run",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:  # imported on first use, so that the import of the package stays cheap
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
