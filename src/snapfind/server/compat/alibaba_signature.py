"""Verification of ACS3-HMAC-SHA256, the request signature of the SDKs of Alibaba Cloud.

Verifying a signature requires the secret itself. So the secrets of signing keys (`snapfind key create --signing`) are
stored in `keys.json`, which only its owner can read.
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
_REQUIRED = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-content-sha256", "x-acs-signature-nonce"}
_WINDOW = 15 * 60  # seconds: maximum clock difference, and lifetime of a nonce
_MAX_NONCES = 200_000


class Signatures:
    """Verifier of signatures. Each nonce is accepted once within the window.

    Args:
        clock: Returns seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._nonces: dict[str, float] = {}

    def check(
        self,
        method: str,
        query: Iterable[tuple[str, str]],
        headers: Mapping[str, str],
        body: bytes,
        keys: Mapping[str, Key],
    ) -> Key:
        """Verify the signature of a request.

        Args:
            method: HTTP method.
            query: Query parameters.
            headers: Headers.
            body: Body.
            keys: Known keys by id.

        Returns:
            The key that signed the request.

        Raises:
            KeyMissing: The signature is invalid. The message does not tell what is wrong.
        """
        match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if match is None:
            raise KeyMissing(
                "the request is not signed with ACS3-HMAC-SHA256; configure the SDK with a key of this server"
            )
        named = match[2].split(";")
        key = keys.get(match[1])
        secret = key.secret if key is not None else ""
        expected = _sign(secret or "none", method, query, headers, named)
        fresh = self._fresh(headers)
        intact = hmac.compare_digest(headers.get("x-acs-content-sha256", ""), hashlib.sha256(body).hexdigest())
        if not (hmac.compare_digest(expected, match[3]) and secret and intact and fresh and set(named) >= _REQUIRED):
            raise KeyMissing("invalid signature; check key, secret and clock", code="key_unknown")
        self._once(f"{match[1]} {headers['x-acs-signature-nonce']}")
        assert key is not None
        return key

    def _fresh(self, headers: Mapping[str, str]) -> bool:
        try:
            signed_at = datetime.strptime(headers.get("x-acs-date", ""), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            return False
        return abs(signed_at.timestamp() - self._clock()) <= _WINDOW

    def _once(self, nonce: str) -> None:
        now = self._clock()
        with self._lock:
            if len(self._nonces) > _MAX_NONCES:
                self._nonces = {known: when for known, when in self._nonces.items() if now - when <= 2 * _WINDOW}
            if now - self._nonces.get(nonce, float("-inf")) <= 2 * _WINDOW:
                raise KeyMissing("the nonce was used before; sign the request again", code="key_unknown")
            self._nonces[nonce] = now


def _sign(
    secret: str, method: str, query: Iterable[tuple[str, str]], headers: Mapping[str, str], named: list[str]
) -> str:
    parameters = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(query))
    lines = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in named)
    request = "\n".join([method, "/", parameters, lines, ";".join(named), headers.get("x-acs-content-sha256", "")])
    text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(request.encode()).hexdigest()
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
