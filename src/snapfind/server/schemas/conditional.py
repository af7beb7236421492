"""Responses to conditional and range requests for bytes in memory (RFC 9110): ETag, 304, Range."""

import hashlib
import re
from collections.abc import Mapping

from starlette.responses import Response

__all__ = ["conditional_response"]

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def conditional_response(
    content: bytes, media_type: str, request_headers: Mapping[str, str], headers: Mapping[str, str]
) -> Response:
    """Build the response for a content.

    Args:
        content: The content.
        media_type: Media type of the content.
        request_headers: Headers of the request. Several ranges at once give the whole content.
        headers: Additional headers of the response.

    Returns:
        Status 200, 206 for a range, 304 if If-None-Match has the ETag, 416 for a range after the end.
    """
    tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    all_headers = {**headers, "ETag": tag, "Accept-Ranges": "bytes"}
    known = [one.strip().removeprefix("W/") for one in request_headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=all_headers)
    span = _RANGE.fullmatch(request_headers.get("range", "").replace(" ", ""))
    if span is None or span[0] == "bytes=-" or request_headers.get("if-range", tag) != tag:
        return Response(content, media_type=media_type, headers=all_headers)
    begin, end = _span(span, len(content))
    if begin >= end:
        return Response(status_code=416, headers={**all_headers, "Content-Range": f"bytes */{len(content)}"})
    all_headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(content)}"
    return Response(content[begin:end], 206, media_type=media_type, headers=all_headers)


def _span(span: re.Match[str], size: int) -> tuple[int, int]:
    """Return the first byte and the one after the last."""
    if not span[1]:
        return max(0, size - int(span[2])), size
    return int(span[1]), min(size, int(span[2]) + 1) if span[2] else size
