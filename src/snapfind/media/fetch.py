"""Fetching of media files by URL, protected against server-side request forgery (SSRF).

It is off by default. A URL is parsed strictly and its host resolved once. Every IP address of the host is checked, and
the connection goes to a checked one, so DNS rebinding is useless. Each redirect is checked as a new URL. Size and time
are limited. No proxy, cookie or credential is used. Every failure has the same message, which reveals no open ports.
"""

import asyncio
import ipaddress
import logging
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urljoin, urlsplit

import httpx

from snapfind._version import __version__
from snapfind.core.config import Settings
from snapfind.core.errors import BadPicture, BadSetting
from snapfind.media.handlers import IMAGES, handler_for
from snapfind.media.image.formats import sniff

__all__ = ["FetchPolicy", "RetryBudget", "fetch_url", "may_connect"]

log = logging.getLogger("snapfind.media")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]

_URL = re.compile(r"https?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?([/?][\x21\x23-\x7e]*)?")
_LONGEST, _HOPS = 2048, 3
_PATH = re.compile(r"(?P<host>https?://[^/?\s]+)(?P<path>[/?].*)?", re.IGNORECASE)
_RETRY, _TRIES = {429, 503}, 4  # statuses of busy servers, and maximum number of tries
_PAUSES = (1.0, 2.0, 4.0)  # seconds between tries, if the server does not send Retry-After
_METADATA = {"169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"}
# in addition to those that `is_global` rejects: IPv4 addresses inside IPv6 ones, and special addresses it calls global
_NOT_PUBLIC = """
0.0.0.0/8 100.64.0.0/10 168.63.129.16/32 192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 224.0.0.0/4 240.0.0.0/4
::/96 ::ffff:0:0/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16
3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
"""
_BLOCKED = [ipaddress.ip_network(text) for text in _NOT_PUBLIC.split()]


class RetryBudget:
    """Time that one run may wait in total for busy servers (429, 503). Thread-safe.

    Args:
        seconds: Maximum sum of all waits.
    """

    def __init__(self, seconds: float) -> None:
        self._left, self._lock = seconds, threading.Lock()

    def take(self, seconds: float) -> bool:
        """Take time from the budget.

        Args:
            seconds: Time to wait.

        Returns:
            True if there was enough left.
        """
        with self._lock:
            enough = 0 <= seconds <= self._left
            self._left -= seconds if enough else 0
        return enough


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """What may be fetched.

    Attributes:
        hosts: Allowed host names. None: any host with a public IP address.
        networks: Private networks that are allowed too.
        ports: Allowed ports.
        max_bytes: Maximum size of a file.
        seconds: Time limit of one try.
        patience: Budget for waiting for busy servers. None: no second try.
    """

    hosts: frozenset[str] | None
    networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset({80, 443})
    max_bytes: int = 32 * 2**20
    seconds: float = 10.0
    patience: RetryBudget | None = None

    @classmethod
    def of(cls, settings: Settings, *, patient: bool = False) -> "FetchPolicy | None":
        """Read the policy from the settings.

        Args:
            settings: Settings of the catalog.
            patient: Wait for busy servers and try again.

        Returns:
            The policy, or None if fetching is off.

        Raises:
            BadSetting: A network or a port is malformed.
        """
        value = settings.text("fetch").strip().lower()
        if value in {"", "off"}:
            return None
        try:
            parts = [part.strip() for part in settings.text("fetch_networks").split(",") if part.strip()]
            networks = tuple(ipaddress.ip_network(part) for part in parts)
        except ValueError as error:
            raise BadSetting(
                f"fetch_networks: {error}; write networks like 10.1.0.0/16", field="fetch_networks"
            ) from None
        hosts = None if value == "public" else frozenset(part.strip() for part in value.split(","))
        return cls(
            hosts,
            networks,
            _ports(settings.text("fetch_ports")),
            settings.whole("max_bytes"),
            settings.number("fetch_seconds"),
            RetryBudget(_WAITS) if patient else None,
        )


_WAITS = 600.0  # seconds that one run may wait


def _ports(text: str) -> frozenset[int]:
    numbers = [part.strip() for part in text.split(",") if part.strip()]
    if not numbers or not all(number.isdecimal() and 0 < int(number) < 65536 for number in numbers):
        raise BadSetting(f"fetch_ports: {text!r}; write ports like 80,443,9000", field="fetch_ports")
    return frozenset(map(int, numbers))


