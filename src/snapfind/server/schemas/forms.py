"""Forms of a request: fields and files, as browsers, phones and other languages send them.

A browser sends every field of a form, those that nobody filled in too: an empty field is left out here.
"""

import re
from urllib.parse import parse_qsl, unquote_to_bytes

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from snapfind.core.config import Settings
from snapfind.core.errors import BadRequest

__all__ = ["form_of", "is_form", "media_type", "read_form"]

_FORMS = {"multipart/form-data", "application/x-www-form-urlencoded"}
_MOST_FIELDS = 200
_EXTENDED = re.compile(rb";\s*filename\*\s*=\s*\"?([A-Za-z0-9-]+)'[^']*'([^\";\s]*)\"?", re.IGNORECASE)
_PLAIN = re.compile(rb";\s*filename\s*=\s*(\"(?:\\.|[^\"\\])*\"|[^;\s]*)", re.IGNORECASE)


class _Form(MultiPartParser):
    """A parser that also reads `filename*=UTF-8''name`, which .NET, Java and Python clients send for names."""

    def on_headers_finished(self) -> None:
        """Write the extended file name as a plain one, the only kind that the parser below knows."""
        told = self._current_part.content_disposition
        found = _EXTENDED.search(told) if told else None
        if told and found:
            name = _decoded(found[2], found[1].decode("ascii")).replace('"', "'").replace("\\", "/")
            told = _PLAIN.sub(b"", _EXTENDED.sub(b"", told))
            self._current_part.content_disposition = told + b'; filename="' + name.encode() + b'"'
        super().on_headers_finished()


class _InMemory(_Form):
    """Files of a form stay in memory: a query photo never touches the disk."""

    spool_max_size = 2**40


def _decoded(escaped: bytes, charset: str) -> str:
    content = unquote_to_bytes(escaped)
    try:
        return content.decode(charset)
    except (LookupError, UnicodeError):
        return content.decode("utf-8", "replace")


def media_type(request: Request) -> str:
    """The media type of the body in small letters, "" where none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_form(request: Request) -> bool:
    """Whether the body is a form; otherwise it is JSON. Raises BadRequest for any other media type."""
    kind = media_type(request)
    if kind not in _FORMS | {"application/json", ""}:
        raise BadRequest(f"send application/json or multipart/form-data, not {kind[:60]}", code="media_type_wrong")
    return kind in _FORMS


async def read_form(request: Request, *, files: int, fields: int) -> FormData:
    """A form whose files may lie on the disk; close it at the end. Raises BadRequest."""
    return await _parsed(_Form(request.headers, request.stream(), max_files=files, max_fields=fields))


async def form_of(request: Request, settings: Settings) -> list[tuple[str, str | bytes]]:
    """Name and value of each field that was filled in, a file as its bytes; bounded in number and size.

    Args:
        request: A request whose body is a form.
        settings: `max_body` bounds a field.

    Returns:
        Fields in the order of the form, without those that are empty.

    Raises:
        BadRequest: The form cannot be read.
    """
    if media_type(request) == "application/x-www-form-urlencoded":
        return _urlencoded(await request.body())
    most = settings.whole("max_body")
    form = await _parsed(
        _InMemory(request.headers, request.stream(), max_files=100, max_fields=_MOST_FIELDS, max_part_size=most)
    )
    try:
        found = [(name, value if isinstance(value, str) else await _content(value)) for name, value in _filled(form)]
        return [(name, value) for name, value in found if isinstance(value, bytes) or value.strip()]
    finally:
        await form.close()


def _filled(form: FormData) -> list[tuple[str, str | UploadFile]]:
    """Without the files that nobody chose: browsers send them without a name and without a byte."""
    return [
        (name, value) for name, value in form.multi_items() if isinstance(value, str) or value.filename or value.size
    ]


async def _content(file: UploadFile) -> bytes:
    return await file.read()


async def _parsed(parser: MultiPartParser) -> FormData:
    try:
        return await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        reason = getattr(error, "message", "") or "no boundary, or parts that are cut off"
        raise BadRequest(f"the form cannot be read: {reason}") from None


def _urlencoded(body: bytes) -> list[tuple[str, str | bytes]]:
    try:
        found = parse_qsl(body.decode("utf-8"), max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise BadRequest(f"the form cannot be read: {error}") from None
    return [(name, value) for name, value in found if value.strip()]
