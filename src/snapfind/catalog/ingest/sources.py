"""What a shop gives us, as one stream of items: a table of products, a folder of pictures, a folder per product."""

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

_MANY = 24  # pictures of one product; more are more often products


@dataclass(frozen=True, slots=True)
class Source:
    """Items to add: how many rows there are, the kinds of the shop's own attributes, and the items when iterated."""

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
        """What was left out or renamed although every product is in; complete when all items were read."""
        return self.note_log.all()

    def __iter__(self) -> Iterator[Item | Failure]:
        return _from_table(self) if self.columns else read_folder(self.path, self.folders)

    def names(self) -> Names | None:
        """The files that rows name; None where they are not on this machine."""
        return Names(self.root)

    def item(self, product: Product, name: str, files: Names | None) -> Item:
        """The picture that a row names. Raises BadRow where it is not to be had."""
        local = name.lower().startswith("file://") or (name.startswith("//") and files and files.exists(name))
        if local or not is_url(name):
            path = (files or Names(self.root)).find(name)
            return Item(product, _below(self.root, path, name), path)
        url = absolute_url(name)
        if not url.startswith(("http://", "https://")):
            raise BadRow("pictures are fetched by http and https only; give such an address", code="picture_url")
        if self.fetching is None:
            reason = "addresses are fetched only where you allow it: set SNAPFIND_FETCH=public, or to names of hosts"
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
    """Look a table or a folder over once: count its rows, settle the kind of each column.

    Args:
        path: A table or a folder.
        known: Kinds of the attributes that the catalog has; they win over what the column looks like.
        root: Folder that picture names start from; the table's own by default.
        columns: Columns of a table that are called otherwise than here, by meaning.
        kinds: Kinds of columns, which win over `known`.
        folders: What a sub-folder is.
        fetching: What pictures may be fetched by address.

    Raises:
        NotFound: There is no such path.
        BadInput: It is neither a folder with pictures nor a table that can be read.
    """
    if path.is_dir():
        return _open_folder(path, folders)
    if not path.is_file():
        raise NotFound(f"{path} is neither a file nor a folder")
    if not table_suffix(path.name):
        mend = "; save the sheet as CSV UTF-8" if path.suffix.lower() in {".xlsx", ".xls", ".ods"} else ""
        raise BadInput(f"{path.name}: give a folder of pictures or a table that ends in {', '.join(TABLES)}{mend}")
    return replace(_open_table(path, known, root, columns, kinds), fetching=fetching)


def _open_folder(path: Path, folders: Folders) -> Source:
    walk, notes = Walk(path), Notes()
    counts = Counter(found.parent if isinstance(found, Path) else path for found in walk)
    for note in ignored_files_note(walk.others):
        notes.say(note)
    if not counts:
        also = f" ({notes.sentences[0]})" if notes.sentences else ""
        raise BadInput(
            f"{path.name or path} holds no pictures{also}; give a folder with JPEG, PNG, WebP … files or a table"
        )
    large = [parent for parent in counts if counts[parent] > _MANY and parent != path and folders == "product"]
    for parent in sorted(large, key=lambda parent: -counts[parent])[:1]:
        notes.say(
            f"{parent.relative_to(path)} holds {counts[parent]:,} pictures and is one product; "
            "if each picture is one, add it again with --folders category --sync"
        )
    return Source(path, path, counts.total(), {}, folders=folders, note_log=notes)


def _open_table(
    path: Path, known: Mapping[str, Kind], root: Path | None, chosen: Mapping[str, str], kinds: Mapping[str, Kind]
) -> Source:
    notes, groups = Notes(), Columns.groups(chosen)
    columns = Columns(header(path, groups), path.name, chosen, notes)
    said = _said(columns, path.name, kinds)
    settled = {name: kind for name in columns.attributes.values() if (kind := said.get(name) or known.get(name))}
    settled |= {name: kind for name, kind in columns.kinds.items() if name not in settled}
    # JSON and Parquet have types: there "38" is a text, as it is for `put`; in delimited text it may be a number
    look = kind_of if table_suffix(path.name).removesuffix(".gz") in {".csv", ".tsv", ".txt"} else typed_kind_of
    found: dict[str, set[Kind | None]] = {
        column: set() for column, name in columns.attributes.items() if name not in settled
    }
    numbers = {name: Numbers() for name in _numeric(path, columns, settled, groups)}
    total = nameless = 0
    for _, row in rows(path, groups):
        total += 1
        if isinstance(row, dict):
            nameless += "" in row
            for column, seen in found.items():
                seen.add(look(row.get(column)))
            for column, written in numbers.items():
                text = text_of(row.get(column))
                written.look("" if is_placeholder(text) else text)
    if nameless:
        count = "1 row has" if nameless == 1 else f"{nameless:,} rows have"
        notes.say(f"{count} a value in a column without a name, which is left out; name the column")
    commas = {column for column, written in numbers.items() if written.have_commas}
    schema = settled | {
        columns.attributes[column]: "number" if column in commas else _kind(columns.attributes[column], looks)
        for column, looks in found.items()
        if looks - {None}
    }
    if len({**known, **schema}) > MOST_ATTRIBUTES:
        raise BadInput(f"more than {MOST_ATTRIBUTES:,} attributes in one catalog; {path.name} has too many columns")
    return Source(path, (root or path.parent).resolve(), total, schema, columns, numbers, note_log=notes)


def _said(columns: Columns, table: str, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """Kinds by attribute, as the caller chose them. Raises BadInput for a column that is not there."""
    said: dict[str, Kind] = {}
    for column, kind in kinds.items():
        names = [name for own, name in columns.attributes.items() if column.strip() in {own.strip(), name}]
        if not names:
            raise BadInput(f"{table} has no column {column!r} of your own to be a {kind}", field="column")
        said[names[0]] = kind
    return said


def _kind(name: str, looks: set[Kind | None]) -> Kind:
    kind = merge_kinds(looks)
    return "text" if kind == "number" and is_code(name) else kind


def _numeric(
    path: Path, columns: Columns, schema: Mapping[str, Kind], groups: tuple[tuple[str, ...], ...]
) -> list[str]:
    """Columns that may write a number in more than the plain way.

    Of the shop's own those of a table whose cells are not separated by commas: elsewhere `38,39` is more often two
    sizes.
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
        given = text_of(row.get(columns.fixed["id"]))
        try:
            product = columns.product(row, source.schema, source.numbers, source.note_log)
            if before and before.id == product.id:
                if columns.names_none(row):  # a size or a color of what has its pictures
                    continue
                product = _filled(product, before)
            pictures, before = columns.pictures(row, files.exists if files else lambda _: False), product
        except SnapfindError as error:
            yield Failure(given, error.code, where, error.message)
            continue
        for name, content in pictures:
            try:
                yield source.item(product, name, files) if content is None else Item(product, name, Path(name), content)
            except BadRow as error:
                yield Failure(given, error.code, name[:200], error.message)


def _filled(product: Product, before: Product) -> Product:
    """A further row of the same product: what it leaves empty is as before (many shops write the picture alone)."""
    return Product(
        id=product.id,
        title=product.title or before.title,
        price=before.price if product.price is None else product.price,
        brand=product.brand or before.brand,
        category=product.category or before.category,
        description=product.description or before.description,
        attributes={**before.attributes, **product.attributes},
    )


def _below(root: Path, path: Path, name: str) -> str:
    """An absolute name as one below the root: names are served, and paths of this machine must not be."""
    absolute = Path(name).is_absolute() or name.lower().startswith("file://")
    return path.relative_to(root).as_posix() if absolute and path.is_relative_to(root) else name
