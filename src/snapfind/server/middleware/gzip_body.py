"""Bodies that come compressed with gzip, unpacked as they are read, a bounded piece at a time."""

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

from snapfind.core.errors import BadRequest

__all__ = ["decompress", "is_gzip"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_PIECE = 1 << 20  # bytes that one message may grow to: a small body can unpack to gigabytes


def is_gzip(encoding: str) -> bool:
    """Whether a Content-Encoding is gzip; False for none. Raises BadRequest (415) for any other."""
    told = encoding.strip().lower()
    if told in {"", "identity"}:
        return False
    if told in {"gzip", "x-gzip"}:
        return True
    error = BadRequest(
        f"Content-Encoding {told[:40]!r} is not taken; send the body as it is, or with gzip", code="media_type_wrong"
    )
    error.http_status = 415
    raise error


def decompress(receive: Receive) -> Receive:
    """The messages of a body without its gzip; bytes behind the end are left out.

    The reader counts what comes out, so that a bomb ends at the limit of the request. Raises HTTPException (400) for a
    body that is damaged or cut off.
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
