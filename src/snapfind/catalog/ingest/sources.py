"""Sources of products as a stream of items: a table, a folder of pictures, or a folder per product."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from snapfind.catalog.ingest.cells import is_placeholder, text_of
from snapfind.catalog.ingest.columns import Columns
from snapfind.catalog.ingest.folders import (
    Folders,
    Walk,
    find_media_files,
    ignored_files_note,
    product_of_path,
    read_folder,
)
from snapfind.catalog.ingest.items import Failure, Item, Remote
from snapfind.catalog.ingest.kinds import MOST_ATTRIBUTES, is_code, kind_of, merge_kinds, typed_kind_of
from snapfind.catalog.ingest.notes import Notes
from snapfind.catalog.ingest.numbers import Numbers
from snapfind.catalog.ingest.picture_names import Names, absolute_url, is_url
from snapfind.catalog.ingest.tables import TABLES, has_other_delimiter, header, rows, table_suffix
from snapfind.core.errors import BadInput, BadRow, NotFound, SnapfindError
from snapfind.core.types import Kind, Product

if TYPE_CHECKING:
    from snapfind.media.fetch import FetchPolicy

__all__ = [
    "Failure",
    "Folders",
    "Item",
    "Remote",
    "Source",
    "find_media_files",
    "open_source",
    "product_of_path",
]

_MANY = 24  # pictures of one product; with more, each is probably a product


@dataclass(frozen=True, slots=True)
class Source:
    """A table or folder whose items can be iterated.

    Attributes:
        path: The table or folder.
        root: Folder that names of pictures are relative to.
        total: Number of rows or files.
        schema: Kinds of the shop's own attributes.
        columns: Columns of a table by meaning. None: a folder.
        numbers: Number formats by column.
        folders: Meaning of a sub-folder.
        note_log: Collects notes while the items are read.
        fetching: What may be fetched by URL. None: nothing.
    """

    path: Path
    root: Path
    total: int
    schema: Mapping[str, Kind]
    columns: Columns | None = None
    numbers: Mapping[str, Numbers] = field(default_factory=dict)
    folders: Folders = "product"
    note_log: Notes = field(default_factory=Notes)
    fetching: "FetchPolicy | None" = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on what was left out or renamed. They are complete after all items were read."""
        return self.note_log.all()

    def __iter__(self) -> Iterator[Item | Failure]:
        return _from_table(self) if self.columns else read_folder(self.path, self.folders)

    def names(self) -> Names | None:
        """Return the files that rows can name, or None if they are on other machines."""
        return Names(self.root)

    def item(self, product: Product, name: str, files: Names | None) -> Item:
        """Create the item of a picture that a row names.

        Args:
            product: Product of the row.
            name: Name or URL of the picture.
            files: Files that can be named.

        Returns:
            The item.

        Raises:
            BadRow: The file is outside of the root, or the URL may not be fetched.
        """
        local = name.lower().startswith("file://") or (name.startswith("//") and files and files.exists(name))
        if local or not is_url(name):
            path = (files or Names(self.root)).find(name)
            return Item(product, _relative_name(self.root, path, name), path)
        url = absolute_url(name)
        if not url.startswith(("http://", "https://")):
            raise BadRow("pictures are fetched by http and https only; use such a URL", code="picture_url")
        if self.fetching is None:
            reason = "pictures are not fetched by URL; set SNAPFIND_FETCH=public, or to host names"
            raise BadRow(reason, code="picture_url")
        return Remote(product, url, Path(url), allowed=self.fetching)


def open_source(
    path: Path,
    known: Mapping[str, Kind],
    root: Path | None = None,
    *,
    columns: Mapping[str, str] = {},
    kinds: Mapping[str, Kind] = {},
    folders: Folders = "product",
    fetching: "FetchPolicy | None" = None,
) -> Source:
    """Open a table or a folder: count its rows and determine the kinds of its columns.

    Args:
        path: A table or a folder.
        known: Kinds of the attributes that the catalog has. They override detected kinds.
        root: Folder that names of pictures are relative to. None: the folder of the table.
        columns: Columns by meaning, if they have other names: {"id": "Handle"}.
        kinds: Kinds of columns. They override `known`.
        folders: Meaning of a sub-folder.
        fetching: What may be fetched by URL. None: nothing.

    Returns:
        The source.

    Raises:
        NotFound: There is no such path.
        BadInput: It is neither a folder with pictures nor a table that can be read.
    """
    if path.is_dir():
        return _open_folder(path, folders)
    if not path.is_file():
        raise NotFound(f"{path} is neither a file nor a folder")
    if not table_suffix(path.name):
        hint = "; save the sheet as CSV UTF-8" if path.suffix.lower() in {".xlsx", ".xls", ".ods"} else ""
        raise BadInput(f"{path.name}: give a folder of pictures or a table that ends in {', '.join(TABLES)}{hint}")
    return replace(_open_table(path, known, root, columns, kinds), fetching=fetching)


def _open_folder(path: Path, folders: Folders) -> Source:
    walk, notes = Walk(path), Notes()
    counts = Counter(entry.parent if isinstance(entry, Path) else path for entry in walk)
    for note in ignored_files_note(walk.others):
        notes.say(note)
    if not counts:
        also = f" ({notes.sentences[0]})" if notes.sentences else ""
        raise BadInput(
            f"{path.name or path} has no pictures{also}; pass a folder with JPEG, PNG, WebP … files, or a table"
        )
    large = [parent for parent in counts if counts[parent] > _MANY and parent != path and folders == "product"]
    for parent in sorted(large, key=lambda parent: -counts[parent])[:1]:
        notes.say(
            f"{parent.relative_to(path)} has {counts[parent]:,} pictures and is one product; "
            "if each picture is a product, add it again with --folders category --sync"
        )
    return Source(path, path, counts.total(), {}, folders=folders, note_log=notes)


