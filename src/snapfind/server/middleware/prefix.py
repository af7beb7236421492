"""Normalization of a request before routing: path prefix of a proxy, HEAD requests, empty query parameters."""

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from snapfind.core.errors import BadRequest

__all__ = ["normalize_prefix", "normalize_scope"]

Scope = MutableMapping[str, Any]


def normalize_prefix(text: str) -> str:
    """Normalize the setting `root_path`.

    Args:
        text: The setting.

    Returns:
        "", or a path such as `/shop/search` without a slash at the end.
    """
    parts = [part for part in text.strip().split("/") if part]
    return "".join(f"/{part}" for part in parts)


def normalize_scope(scope: Scope, prefix: str) -> Scope:
    """Normalize the scope of a request for routing.

    A proxy may forward the prefix or strip it. HEAD is routed as GET, and its body is dropped later. Query parameters
    of a GET without a value are removed, because the form of a browser sends every field.

    Args:
        scope: ASGI scope of an HTTP request.
        prefix: Prefix of `normalize_prefix`.

    Returns:
        The normalized copy.

    Raises:
        BadRequest: Path or query contain escapes that are not UTF-8.
    """
    _check_escapes(scope)
    normalized = dict(scope)
    path = scope["path"]
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        normalized["path"] = path[len(prefix) :] or "/"
        raw = prefix.encode()
        if scope.get("raw_path", b"").startswith(raw):
            normalized["raw_path"] = scope["raw_path"][len(raw) :] or b"/"
    if scope["method"] == "HEAD":
        normalized["method"] = "GET"
        # the response names a file instead of reading it
        normalized["extensions"] = {**(scope.get("extensions") or {}), "http.response.pathsend": {}}
    if normalized["method"] == "GET" and scope["query_string"]:
        pairs = scope["query_string"].split(b"&")
        normalized["query_string"] = b"&".join(pair for pair in pairs if pair.partition(b"=")[2])
    return normalized


def _check_escapes(scope: Scope) -> None:
    for name, raw in (("path", scope.get("raw_path") or b""), ("query", scope["query_string"])):
        try:
            unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            raise BadRequest(f"the {name} of the URL is not UTF-8; percent-encode characters in UTF-8") from None
