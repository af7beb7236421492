"""What a shop gives us, as one stream of items: a table of products, a folder of pictures, a folder per product.

In a folder, a picture that lies directly in it is a product of its own; pictures in a sub-folder are the pictures of
one product named like that sub-folder, and the folders above it are its category. Or every picture is a product, and
all folders above it are its category. Names never lead out of the root.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Literal

from snapfind.catalog.columns import Columns, kind_of, settle
from snapfind.catalog.numbers import Numbers
from snapfind.catalog.tables import TABLES, header, leaves_commas, rows
from snapfind.errors import BadInput, BadRow, NotFound, SnapfindError
from snapfind.types import Kind, Product

if TYPE_CHECKING:
    from snapfind.media.fetch import Fetching

__all__ = [
    "PICTURE_SUFFIXES",
    "Failure",
    "Folders",
    "Item",
    "Remote",
    "Source",
    "open_source",
    "pictures_in",
    "product_at",
]

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"}
)

Folders = Literal["product", "category"]  # what a sub-folder is
_MANY = 24  # pictures of one product; more are more often products


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be added, for the error file: `id, code, path, reason`."""

    id: str
    code: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Item:
    """One picture to be indexed: its product, its name within the product, and its file or the bytes of one."""

    product: Product
    picture: str
    path: Path
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Remote(Item):
    """One whose picture is named by its address: fetched once, and not again while the catalogue has it."""

    allowed: "Fetching | None" = None


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
    notes: tuple[str, ...] = ()
    fetching: "Fetching | None" = None

    def __iter__(self) -> Iterator[Item | Failure]:
        return _from_table(self) if self.columns else _from_folder(self.path, self.folders)

    def item(self, product: Product, name: str) -> Item:
        """The picture that a row names. Raises BadRow where it is not to be had."""
        if "://" not in name:
            path = _inside(self.root, name)
            return Item(product, _below(self.root, path, name), path)
        if self.fetching is None:
            reason = "addresses are fetched only where you allow it: set SNAPFIND_FETCH=public, or to names of hosts"
            raise BadRow(reason, code="picture_url")
        return Remote(product, name, Path(name), allowed=self.fetching)


def open_source(
    path: Path,
    known: Mapping[str, Kind],
    root: Path | None = None,
    *,
    columns: Mapping[str, str] = {},
    folders: Folders = "product",
    fetching: "Fetching | None" = None,
) -> Source:
    """Look a table or a folder over once: count its rows, settle the kind of each column.

    `known` kinds of the catalogue win over what the column looks like; `columns` names those of a table that are called
    otherwise than here; `folders` says what a sub-folder is; `fetching` what pictures may be fetched by address.
    Raises NotFound and BadInput.
    """
    if path.is_dir():
        return _open_folder(path, folders)
    if not path.is_file():
        raise NotFound(f"{path} is neither a file nor a folder")
    if path.suffix.lower() not in TABLES:
        mend = "; save the sheet as CSV UTF-8" if path.suffix.lower() in {".xlsx", ".xls", ".ods"} else ""
        raise BadInput(f"{path.name}: give a folder of pictures or a table that ends in {', '.join(TABLES)}{mend}")
    return replace(_open_table(path, known, root, Columns(header(path), path.name, columns)), fetching=fetching)


def _open_folder(path: Path, folders: Folders) -> Source:
    counts = Counter(file.parent for file in pictures_in(path))
    if not counts:
        raise BadInput(f"{path} holds no pictures; give a folder with JPEG, PNG, WebP … files or a table")
    large = [parent for parent in counts if counts[parent] > _MANY and parent != path and folders == "product"]
    notes = tuple(
        f"{parent.relative_to(path)} holds {counts[parent]:,} pictures and is one product; "
        "if each picture is one, add it again with --folders category --sync"
        for parent in sorted(large, key=lambda parent: -counts[parent])[:1]
    )
    return Source(path, path, counts.total(), {}, folders=folders, notes=notes)


def _open_table(path: Path, known: Mapping[str, Kind], root: Path | None, columns: Columns) -> Source:
    schema = {name.strip(): known[name.strip()] for name in columns.attributes if name.strip() in known}
    new = [name for name in columns.attributes if name.strip() not in known]
    found: dict[str, set[Kind | None]] = {name: set() for name in new}
    numbers = {name: Numbers() for name in _numeric(path, columns, schema)}
    total = 0
    for _, row in rows(path):
        total += 1
        if isinstance(row, dict):
            for name in new:
                found[name].add(kind_of(row.get(name)))
            for name, seen in numbers.items():
                seen.look(str(row.get(name) or ""))
    commas = {name for name, seen in numbers.items() if seen.have_commas}
    schema |= {name.strip(): "number" if name in commas else settle(kinds) for name, kinds in found.items()}
    return Source(path, (root or path.parent).resolve(), total, schema, columns, numbers)


