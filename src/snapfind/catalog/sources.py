"""What a shop gives us, as one stream of items: a table of products, a folder of pictures, a folder per product.

In a folder, a picture that lies directly in it is a product of its own; pictures in a sub-folder are the pictures of
one product named like that sub-folder, and the folders above it are its category. Names never lead out of the root.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from snapfind.catalog.columns import Columns, kind_of, settle
from snapfind.catalog.tables import TABLES, header, rows
from snapfind.errors import BadInput, BadRow, NotFound, SnapfindError
from snapfind.types import Kind, Product

__all__ = ["PICTURE_SUFFIXES", "Failure", "Item", "Source", "open_source", "pictures_in", "product_at"]

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"}
)


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
class Source:
    """Items to add: how many rows there are, the kinds of the shop's own attributes, and the items when iterated."""

    path: Path
    root: Path
    total: int
    schema: Mapping[str, Kind]
    columns: Columns | None = None

    def __iter__(self) -> Iterator[Item | Failure]:
        return _from_table(self) if self.columns else _from_folder(self.path)

    def item(self, product: Product, name: str) -> Item:
        """The picture that a row names. Raises BadRow where it is not to be had."""
        return Item(product, name, _inside(self.root, name))


def open_source(path: Path, known: Mapping[str, Kind], root: Path | None = None) -> Source:
    """Look a table or a folder over once: count its rows, settle the kind of each column.

    `known` kinds of the catalogue win over what the column looks like. Raises NotFound and BadInput.
    """
    if path.is_dir():
        total = sum(1 for _ in pictures_in(path))
        if not total:
            raise BadInput(f"{path} holds no pictures; give a folder with JPEG, PNG, WebP … files or a table")
        return Source(path, path, total, {})
    if not path.is_file():
        raise NotFound(f"{path} is neither a file nor a folder")
    if path.suffix.lower() not in TABLES:
        raise BadInput(f"{path.name}: give a folder of pictures or a table that ends in {', '.join(TABLES)}")
    columns = Columns(header(path), path.name)
    schema = {name.strip(): known[name.strip()] for name in columns.attributes if name.strip() in known}
    new = [name for name in columns.attributes if name.strip() not in known]
    found: dict[str, set[Kind | None]] = {name: set() for name in new}
    total = 0
    for _, row in rows(path):
        total += 1
        if isinstance(row, dict):
            for name in new:
                found[name].add(kind_of(row.get(name)))
    schema |= {name.strip(): settle(kinds) for name, kinds in found.items()}
    return Source(path, (root or path.parent).resolve(), total, schema, columns)


def _from_table(source: Source) -> Iterator[Item | Failure]:
    assert source.columns is not None
    columns = source.columns
    for number, row in rows(source.path):
        where = f"{source.path.name} line {number}"
        if isinstance(row, BadRow):
            yield Failure("", row.code, where, row.message)
            continue
        given = str(row.get(columns.fixed["id"]) or "").strip()
        try:
            product = columns.product(row, source.schema)
            names = columns.pictures(row)
        except SnapfindError as error:
            yield Failure(given, error.code, where, error.message)
            continue
        for name in names:
            try:
                yield source.item(product, name)
            except BadRow as error:
                yield Failure(given, error.code, name[:200], error.message)


def _inside(root: Path, name: str) -> Path:
    if "://" in name:
        reason = "addresses are not fetched; download the picture and give its file name"
        raise BadRow(reason, code="picture_url")
    try:
        path = (root / name).resolve()
    except (OSError, ValueError) as error:
        raise BadRow(f"not a file name: {error}", code="picture_missing") from error
    if not path.is_relative_to(root):
        raise BadRow("the path leads out of the folder of the table; give --root", code="picture_outside")
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


def _from_folder(folder: Path) -> Iterator[Item | Failure]:
    for path in pictures_in(folder):
        relative = path.relative_to(folder)
        if not path.resolve().is_relative_to(folder.resolve()):
            reason = "the link leads out of the folder; copy the file"
            yield Failure(relative.stem, "picture_outside", str(relative), reason)
            continue
        product = product_at(relative)
        yield product if isinstance(product, Failure) else Item(product, relative.as_posix(), path)


def product_at(relative: PurePath) -> Product | Failure:
    """What a picture there is of: `shoes/red-runner/front.jpg` is of red-runner in shoes, `mug.jpg` of mug."""
    own = relative.with_suffix("") if len(relative.parts) == 1 else relative.parent
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
