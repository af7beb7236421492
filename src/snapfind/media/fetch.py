"""Pictures by address, so that nobody can use the server to reach what only the server can reach (SSRF).

Off unless the shop says otherwise. The address is read strictly, resolved once, every address that its name has is
checked, and the connection goes to the checked one (a name that changes its address in between gains nothing); each
redirect is a new address; bytes and wall clock are bounded; no proxy, cookie or credential goes along; and all that
fails fails with the same words, so that nobody learns which ports are open.
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

__all__ = ["Fetching", "Patience", "fetch", "may_connect"]

log = logging.getLogger("snapfind.media")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]

_URL = re.compile(r"https?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?([/?][\x21\x23-\x7e]*)?")
_LONGEST, _HOPS = 2048, 3
_PATH = re.compile(r"(?P<host>https?://[^/?\s]+)(?P<path>[/?].*)?", re.IGNORECASE)
_AGAIN, _TRIES = {429, 503}, 4  # statuses of servers that ask to come back, and how often they are asked
_PAUSES = (1.0, 2.0, 4.0)  # seconds, where the server does not say how long
_METADATA = {"169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"}
# beyond what `is_global` refuses: ways by which an IPv4 address hides in an IPv6 one, and what it calls global
_NOT_PUBLIC = """
0.0.0.0/8 100.64.0.0/10 168.63.129.16/32 192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 224.0.0.0/4 240.0.0.0/4
::/96 ::ffff:0:0/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16
3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
"""
_BLOCKED = [ipaddress.ip_network(text) for text in _NOT_PUBLIC.split()]


class Patience:
    """Seconds that one run may wait for servers that ask to come back later (429, 503), all pictures together."""

    def __init__(self, seconds: float) -> None:
        self._left, self._lock = seconds, threading.Lock()

    def take(self, seconds: float) -> bool:
        """Whether there is as much left; then it is taken."""
        with self._lock:
            enough = 0 <= seconds <= self._left
            self._left -= seconds if enough else 0
        return enough


@dataclass(frozen=True, slots=True)
class Fetching:
    """What may be fetched: from `hosts` (None: any on the public internet), also in `networks`, within bounds.

    `patience` is for runs that may wait; without it a server that asks to come back later is not asked again.
    """

    hosts: frozenset[str] | None
    networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset({80, 443})
    max_bytes: int = 32 * 2**20
    seconds: float = 10.0
    patience: Patience | None = None

    @classmethod
    def of(cls, settings: Settings, *, patient: bool = False) -> "Fetching | None":
        """What the settings allow.

        Args:
            settings: The settings.
            patient: Whether servers that ask to come back later are asked again.

        Returns:
            None where fetching is off.

        Raises:
            BadSetting: A network or a port is none.
        """
        wanted = settings.text("fetch").strip().lower()
        if wanted in {"", "off"}:
            return None
        try:
            named = [part.strip() for part in settings.text("fetch_networks").split(",") if part.strip()]
            networks = tuple(ipaddress.ip_network(part) for part in named)
        except ValueError as error:
            raise BadSetting(
                f"fetch_networks: {error}; write networks like 10.1.0.0/16", field="fetch_networks"
            ) from None
        hosts = None if wanted == "public" else frozenset(part.strip() for part in wanted.split(","))
        return cls(
            hosts,
            networks,
            _ports(settings.text("fetch_ports")),
            settings.whole("max_bytes"),
            settings.number("fetch_seconds"),
            Patience(_WAITS) if patient else None,
        )


_WAITS = 600.0  # seconds of one run


def _ports(text: str) -> frozenset[int]:
    numbers = [part.strip() for part in text.split(",") if part.strip()]
    if not numbers or not all(number.isdecimal() and 0 < int(number) < 65536 for number in numbers):
        raise BadSetting(f"fetch_ports: {text!r}; write ports like 80,443,9000", field="fetch_ports")
    return frozenset(map(int, numbers))


def may_connect(text: str, networks: tuple[Network, ...] = ()) -> bool:
    """Whether an address may be connected to: a public one, or one in `networks`; metadata services never."""
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


def fetch(
    url: str,
    allowed: Fetching | None,
    *,
    resolve: Resolve | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> bytes:
    """The bytes of the picture at an address. Raises BadPicture with code `picture_url`, always in the same words."""
    if allowed is None:
        said = "addresses of pictures are not fetched here; send the picture, or let the shop set `fetch`"
        raise BadPicture(said, code="picture_url", field="url")
    try:
        return _run(_patiently(url, allowed, resolve or _resolve, transport))
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
        raise BadPicture("the picture at this address cannot be had", code="picture_url", field="url") from None


class _Refused(Exception):
    """Why an address is not asked; for the log only."""


class _Later(_Refused):
    """A server asks to come back, after some seconds if it says so."""

    def __init__(self, status: int, seconds: float | None) -> None:
        super().__init__(f"status {status}")
        self.seconds = seconds


def _run(fetching: Coroutine[None, None, bytes]) -> bytes:
    """The result of a coroutine, also where this thread runs an event loop already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(fetching)
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, fetching).result()


