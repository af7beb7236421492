"""What a request asks for, before it is routed: below which path it came, and whether its address can be read."""

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from snapfind.core.errors import BadRequest

__all__ = ["normalize_prefix", "normalize_scope"]

Scope = MutableMapping[str, Any]


def normalize_prefix(text: str) -> str:
    """The setting `root_path` as the beginning of an address: "" or `/shop/search`, without a slash at the end."""
    parts = [part for part in text.strip().split("/") if part]
    return "".join(f"/{part}" for part in parts)


def normalize_scope(scope: Scope, prefix: str) -> Scope:
    """The scope as the application routes it.

    A proxy may pass the prefix on or strip it: both are taken. HEAD is routed as GET, its body is dropped later.
    Query parameters of a GET without a value are left out, as a browser's form sends every field.

    Args:
        scope: ASGI scope of an HTTP request.
        prefix: As `normalize_prefix` gives it.

    Returns:
        A changed copy.

    Raises:
        BadRequest: Path or query have escapes that are not UTF-8.
    """
    _check_escapes(scope)
    found = dict(scope)
    path = scope["path"]
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        found["path"] = path[len(prefix) :] or "/"
        raw = prefix.encode()
        if scope.get("raw_path", b"").startswith(raw):
            found["raw_path"] = scope["raw_path"][len(raw) :] or b"/"
    if scope["method"] == "HEAD":
        found["method"] = "GET"
        # so that a file is named by the response, not read
        found["extensions"] = {**(scope.get("extensions") or {}), "http.response.pathsend": {}}
    if found["method"] == "GET" and scope["query_string"]:
        given = scope["query_string"].split(b"&")
        found["query_string"] = b"&".join(pair for pair in given if pair.partition(b"=")[2])
    return found


def _check_escapes(scope: Scope) -> None:
    for name, raw in (("path", scope.get("raw_path") or b""), ("query", scope["query_string"])):
        try:
            unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            raise BadRequest(f"the {name} of the address is not UTF-8; send whole characters, in UTF-8") from None