def _numeric(path: Path, columns: Columns, schema: Mapping[str, Kind]) -> list[str]:
    """Columns that may write a number in more than the plain way.

    Of the shop's own those of a table whose cells commas do not part: elsewhere `38,39` is more often two sizes.
    """
    own = columns.attributes if leaves_commas(path) else ()
    return [columns.fixed[name] for name in ("price",) if name in columns.fixed] + [
        name for name in own if schema.get(name.strip(), "number") == "number"
    ]


def _from_table(source: Source) -> Iterator[Item | Failure]:
    assert source.columns is not None
    columns = source.columns
    before: Product | None = None
    for number, row in rows(source.path):
        where = f"{source.path.name} line {number}"
        if isinstance(row, BadRow):
            yield Failure("", row.code, where, row.message)
            continue
        given = str(row.get(columns.fixed["id"]) or "").strip()
        try:
            product = columns.product(row, source.schema, source.numbers)
            if before and before.id == product.id:
                if columns.names_none(row):  # a size or a colour of what has its pictures
                    continue
                product = _filled(product, before)
            names, before = columns.pictures(row), product
        except SnapfindError as error:
            yield Failure(given, error.code, where, error.message)
            continue
        for name in names:
            try:
                yield source.item(product, name)
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
    return path.relative_to(root).as_posix() if Path(name).is_absolute() else name


def _inside(root: Path, name: str) -> Path:
    try:
        path = (root / name).resolve()
        if "\\" in name and not path.exists():  # a table that was made on Windows
            path = (root / name.replace("\\", "/")).resolve()
    except (OSError, ValueError) as error:
        raise BadRow(f"not a file name: {error}", code="picture_missing") from error
    if not path.is_relative_to(root):
        reason = "the path leads out of the folder of the table; give --root, the folder that holds all pictures"
        raise BadRow(reason, code="picture_outside")
    return path


def pictures_in(folder: Path) -> Iterator[Path]:
    """The picture files of a folder and its sub-folders, in a stable order; hidden ones and catalogues are left out."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not _is_catalogue(parent, name))
        for name in sorted(files):
            path = Path(parent, name)
            if path.suffix.lower() in PICTURE_SUFFIXES and not name.startswith(".") and path.is_file():
                yield path


def _is_catalogue(parent: str, name: str) -> bool:
    return Path(parent, name, "manifest.json").is_file() and Path(parent, name, "lock").is_file()


def _from_folder(folder: Path, folders: Folders) -> Iterator[Item | Failure]:
    for path in pictures_in(folder):
        relative = path.relative_to(folder)
        if (readable := os.fsencode(relative).decode("utf-8", "replace")) != str(relative):
            yield Failure("", "row_bad", readable, "the name is not UTF-8, as old archives have it; rename the file")
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            reason = "the link leads out of the folder; copy the file"
            yield Failure(relative.stem, "picture_outside", str(relative), reason)
            continue
        product = product_at(relative, folders)
        yield product if isinstance(product, Failure) else Item(product, relative.as_posix(), path)


def product_at(relative: PurePath, folders: Folders = "product") -> Product | Failure:
    """What a picture there is of: `shoes/red-runner/front.jpg` is of red-runner in shoes, `mug.jpg` of mug.

    Where all folders are categories, the first is of front in shoes / red-runner.
    """
    alone = folders == "category" or len(relative.parts) == 1
    own = relative.with_suffix("") if alone else relative.parent
    try:
        return Product(
            id=own.as_posix(), title=_title(own.name), category=" / ".join(_title(part) for part in own.parts[:-1])
        )
    except BadInput as error:
        return Failure(own.as_posix()[:256], error.code, str(relative), error.message)


_MADE_UP = r"(img|dsc|dscn|dscf|pxl|mvi|wp|p|photo|image|picture)?[\W_]*\d[\d\W_]*|(?=.*\d)[\da-f]{8,}(-[\da-f]+)*"


def _title(name: str) -> str:
    """A file or folder name as a title; empty for what a camera or a computer made up (IMG_2041, 3f9a…)."""
    made_up = re.fullmatch(_MADE_UP, name, re.IGNORECASE)
    return "" if made_up else " ".join(name.replace("_", " ").replace("-", " ").split())
