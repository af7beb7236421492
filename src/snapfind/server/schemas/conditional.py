"""Answers to conditional and partial requests for bytes in memory (RFC 9110): ETag, 304, Range."""

import hashlib
import re
from collections.abc import Mapping

from starlette.responses import Response

__all__ = ["conditional"]

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def conditional(content: bytes, media_type: str, asked: Mapping[str, str], headers: Mapping[str, str]) -> Response:
    """The content, the part of it that was asked for, or that the caller has it already.

    Args:
        content: What lies at the address now.
        media_type: Of the content.
        asked: Headers of the request; several ranges at once are answered with the whole.
        headers: Of the answer, besides ETag, Accept-Ranges and Content-Range.

    Returns:
        200, 206 for a range, 304 where If-None-Match names the content, 416 for a range beyond its end.
    """
    tag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    told = {**headers, "ETag": tag, "Accept-Ranges": "bytes"}
    known = [one.strip().removeprefix("W/") for one in asked.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=told)
    span = _RANGE.fullmatch(asked.get("range", "").replace(" ", ""))
    if span is None or span[0] == "bytes=-" or asked.get("if-range", tag) != tag:
        return Response(content, media_type=media_type, headers=told)
    begin, end = _span(span, len(content))
    if begin >= end:
        return Response(status_code=416, headers={**told, "Content-Range": f"bytes */{len(content)}"})
    told["Content-Range"] = f"bytes {begin}-{end - 1}/{len(content)}"
    return Response(content[begin:end], 206, media_type=media_type, headers=told)


def _span(span: re.Match[str], size: int) -> tuple[int, int]:
    """First byte and the one behind the last; empty where nothing of it is there."""
    if not span[1]:
        return max(0, size - int(span[2])), size
    return int(span[1]), min(size, int(span[2]) + 1) if span[2] else size
