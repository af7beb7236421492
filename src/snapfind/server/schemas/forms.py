"""Parsing of form bodies: fields and files, as browsers and HTTP libraries of many languages send them.

Browsers also send empty fields. They are removed here.
"""

import re
from urllib.parse import parse_qsl, unquote_to_bytes

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from snapfind.core.config import Settings
from snapfind.core.errors import BadRequest

__all__ = ["is_form", "media_type", "parse_form", "read_form"]

_FORMS = {"multipart/form-data", "application/x-www-form-urlencoded"}
_MAX_FIELDS = 200
_EXTENDED = re.compile(rb";\s*filename\*\s*=\s*\"?([A-Za-z0-9-]+)'[^']*'([^\";\s]*)\"?", re.IGNORECASE)
_PLAIN = re.compile(rb";\s*filename\s*=\s*(\"(?:\\.|[^\"\\])*\"|[^;\s]*)", re.IGNORECASE)


class _Form(MultiPartParser):
    """Form parser that also reads `filename*=UTF-8''name`, which .NET, Java and Python clients send."""

    def on_headers_finished(self) -> None:
        """Replace the extended file name by a plain one, which the base class can read."""
        disposition = self._current_part.content_disposition
        match = _EXTENDED.search(disposition) if disposition else None
        if disposition and match:
            name = _decode(match[2], match[1].decode("ascii")).replace('"', "'").replace("\\", "/")
            disposition = _PLAIN.sub(b"", _EXTENDED.sub(b"", disposition))
            self._current_part.content_disposition = disposition + b'; filename="' + name.encode() + b'"'
        super().on_headers_finished()


class _InMemory(_Form):
    """Form parser that keeps files in memory, so that a query photo is never written to disk."""

    spool_max_size = 2**40


def _decode(escaped: bytes, charset: str) -> str:
    content = unquote_to_bytes(escaped)
    try:
        return content.decode(charset)
    except (LookupError, UnicodeError):
        return content.decode("utf-8", "replace")


def media_type(request: Request) -> str:
    """Return the media type of a body in lower case, "" if the header is missing."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_form(request: Request) -> bool:
    """Tell whether a body is a form. Otherwise it is JSON.

    Raises:
        BadRequest: Another media type.
    """
    kind = media_type(request)
    if kind not in _FORMS | {"application/json", ""}:
        raise BadRequest(f"send application/json or multipart/form-data, not {kind[:60]}", code="media_type_wrong")
    return kind in _FORMS


async def read_form(request: Request, *, files: int, fields: int) -> FormData:
    """Parse a form whose large files are stored on disk.

    Args:
        request: Request with a multipart form.
        files: Maximum number of files.
        fields: Maximum number of fields.

    Returns:
        The form. The caller closes it.

    Raises:
        BadRequest: The form cannot be read.
    """
    return await _parse(_Form(request.headers, request.stream(), max_files=files, max_fields=fields))


async def parse_form(request: Request, settings: Settings) -> list[tuple[str, str | bytes]]:
    """Parse a form in memory, bounded in number and size.

    Args:
        request: Request whose body is a form.
        settings: `max_body` is the maximum size of a field.

    Returns:
        Name and value of each field that is not empty, in order. The value of a file is its content.

    Raises:
        BadRequest: The form cannot be read.
    """
    if media_type(request) == "application/x-www-form-urlencoded":
        return _urlencoded(await request.body())
    limit = settings.whole("max_body")
    form = await _parse(
        _InMemory(request.headers, request.stream(), max_files=100, max_fields=_MAX_FIELDS, max_part_size=limit)
    )
    try:
        fields = [(name, value if isinstance(value, str) else await value.read()) for name, value in _items(form)]
        return [(name, value) for name, value in fields if isinstance(value, bytes) or value.strip()]
    finally:
        await form.close()


def _items(form: FormData) -> list[tuple[str, str | UploadFile]]:
    """Return the fields without empty files, which browsers send if no file is chosen."""
    return [
        (name, value) for name, value in form.multi_items() if isinstance(value, str) or value.filename or value.size
    ]


async def _parse(parser: MultiPartParser) -> FormData:
    try:
        return await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        reason = getattr(error, "message", "") or "no boundary, or incomplete parts"
        raise BadRequest(f"the form cannot be read: {reason}") from None


def _urlencoded(body: bytes) -> list[tuple[str, str | bytes]]:
    try:
        fields = parse_qsl(body.decode("utf-8"), max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise BadRequest(f"the form cannot be read: {error}") from None
    return [(name, value) for name, value in fields if value.strip()]
