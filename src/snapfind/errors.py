"""Everything that snapfind raises on purpose: one tree, each leaf with a code, an HTTP status and an exit code.

    SnapfindError
    ├── BadInput             what was given cannot be used                    400
    │   ├── BadPicture       bytes that are not a picture we take             400
    │   ├── BadRow           a row of a table that cannot become a product    400
    │   ├── BadFilter        a filter that does not parse or fit the schema   400
    │   ├── BadQuery         a query without anything to look for             400
    │   └── BadSetting       a setting out of its range                       400
    ├── NotFound             no such product, catalogue or space              404
    ├── CatalogBusy          another process owns the folder                  409
    ├── CatalogBroken        the folder is damaged or newer than this program 500
    ├── ModelBroken          weights or golden vectors do not agree           500
    ├── NoText               this encoder has no text side                    400
    ├── NoRoom               the disk is full                                 507
    └── ExtraMissing         a package of an extra is not installed           501

A message is one sentence that names the input and the mend; `code` is stable and documented in
docs/reference/errors.md.
"""

__all__ = [
    "BadFilter",
    "BadInput",
    "BadPicture",
    "BadQuery",
    "BadRow",
    "BadSetting",
    "CatalogBroken",
    "CatalogBusy",
    "ExtraMissing",
    "ModelBroken",
    "NoRoom",
    "NoText",
    "NotFound",
    "SnapfindError",
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


class BadSetting(BadInput):
    """A setting that is unknown or out of its range."""

    code = "setting_bad"


class NotFound(SnapfindError):
    """No such product, catalogue, file or space."""

    code = "not_found"
    http_status = 404


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


class ExtraMissing(SnapfindError):
    """A package of an optional extra is not installed; the message has the pip command."""

    code = "extra_missing"
    http_status = 501
