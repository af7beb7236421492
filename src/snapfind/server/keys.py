"""Keys: made once, shown once, kept as hashes in `keys.json` of the catalogue's folder.

A key is 32 random bytes, so one round of SHA-256 is enough: there is nothing to guess. The file is read anew when it
changed on disk, so that a key that is revoked on the command line is refused by the running server at once.
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
    """What is kept of a key: never the key itself."""

    id: str
    name: str
    scopes: tuple[str, ...]
    sha256: str
    created: str
    secret: str = ""  # only of keys that sign requests: a signature is checked with the secret itself

    def may(self, scope: str) -> bool:
        """Whether it holds the scope; each holds those before it."""
        return any(SCOPES.index(own) >= SCOPES.index(scope) for own in self.scopes)


class KeyStore:
    """The keys of one catalogue."""

    def __init__(self, catalogue: Path) -> None:
        self.path = catalogue / "keys.json"
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}

    def keys(self) -> dict[str, Key]:
        """Id -> key, as they stand on disk now. Raises CatalogBroken."""
        try:
            told = self.path.stat()
        except FileNotFoundError:
            return {}
        stamp = (told.st_mtime_ns, told.st_size, told.st_ino)
        with self._lock:
            if stamp != self._stamp:
                self._keys, self._stamp = self._read(), stamp
            return self._keys

    def _read(self) -> dict[str, Key]:
        try:
            entries = json.loads(self.path.read_bytes())["keys"]
            return {entry["id"]: Key(**{**entry, "scopes": tuple(entry["scopes"])}) for entry in entries}
        except (ValueError, KeyError, TypeError) as error:
            raise CatalogBroken(f"{self.path.name} cannot be read ({error}); restore it, or make new keys") from error

    def create(self, name: str, scopes: Sequence[str], *, signing: bool = False) -> tuple[Key, str]:
        """A new key and what its caller sends, which is not kept; of one for signing, its secret, which is.

        Raises BadInput for an unknown scope.
        """
        wrong = set(scopes) - set(SCOPES)
        if wrong or not scopes:
            raise BadInput(f"scope {', '.join(sorted(wrong)) or 'missing'}: give some of {', '.join(SCOPES)}")
        own, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        whole = f"{_PREFIX}_{own}_{secret}"
        created = datetime.now(UTC).isoformat(timespec="seconds")
        key = Key(own, name, tuple(scopes), _digest(whole), created, secret if signing else "")
        self._write({**self.keys(), own: key})
        return key, secret if signing else whole

    def revoke(self, which: str) -> Key:
        """Forget a key by its id. Raises NotFound."""
        keys = dict(self.keys())
        if which not in keys:
            raise NotFound(f"no key {which!r}; there are: {', '.join(keys) or 'none'}")
        gone = keys.pop(which)
        self._write(keys)
        return gone

    def _write(self, keys: dict[str, Key]) -> None:
        content = {"format": 1, "keys": [asdict(key) for key in keys.values()]}
        write_whole(self.path, json.dumps(content, indent=2).encode())
        self.path.chmod(0o600)

    def check(self, given: str) -> Key:
        """The key that this is. Raises KeyMissing; the time it takes tells nothing about the secret."""
        parts = given.split("_", 2)
        known = self.keys().get(parts[1]) if len(parts) == 3 and parts[0] == _PREFIX else None
        expected = known.sha256 if known else _digest("")
        if not hmac.compare_digest(expected, _digest(given)) or known is None:
            raise KeyMissing("this key is not known here; make one: snapfind key create SHOP", code="key_unknown")
        return known


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
