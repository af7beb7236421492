"""Everything that snapfind raises on purpose: one tree, each leaf with a code, an HTTP status and an exit code.

    SnapfindError
    ├── BadInput             what was given cannot be used                    400
    │   ├── BadPicture       bytes that are not a picture we take             400
    │   ├── BadRow           a row of a table that cannot become a product    400
    │   ├── BadFilter        a filter that does not parse or fit the schema   400
    │   ├── BadQuery         a query without anything to look for             400
    │   ├── BadRequest       a request that does not fit the API              422
    │   └── BadSetting       a setting out of its range                       400
    ├── KeyMissing           no key, or one that is not known                 401
    ├── Forbidden            the key may not do this, or a foreign page asks  403
    ├── ReadOnly             the catalogue is open for reading only           403
    ├── NotFound             no such product, catalogue or space              404
    ├── Conflict             it contradicts what was asked before             409
    ├── TooLarge             more bytes or items than the limits              413
    ├── Busy                 too many requests; come back later               429
    ├── NotReady             the server cannot answer now                     503
    ├── TimedOut             it took longer than the limit                    504
    ├── ServerFailed         the server answered with what it may not say     500
    ├── CatalogBusy          another process owns the folder                  409
    ├── CatalogBroken        the folder is damaged or newer than this program 500
    ├── ModelBroken          weights or golden vectors do not agree           500
    ├── NoText               this encoder has no text side                    400
    ├── NoRoom               the disk is full                                 507
    ├── OutOfMemory          the memory of the machine or of a limit is used up 503
    └── ExtraMissing         a package of an extra is not installed           501

A message is one sentence that names the input and the mend; `code` is stable and documented in
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
    """Root of the tree: `message` for people, `code` for programs, `field` names the input where there is one."""

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
    """What was given cannot be used as it is."""

    code = "bad_input"
    http_status = 400


class BadPicture(BadInput):
    """Bytes that are not a picture we take; codes `picture_empty`, `_format`, `_broken`, `_too_large`, `_missing`."""

    code = "picture_broken"


class BadRow(BadInput):
    """A row of a table or a file of a folder that cannot become a product."""

    code = "row_bad"


class BadFilter(BadInput):
    """A filter that does not parse or does not fit the schema; `position` counts characters from 0."""

    code = "filter_bad"

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message, field="filter")
        self.position = position


class BadQuery(BadInput):
    """A query without anything to look for, or with parts that contradict each other."""

    code = "query_bad"


class BadRequest(BadInput):
    """A request that does not fit the API; codes `request_bad`, `method_wrong`, `cursor_bad`, `media_type_wrong`."""

    code = "request_bad"
    http_status = 422


class BadSetting(BadInput):
    """A setting that is unknown or out of its range."""

    code = "setting_bad"


class NotFound(SnapfindError):
    """No such product, catalogue, file or space."""

    code = "not_found"
    http_status = 404


class KeyMissing(SnapfindError):
    """The server wants a key and got none, or one that it does not know; codes `key_missing`, `key_unknown`."""

    code = "key_missing"
    http_status = 401


class Forbidden(SnapfindError):
    """The key has not the scope, or it comes from a foreign page: `scope_missing`, `origin_foreign`, `host_wrong`."""

    code = "scope_missing"
    http_status = 403


class ReadOnly(SnapfindError):
    """The catalogue is open for reading only, or its folder cannot be written; another process or machine owns it."""

    code = "read_only"
    http_status = 403


class Conflict(SnapfindError):
    """It contradicts what was asked before: an idempotency key with another body, a job that runs already."""

    code = "conflict"
    http_status = 409


class TooLarge(SnapfindError):
    """More bytes, products, likes or events than the settings allow; codes `too_large`, `body_too_large`."""

    code = "too_large"
    http_status = 413


class Busy(SnapfindError):
    """Too many requests at a time or in a minute; `retry_after` is in seconds. Codes `busy`, `rate_limited`."""

    code = "busy"
    http_status = 429

    def __init__(self, message: str, *, code: str | None = None, retry_after: float = 1.0) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class NotReady(SnapfindError):
    """The server is starting or stopping, or cannot be reached."""

    code = "not_ready"
    http_status = 503


class TimedOut(SnapfindError):
    """It took longer than the time limit."""

    code = "timed_out"
    http_status = 504


class ServerFailed(SnapfindError):
    """A fault of the server itself; its log has the reason under the request id."""

    code = "internal"


class CatalogBusy(SnapfindError):
    """Another process owns the catalogue; the message names its pid."""

    code = "catalog_busy"
    http_status = 409


class CatalogBroken(SnapfindError):
    """The folder is damaged, is not a catalogue, or was written by a newer snapfind."""

    code = "catalog_broken"


class ModelBroken(SnapfindError):
    """An artifact whose files, checksums or golden vectors do not agree."""

    code = "model_broken"


class NoText(SnapfindError):
    """The encoder has no text side."""

    code = "no_text"
    http_status = 400


class NoRoom(SnapfindError):
    """The disk is full; what was acknowledged before is kept."""

    code = "no_room"
    http_status = 507


class OutOfMemory(SnapfindError):
    """The memory of the machine, or of a limit such as `ulimit -v`, is used up."""

    code = "out_of_memory"
    http_status = 503


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that memory could not be allocated.

    Native code (ONNX Runtime, the index engine, the dynamic linker) says so only in the text of its errors.
    """
    while error is not None:
        if isinstance(error, MemoryError | OutOfMemory) or any(sign in str(error) for sign in _NO_MEMORY):
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
    """A package of an optional extra is not installed; the message has the pip command."""

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
