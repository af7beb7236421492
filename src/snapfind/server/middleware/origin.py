"""Origin and host check, against cross-site requests and DNS rebinding.

A browser lets any page send requests to 127.0.0.1. Without an API key, only the headers Origin and Host tell that a
page is foreign.
"""

import ipaddress
import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from snapfind.core.errors import BadSetting, Forbidden
from snapfind.server.service import Service

__all__ = ["OPEN", "admit", "allowed_origins", "is_loopback"]

# health probes of load balancers and containers, which use an IP address or no host name
OPEN = frozenset({"/healthz", "/readyz"})


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine.

    Args:
        host: Name or address, IPv6 with or without brackets.

    Returns:
        True for localhost and loopback addresses.
    """
    host = host.strip("[]").lower().rstrip(".")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def admit(headers: Headers, scope: MutableMapping[str, Any], service: Service) -> None:
    """Check host and origin of a request. Health probes are always admitted.

    Args:
        headers: Headers of the request.
        scope: ASGI scope of the request.
        service: The service.

    Raises:
        Forbidden: A page of another site sent the request, or the host name is unknown.
    """
    host = headers.get("host", "")
    if scope["path"] in OPEN:
        return
    name = _name(host)
    allowed = {known.strip().lower() for known in service.settings.text("hosts").split(",") if known.strip()}
    if name not in allowed and (allowed or not service.needs_key) and not is_loopback(name):
        fix = "add the name to the setting `hosts`" if name else "send the header Host"
        raise Forbidden(f"this server is not known as {name[:100]!r}; {fix}", code="host_wrong")
    origin = headers.get("origin")
    if _site_of(origin or headers.get("referer", "")) in allowed_origins(service):
        return
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        raise Forbidden("a page of another site may not ask this server", code="origin_foreign")
    if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
        raise Forbidden("a page of another site may not ask this server", code="origin_foreign")


def allowed_origins(service: Service) -> set[str]:
    """Return the sites of the setting `origins`, whose pages may use the API.

    Raises:
        BadSetting: A site is not an address such as https://shop.example.
    """
    sites = [site for one in service.settings.text("origins").split(",") if (site := one.strip())]
    for site in sites:
        if not re.fullmatch(r"https?://[\w.:\[\]-]+/?", site):
            raise BadSetting(f"origins: {site!r} is not a site. Use an address such as https://shop.example.")
    return {_site_of(site) for site in sites}


def _site_of(url: str) -> str:
    """Return the origin of an address: scheme, host and port."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else ""


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return host