async def _patiently(
    url: str, allowed: Fetching, resolve: Resolve, transport: httpx.AsyncBaseTransport | None
) -> bytes:
    """Ask again where a server asks to come back; each try has its own time, and checks the address anew."""
    for attempt in range(_TRIES):
        try:
            return await asyncio.wait_for(_follow(url, allowed, resolve, transport), allowed.seconds)
        except _Later as later:
            pause = _PAUSES[min(attempt, len(_PAUSES) - 1)] if later.seconds is None else later.seconds
            if attempt + 1 == _TRIES or not allowed.patience or not allowed.patience.take(pause):
                raise
            await asyncio.sleep(pause)
    raise AssertionError


async def _follow(url: str, allowed: Fetching, resolve: Resolve, transport: httpx.AsyncBaseTransport | None) -> bytes:
    left, images = allowed.max_bytes, handler_for(url) is IMAGES
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=5, transport=transport) as client:
        for _ in range(_HOPS + 1):
            host, port, pinned = await _checked(url, allowed, resolve)
            headers = {"Host": host if port is None else f"{host}:{port}", "Accept": "image/*" if images else "*/*"}
            headers |= {"Accept-Encoding": "identity", "User-Agent": f"snapfind/{__version__}"}
            extensions = {"sni_hostname": host.strip("[]")}
            async with client.stream("GET", pinned, headers=headers, extensions=extensions) as found:
                if found.is_redirect:
                    client.cookies.clear()
                    url = urljoin(url, found.headers["location"])
                    continue
                if found.status_code in _AGAIN:
                    raise _Later(found.status_code, _seconds(found.headers.get("retry-after", "")))
                if found.status_code != 200:
                    raise _Refused(f"status {found.status_code}")
                return await _read(found, left, images)
    raise _Refused("too many redirects")


def _seconds(text: str) -> float | None:
    """Seconds of a `Retry-After` header, given as seconds or as an HTTP date; None where it is neither."""
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (zoned - datetime.now(UTC)).total_seconds())


def _encoded(url: str) -> str:
    """An address with a scheme in lower case whose path is percent-encoded, as browsers send what shops write.

    Nothing before the path is changed. Raises _Refused for control characters.
    """
    if not url.isprintable():
        raise _Refused("control characters")
    found = _PATH.fullmatch(url)
    if not found:
        return url
    scheme, _, host = found["host"].partition("://")
    return f"{scheme.lower()}://{host}" + quote(found["path"] or "", safe="".join(map(chr, range(0x23, 0x7F))) + "!")


async def _checked(url: str, allowed: Fetching, resolve: Resolve) -> tuple[str, int | None, httpx.URL]:
    """Host, port as written, and the address with the host replaced by a checked one. Raises _Refused."""
    url = _encoded(url)
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
    found = [host] if numeric else await resolve(host, port or 0)
    if not found or not all(may_connect(address, allowed.networks) for address in found):
        raise _Refused(f"an address that is not public: {found[:4]}")
    written = f"[{host}]" if ":" in host else host
    return written, port, httpx.URL(url).copy_with(host=found[0])


def _is_quad(host: str) -> bool:
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port or None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def _read(found: httpx.Response, most: int, images: bool) -> bytes:
    """The body, cut off at the bound whatever the server says about its length. Raises _Refused."""
    content = bytearray()
    async for piece in found.aiter_raw():
        content += piece
        if len(content) > most:
            raise _Refused("more bytes than allowed")
    if images and not sniff(bytes(content[:32])):
        raise _Refused("not a picture")
    return bytes(content)
