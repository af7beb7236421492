"""Exception classes of snapfind. Each has an error code, an HTTP status and an exit code of the command line.

    SnapfindError
    ├── BadInput             the input is invalid                             400
    │   ├── BadPicture       an image that is unsupported or damaged          400
    │   ├── BadRow           a table row that is not a valid product          400
    │   ├── BadFilter        a filter with a syntax error or unknown field    400
    │   ├── BadQuery         an empty or contradictory query                  400
    │   ├── BadRequest       a request that does not match the API schema     422
    │   └── BadSetting       a setting out of its range                       400
    ├── KeyMissing           missing or unknown API key                       401
    ├── Forbidden            missing scope, or a cross-origin request         403
    ├── ReadOnly             the catalog is open read-only                    403
    ├── NotFound             no such product, catalog or space                404
    ├── Conflict             the request conflicts with an earlier one        409
    ├── TooLarge             more bytes or items than the limits allow        413
    ├── Busy                 too many requests, retry later                   429
    ├── NotReady             the server is starting, stopping or unreachable  503
    ├── TimedOut             the request exceeded the time limit              504
    ├── ServerFailed         an internal error of the server                  500
    ├── CatalogBusy          another process owns the folder                  409
    ├── CatalogBroken        the folder is damaged or newer than this program 500
    ├── ModelBroken          an artifact fails its checksums or golden test   500
    ├── NoText               the encoder does not support text                400
    ├── NoRoom               the disk is full                                 507
    ├── OutOfMemory          memory cannot be allocated                       503
    └── ExtraMissing         a package of an optional extra is missing        501

A message says what is wrong with which input, and what to do. `code` is stable and documented in
docs/reference/errors.md.
"""

__all__ = [
    "BadFilter",
    "BadInput",
    "BadPicture",
    "BadQuery",
    "BadRequest",
    "BadRow",
    "BadSetting",
    "Busy",
    "CatalogBroken",
    "CatalogBusy",
    "Conflict",
    "ExtraMissing",
    "Forbidden",
    "KeyMissing",
    "ModelBroken",
    "NoRoom",
    "NoText",
    "NotFound",
    "NotReady",
    "OutOfMemory",
    "ReadOnly",
    "ServerFailed",
    "SnapfindError",
    "TimedOut",
    "TooLarge",
]


class SnapfindError(Exception):
    """Base class: `message` is for people, `code` for programs, `field` names the invalid input, if any."""

    code = "error"
    http_status = 500
    exit_code = 2

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code


class BadInput(SnapfindError):
    """The input is invalid."""

    code = "bad_input"
    http_status = 400


class BadPicture(BadInput):
    """Unsupported or damaged image: `picture_empty`, `_format`, `_broken`, `_too_large`, `_missing`."""

    code = "picture_broken"


class BadRow(BadInput):
    """A row of a table or a file of a folder that is not a valid product."""

    code = "row_bad"


class BadFilter(BadInput):
    """A filter with a syntax error or an unknown field. `position` is the index of the character, from 0."""

    code = "filter_bad"

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message, field="filter")
        self.position = position


class BadQuery(BadInput):
    """An empty query, or one with contradictory parts."""

    code = "query_bad"


class BadRequest(BadInput):
    """The request does not match the API schema: `request_bad`, `method_wrong`, `cursor_bad`, `media_type_wrong`."""

    code = "request_bad"
    http_status = 422


class BadSetting(BadInput):
    """A setting that is unknown or out of range."""

    code = "setting_bad"


class NotFound(SnapfindError):
    """No such product, catalog, file or space."""

    code = "not_found"
    http_status = 404


class KeyMissing(SnapfindError):
    """The API key is missing or unknown: `key_missing`, `key_unknown`."""

    code = "key_missing"
    http_status = 401


class Forbidden(SnapfindError):
    """Missing scope, or a cross-origin request: `scope_missing`, `origin_foreign`, `host_wrong`."""

    code = "scope_missing"
    http_status = 403


class ReadOnly(SnapfindError):
    """The catalog is open read-only, because another process owns it or its folder is not writable."""

    code = "read_only"
    http_status = 403


class Conflict(SnapfindError):
    """Conflict with an earlier request: a reused idempotency key with another body, or a job that is running."""

    code = "conflict"
    http_status = 409


class TooLarge(SnapfindError):
    """More bytes, products, query terms or events than the settings allow: `too_large`, `body_too_large`."""

    code = "too_large"
    http_status = 413


class Busy(SnapfindError):
    """Too many concurrent requests or rate limit exceeded: `busy`, `rate_limited`. `retry_after` is in seconds."""

    code = "busy"
    http_status = 429

    def __init__(self, message: str, *, code: str | None = None, retry_after: float = 1.0) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class NotReady(SnapfindError):
    """The server is starting, stopping or unreachable."""

    code = "not_ready"
    http_status = 503


class TimedOut(SnapfindError):
    """The request exceeded the time limit."""

    code = "timed_out"
    http_status = 504


class ServerFailed(SnapfindError):
    """An internal error of the server. Its log has the reason under the request id."""

    code = "internal"


class CatalogBusy(SnapfindError):
    """Another process has the catalog open. The message names its pid."""

    code = "catalog_busy"
    http_status = 409


class CatalogBroken(SnapfindError):
    """The folder is damaged, is not a catalog, or was written by a newer version."""

    code = "catalog_broken"


class ModelBroken(SnapfindError):
    """An artifact that fails its checksums or its golden test."""

    code = "model_broken"


class NoText(SnapfindError):
    """The encoder does not support text."""

    code = "no_text"
    http_status = 400


class NoRoom(SnapfindError):
    """The disk is full. Acknowledged writes are kept."""

    code = "no_room"
    http_status = 507


class OutOfMemory(SnapfindError):
    """Memory cannot be allocated, on the machine or within a limit such as `ulimit -v`."""

    code = "out_of_memory"
    http_status = 503


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether an error or one of its causes is a failed memory allocation.

    Native code (ONNX Runtime, the index engine, the dynamic linker) reports it only in the error text.
    """
    while error is not None:
        if isinstance(error, MemoryError | OutOfMemory) or any(marker in str(error) for marker in _NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


FREE_MEMORY = "free some, or raise the limit (ulimit -v, or that of the container)"
_NO_MEMORY = (
    "bad_alloc",
    "annot allocate memory",
    "Failed to allocate memory",
    "OutOfMemory",
    "failed to map segment",
)


class ExtraMissing(SnapfindError):
    """A package of an optional extra is not installed. The message has the pip command."""

    code = "extra_missing"
    http_status = 501

    @classmethod
    def of(cls, reason: str, extra: str) -> "ExtraMissing":
        """Make the error with the command that installs the extra.

        Args:
            reason: What needs which package, without a full stop.
            extra: Name of the extra in pyproject.toml.
        """
        return cls(f"{reason}; in the checkout of snapfind run: pip install '.[{extra}]'")
