"""Streaming decompression of gzip request bodies, in bounded pieces."""

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

from snapfind.core.errors import BadRequest

__all__ = ["decompress", "is_gzip"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_PIECE = 1 << 20  # maximum bytes of one message: a small body can decompress to gigabytes


def is_gzip(encoding: str) -> bool:
    """Tell whether a body is compressed with gzip.

    Args:
        encoding: The header Content-Encoding.

    Returns:
        True for gzip, False for no encoding.

    Raises:
        BadRequest: Another encoding (status 415).
    """
    coding = encoding.strip().lower()
    if coding in {"", "identity"}:
        return False
    if coding in {"gzip", "x-gzip"}:
        return True
    error = BadRequest(
        f"unsupported Content-Encoding {coding[:40]!r}; send the body without encoding or with gzip",
        code="media_type_wrong",
    )
    error.http_status = 415
    raise error


def decompress(receive: Receive) -> Receive:
    """Decompress the messages of a body. Bytes after the end of the gzip stream are ignored.

    The caller counts the decompressed bytes, so a gzip bomb ends at the body limit.

    Args:
        receive: Receives the compressed messages.

    Returns:
        Receives the decompressed messages. It raises HTTPException (400) for a damaged or incomplete body.
    """
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    packed, ended = b"", False

    async def receiving() -> Message:
        nonlocal packed, ended
        while not packed and not ended:
            message = await receive()
            if message["type"] != "http.request":
                return message
            packed, ended = message.get("body", b""), not message.get("more_body", False)
        try:
            plain = inflater.decompress(packed, _PIECE)
        except zlib.error:
            raise HTTPException(400, "the body is not gzip, although Content-Encoding says so") from None
        packed = b"" if inflater.eof else inflater.unconsumed_tail
        # more may wait in the inflater itself when the piece came out full
        whole = inflater.eof or (ended and not packed and len(plain) < _PIECE)
        if ended and whole and not inflater.eof:
            raise HTTPException(400, "the gzip of the body is cut off; send it again")
        if inflater.eof and not ended:
            await _drained(receive)
        return {"type": "http.request", "body": plain, "more_body": not whole}

    return receiving


async def _drained(receive: Receive) -> None:
    while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
        pass
