"""API keys, stored as hashes in `keys.json` of the catalog's folder.

A key has 32 random bytes, so a single round of SHA-256 is sufficient. The file is reloaded when it changes on disk, so
that a running server rejects a revoked key at once.
"""

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from snapfind.catalog.storage.folder import write_whole
from snapfind.core.errors import BadInput, CatalogBroken, KeyMissing, NotFound

__all__ = ["SCOPES", "Key", "KeyStore"]

SCOPES = ("search", "write", "admin")
_PREFIX = "sf"


@dataclass(frozen=True, slots=True)
class Key:
    """Stored record of an API key. The key itself is not stored."""

    id: str
    name: str
    scopes: tuple[str, ...]
    sha256: str
    created: str
    secret: str = ""  # only for signing keys: verifying a signature requires the secret itself

    def may(self, scope: str) -> bool:
        """Tell whether the key has a scope. Each scope includes those before it in SCOPES."""
        return any(SCOPES.index(own) >= SCOPES.index(scope) for own in self.scopes)


class KeyStore:
    """The API keys of one catalog."""

    def __init__(self, catalog: Path) -> None:
        self.path = catalog / "keys.json"
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}

    def keys(self) -> dict[str, Key]:
        """Return the current keys by id.

        Raises:
            CatalogBroken: The file is damaged.
        """
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return {}
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        with self._lock:
            if stamp != self._stamp:
                self._keys, self._stamp = self._read(), stamp
            return self._keys

    def _read(self) -> dict[str, Key]:
        try:
            entries = json.loads(self.path.read_bytes())["keys"]
            return {entry["id"]: Key(**{**entry, "scopes": tuple(entry["scopes"])}) for entry in entries}
        except (ValueError, KeyError, TypeError) as error:
            raise CatalogBroken(f"{self.path.name} cannot be read ({error}); restore it, or create new keys") from error

    def create(self, name: str, scopes: Sequence[str], *, signing: bool = False) -> tuple[Key, str]:
        """Create a key.

        Args:
            name: Name for people.
            scopes: Some of SCOPES.
            signing: Create a key for signed requests. Its secret is stored.

        Returns:
            The record, and the text that callers send (for a signing key: its secret).

        Raises:
            BadInput: A scope is unknown, or there is none.
        """
        unknown = set(scopes) - set(SCOPES)
        if unknown or not scopes:
            raise BadInput(
                f"invalid scope: {', '.join(sorted(unknown)) or 'none given'}; supported: {', '.join(SCOPES)}"
            )
        id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        token = f"{_PREFIX}_{id}_{secret}"
        created = datetime.now(UTC).isoformat(timespec="seconds")
        key = Key(id, name, tuple(scopes), _digest(token), created, secret if signing else "")
        self._write({**self.keys(), id: key})
        return key, secret if signing else token

    def revoke(self, id: str) -> Key:
        """Delete a key.

        Raises:
            NotFound: There is no key with that id.
        """
        keys = dict(self.keys())
        if id not in keys:
            raise NotFound(f"no key {id!r}; existing keys: {', '.join(keys) or 'none'}")
        revoked = keys.pop(id)
        self._write(keys)
        return revoked

    def _write(self, keys: dict[str, Key]) -> None:
        content = {"format": 1, "keys": [asdict(key) for key in keys.values()]}
        write_whole(self.path, json.dumps(content, indent=2).encode())
        self.path.chmod(0o600)

    def check(self, token: str) -> Key:
        """Verify a key in constant time.

        Args:
            token: The key as sent by a caller.

        Raises:
            KeyMissing: The key is unknown.
        """
        parts = token.split("_", 2)
        known = self.keys().get(parts[1]) if len(parts) == 3 and parts[0] == _PREFIX else None
        expected = known.sha256 if known else _digest("")
        if not hmac.compare_digest(expected, _digest(token)) or known is None:
            raise KeyMissing("unknown API key; create one with: snapfind key create SHOP", code="key_unknown")
        return known


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