def may_connect(text: str, networks: tuple[Network, ...] = ()) -> bool:
    """Tell whether a connection to an IP address is allowed.

    Args:
        text: IPv4 or IPv6 address.
        networks: Private networks that are allowed.

    Returns:
        True for a public address, or one in `networks`. Metadata services of clouds are never allowed.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address.ipv4_mapped):
        return False
    if text in _METADATA or str(address) in _METADATA:
        return False
    if any(address in network for network in networks):
        return True
    return address.is_global and not address.is_multicast and not any(address in network for network in _BLOCKED)


def fetch_url(
    url: str,
    allowed: FetchPolicy | None,
    *,
    resolve: Resolve | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> bytes:
    """Fetch a media file.

    Args:
        url: Address of the file, by http or https.
        allowed: What may be fetched. None: nothing.
        resolve: Resolves a host and a port to IP addresses. None: by DNS.
        transport: Transport of httpx, for tests.

    Returns:
        The bytes of the file.

    Raises:
        BadPicture: With code `picture_url` and the same message for every failure.
    """
    if allowed is None:
        reason = "pictures are not fetched by URL here; send the picture, or change the setting `fetch`"
        raise BadPicture(reason, code="picture_url", field="url")
    try:
        return _run(_with_retries(url, allowed, resolve or _resolve, transport))
    except (
        _Refused,
        httpx.HTTPError,
        httpx.InvalidURL,
        httpx.StreamError,
        OSError,
        TimeoutError,
        UnicodeError,
        ValueError,
    ) as error:
        log.warning("a picture was not fetched: %s: %s", type(error).__name__, str(error)[:200])
        raise BadPicture("the picture at this URL cannot be fetched", code="picture_url", field="url") from None


class _Refused(Exception):
    """Reason why a URL is not fetched, for the log."""


class _Later(_Refused):
    """The server is busy. `seconds` is its Retry-After, or None."""

    def __init__(self, status: int, seconds: float | None) -> None:
        super().__init__(f"status {status}")
        self.seconds = seconds


def _run(fetching: Coroutine[None, None, bytes]) -> bytes:
    """Run a coroutine, also if this thread already runs an event loop, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(fetching)
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, fetching).result()


async def _with_retries(
    url: str, allowed: FetchPolicy, resolve: Resolve, transport: httpx.AsyncBaseTransport | None
) -> bytes:
    """Fetch, and try again if the server is busy. Each try has its own time limit, and checks the URL again."""
    for attempt in range(_TRIES):
        try:
            return await asyncio.wait_for(_follow(url, allowed, resolve, transport), allowed.seconds)
        except _Later as later:
            pause = _PAUSES[min(attempt, len(_PAUSES) - 1)] if later.seconds is None else later.seconds
            if attempt + 1 == _TRIES or not allowed.patience or not allowed.patience.take(pause):
                raise
            await asyncio.sleep(pause)
    raise AssertionError


async def _follow(
    url: str, allowed: FetchPolicy, resolve: Resolve, transport: httpx.AsyncBaseTransport | None
) -> bytes:
    left, images = allowed.max_bytes, handler_for(url) is IMAGES
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=5, transport=transport) as client:
        for _ in range(_HOPS + 1):
            host, port, pinned = await _check_url(url, allowed, resolve)
            headers = {"Host": host if port is None else f"{host}:{port}", "Accept": "image/*" if images else "*/*"}
            headers |= {"Accept-Encoding": "identity", "User-Agent": f"snapfind/{__version__}"}
            extensions = {"sni_hostname": host.strip("[]")}
            async with client.stream("GET", pinned, headers=headers, extensions=extensions) as response:
                if response.is_redirect:
                    client.cookies.clear()
                    url = urljoin(url, response.headers["location"])
                    continue
                if response.status_code in _RETRY:
                    raise _Later(response.status_code, _seconds(response.headers.get("retry-after", "")))
                if response.status_code != 200:
                    raise _Refused(f"status {response.status_code}")
                return await _read(response, left, images)
    raise _Refused("too many redirects")


def _seconds(text: str) -> float | None:
    """Parse a `Retry-After` header with seconds or an HTTP date. Return None if it is neither."""
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (zoned - datetime.now(UTC)).total_seconds())


def _percent_encode(url: str) -> str:
    """Percent-encode the path of a URL, as browsers do, and convert the scheme to lower case.

    Nothing else is changed. Raise _Refused for control characters.
    """
    if not url.isprintable():
        raise _Refused("control characters")
    match = _PATH.fullmatch(url)
    if not match:
        return url
    scheme, _, host = match["host"].partition("://")
    return f"{scheme.lower()}://{host}" + quote(match["path"] or "", safe="".join(map(chr, range(0x23, 0x7F))) + "!")


async def _check_url(url: str, allowed: FetchPolicy, resolve: Resolve) -> tuple[str, int | None, httpx.URL]:
    """Return host, port as written, and the URL with a checked IP address as host. Raise _Refused."""
    url = _percent_encode(url)
    if len(url) > _LONGEST or not _URL.fullmatch(url):
        raise _Refused("not a plain http or https address")
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port
    if ({"http": 80, "https": 443}[parts.scheme] if port is None else port) not in allowed.ports:
        raise _Refused("another port")
    if allowed.hosts is not None and host.lower() not in allowed.hosts:
        raise _Refused("not one of the hosts")
    if ":" not in host and not _is_quad(host) and re.fullmatch(r"(0[xX][0-9a-fA-F]*|[0-9]+)", host.rsplit(".", 1)[-1]):
        raise _Refused("a number that is no dotted address")
    numeric = ":" in host or _is_quad(host)
    addresses = [host] if numeric else await resolve(host, port or 0)
    if not addresses or not all(may_connect(address, allowed.networks) for address in addresses):
        raise _Refused(f"an address that is not public: {addresses[:4]}")
    written = f"[{host}]" if ":" in host else host
    return written, port, httpx.URL(url).copy_with(host=addresses[0])


def _is_quad(host: str) -> bool:
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False


async def _resolve(host: str, port: int) -> list[str]:
    entries = await asyncio.get_running_loop().getaddrinfo(host, port or None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in entries]


async def _read(response: httpx.Response, most: int, images: bool) -> bytes:
    """Read the body up to the limit, whatever its header says. Raise _Refused."""
    content = bytearray()
    async for piece in response.aiter_raw():
        content += piece
        if len(content) > most:
            raise _Refused("more bytes than allowed")
    if images and not sniff(bytes(content[:32])):
        raise _Refused("not a picture")
    return bytes(content)
