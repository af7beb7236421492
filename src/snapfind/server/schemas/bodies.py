"""JSON bodies and base64 texts, as clients of many languages send them."""

import base64
import binascii
import string
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel
from starlette.requests import Request

from snapfind.core.errors import BadPicture

__all__ = ["decode_base64", "read_json"]

M = TypeVar("M", bound=BaseModel)
_BOM = b"\xef\xbb\xbf"
_URL_ALPHABET = bytes.maketrans(b"-_", b"+/")
_BLANKS = string.whitespace.encode()


async def read_json(request: Request, schema: type[M], *, empty: bytes = b"") -> M:
    """Parse a JSON body.

    Args:
        request: The request.
        schema: Model of the body.
        empty: JSON that is used for an empty body.

    Returns:
        The parsed body.

    Raises:
        ValidationError: The body does not fit the model.
    """
    body = await request.body()
    return schema.model_validate_json(body.removeprefix(_BOM) or empty)


def decode_base64(text: str, field: str) -> bytes:
    """Decode a base64 text.

    Line breaks (Android, `base64 FILE`, MIME), the URL alphabet (`-` and `_`), a missing `=` at the end, and `data:`
    URLs are accepted.

    Args:
        text: The text.
        field: Name of the input, for the message.

    Returns:
        The content.

    Raises:
        BadPicture: The text has other characters or is incomplete.
    """
    wrong = f"{field[:60]} is not base64; send the bytes of a picture file in base64"
    if text[:5].lower() == "data:":
        head, _, text = text.partition(",")
        if not head.lower().endswith(";base64"):
            raise BadPicture(f"{field[:60]} is a data: URL without ;base64; {wrong.partition('; ')[2]}", field=field)
    try:
        content = unquote_to_bytes(text) if "%" in text else text.encode("ascii")
        content = content.translate(_URL_ALPHABET, _BLANKS).rstrip(b"=")
        return base64.b64decode(content + b"=" * (-len(content) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadPicture(wrong, field=field) from None