def _open_table(
    path: Path, known: Mapping[str, Kind], root: Path | None, chosen: Mapping[str, str], kinds: Mapping[str, Kind]
) -> Source:
    notes, groups = Notes(), Columns.groups(chosen)
    columns = Columns(header(path, groups), path.name, chosen, notes)
    chosen_kinds = _chosen_kinds(columns, path.name, kinds)
    fixed = {name: kind for name in columns.attributes.values() if (kind := chosen_kinds.get(name) or known.get(name))}
    fixed |= {name: kind for name, kind in columns.kinds.items() if name not in fixed}
    # JSON and Parquet have types, so "38" is a text there, as for `put`; in delimited text it may be a number
    detect = kind_of if table_suffix(path.name).removesuffix(".gz") in {".csv", ".tsv", ".txt"} else typed_kind_of
    detected: dict[str, set[Kind | None]] = {
        column: set() for column, name in columns.attributes.items() if name not in fixed
    }
    numbers = {name: Numbers() for name in _numeric(path, columns, fixed, groups)}
    total = nameless = 0
    for _, row in rows(path, groups):
        total += 1
        if isinstance(row, dict):
            nameless += "" in row
            for column, kinds_of_column in detected.items():
                kinds_of_column.add(detect(row.get(column)))
            for column, written in numbers.items():
                text = text_of(row.get(column))
                written.look("" if is_placeholder(text) else text)
    if nameless:
        count = "1 row has" if nameless == 1 else f"{nameless:,} rows have"
        notes.say(f"{count} a value in a column without a name, which is ignored; name the column")
    commas = {column for column, written in numbers.items() if written.have_commas}
    schema = fixed | {
        columns.attributes[column]: "number" if column in commas else _kind(columns.attributes[column], looks)
        for column, looks in detected.items()
        if looks - {None}
    }
    if len({**known, **schema}) > MOST_ATTRIBUTES:
        raise BadInput(f"more than {MOST_ATTRIBUTES:,} attributes in one catalog; {path.name} has too many columns")
    return Source(path, (root or path.parent).resolve(), total, schema, columns, numbers, note_log=notes)


def _chosen_kinds(columns: Columns, table: str, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """Return the kinds that the caller chose, by attribute. Raise BadInput for an unknown column."""
    chosen: dict[str, Kind] = {}
    for column, kind in kinds.items():
        names = [name for own, name in columns.attributes.items() if column.strip() in {own.strip(), name}]
        if not names:
            raise BadInput(f"{table} has no column {column!r} to be a {kind}", field="column")
        chosen[names[0]] = kind
    return chosen


def _kind(name: str, looks: set[Kind | None]) -> Kind:
    kind = merge_kinds(looks)
    return "text" if kind == "number" and is_code(name) else kind


def _numeric(
    path: Path, columns: Columns, schema: Mapping[str, Kind], groups: tuple[tuple[str, ...], ...]
) -> list[str]:
    """Return the columns that may have numbers in other formats than `12.5`.

    Attributes are among them only if commas do not separate the cells. Otherwise `38,39` is more often two sizes.
    """
    own = columns.attributes if has_other_delimiter(path, groups) else {}
    return [columns.fixed[name] for name in ("price",) if name in columns.fixed] + [
        column for column, name in own.items() if schema.get(name, "number") == "number"
    ]


def _from_table(source: Source) -> Iterator[Item | Failure]:
    assert source.columns is not None
    columns, files = source.columns, source.names()
    before: Product | None = None
    for number, row in rows(source.path, columns.header_groups):
        where = f"{source.path.name} line {number}"
        if isinstance(row, BadRow):
            yield Failure("", row.code, where, row.message)
            continue
        product_id = text_of(row.get(columns.fixed["id"]))
        try:
            product = columns.product(row, source.schema, source.numbers, source.note_log)
            if before and before.id == product.id:
                if columns.names_none(row):  # a size or a color of the product before
                    continue
                product = _complete(product, before)
            pictures, before = columns.pictures(row, files.exists if files else lambda _: False), product
        except SnapfindError as error:
            yield Failure(product_id, error.code, where, error.message)
            continue
        for name, content in pictures:
            try:
                yield source.item(product, name, files) if content is None else Item(product, name, Path(name), content)
            except BadRow as error:
                yield Failure(product_id, error.code, name[:200], error.message)


def _complete(product: Product, before: Product) -> Product:
    """Fill empty fields of a further row of a product (many shops write the picture only)."""
    return Product(
        id=product.id,
        title=product.title or before.title,
        price=before.price if product.price is None else product.price,
        brand=product.brand or before.brand,
        category=product.category or before.category,
        description=product.description or before.description,
        attributes={**before.attributes, **product.attributes},
    )


def _relative_name(root: Path, path: Path, name: str) -> str:
    """Make an absolute name relative to the root. Names are served, and paths of this machine must stay private."""
    absolute = Path(name).is_absolute() or name.lower().startswith("file://")
    return path.relative_to(root).as_posix() if absolute and path.is_relative_to(root) else name
