"""HTTP server: the API under `/v1`, the web page at `/`, and the OpenAPI document."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

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

__getattr__ = lazy_exports(
    __name__,
    {
        "app": ["ROUTERS", "add_routers", "build"],
        "endpoint": ["EndpointLimits", "limits"],
        "keys": ["SCOPES", "Key", "KeyStore"],
        "mcp": ["assistant"],
        "middleware.auth": ["needs"],
        "run": ["listen", "serve"],
        "service": ["Now", "Service", "Serving"],
    },
)
