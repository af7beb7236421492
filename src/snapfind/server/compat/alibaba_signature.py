"""ACS3-HMAC-SHA256, the signature of Alibaba Cloud's SDKs, checked against a key of ours.

A signature is made with the secret itself, so unlike other keys those made with `snapfind key create --signing` are
kept in full, in `keys.json`, readable by its owner only.
"""

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from snapfind.core.errors import KeyMissing
from snapfind.server.keys import Key

__all__ = ["Signatures"]

_AUTHORIZATION = re.compile(
    r"ACS3-HMAC-SHA256 Credential=([^,]{1,64}),SignedHeaders=([a-z0-9;-]{1,2000}),Signature=([0-9a-f]{64})"
)
_NEEDED = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-content-sha256", "x-acs-signature-nonce"}
_WINDOW = 15 * 60  # seconds that a clock may be off, and that a nonce is remembered
_MOST_NONCES = 200_000


class Signatures:
    """Checks signatures; each nonce is taken once within the window."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}

    def check(
        self,
        method: str,
        query: Iterable[tuple[str, str]],
        headers: Mapping[str, str],
        body: bytes,
        keys: Mapping[str, Key],
    ) -> Key:
        """The key that signed this request. Raises KeyMissing, with the same words whatever is wrong with it."""
        found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if found is None:
            raise KeyMissing("the request is not signed with ACS3-HMAC-SHA256; give the SDK a key of this server")
        named = found[2].split(";")
        key = keys.get(found[1])
        secret = key.secret if key is not None else ""
        expected = _sign(secret or "none", method, query, headers, named)
        fresh = self._fresh(headers)
        whole = hmac.compare_digest(headers.get("x-acs-content-sha256", ""), hashlib.sha256(body).hexdigest())
        if not (hmac.compare_digest(expected, found[3]) and secret and whole and fresh and set(named) >= _NEEDED):
            raise KeyMissing("the signature does not fit: check key, secret and clock", code="key_unknown")
        self._once(f"{found[1]} {headers['x-acs-signature-nonce']}")
        assert key is not None
        return key

    def _fresh(self, headers: Mapping[str, str]) -> bool:
        try:
            told = datetime.strptime(headers.get("x-acs-date", ""), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            return False
        return abs(told.timestamp() - self._clock()) <= _WINDOW

    def _once(self, nonce: str) -> None:
        now = self._clock()
        with self._lock:
            if len(self._seen) > _MOST_NONCES:
                self._seen = {known: when for known, when in self._seen.items() if now - when <= 2 * _WINDOW}
            if now - self._seen.get(nonce, float("-inf")) <= 2 * _WINDOW:
                raise KeyMissing("this request was sent before; sign it anew", code="key_unknown")
            self._seen[nonce] = now


def _sign(
    secret: str, method: str, query: Iterable[tuple[str, str]], headers: Mapping[str, str], named: list[str]
) -> str:
    asked = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(query))
    told = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in named)
    request = "\n".join([method, "/", asked, told, ";".join(named), headers.get("x-acs-content-sha256", "")])
    text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(request.encode()).hexdigest()
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
