"""Media files of a folder, found by suffix or content, without files of the operating system.

A file directly in the folder is a product. The files of a sub-folder are those of one product with its name, and the
folders above it are the category. Alternatively, every file is a product, and all folders above it are its category.
Files outside of the root are never read.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Literal

from snapfind.catalog.ingest.items import Failure, Item
from snapfind.core.errors import BadInput
from snapfind.core.types import Product
from snapfind.media.handlers import is_media, media_suffixes

__all__ = [
    "Folders",
    "Walk",
    "find_media_files",
    "ignored_files_note",
    "is_system_file",
    "product_of_path",
    "read_folder",
    "suffix_of",
]

Folders = Literal["product", "category"]  # meaning of a sub-folder
_SYSTEM = frozenset(
    {"@eadir", "__macosx", "$recycle.bin", "recycler", "#recycle", "#snapshot", "lost+found"}
    | {"system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
)
_PLAIN_SUFFIX = re.compile(r"\.[a-z][a-z_]{1,9}", re.IGNORECASE)


def is_system_file(name: str) -> bool:
    """Tell whether a file or folder is hidden, or belongs to an operating system or a NAS.

    Args:
        name: Name without folders.

    Returns:
        True if it is to be ignored.
    """
    return (name.startswith(".") and name not in {".", ".."}) or name.lower() in _SYSTEM


def suffix_of(name: str) -> str:
    """Return the suffix under which an ignored file is counted.

    Args:
        name: Name of the file.

    Returns:
        Suffix in lower case, or `without a suffix`.
    """
    return PurePath(name).suffix.lower()[:20] or "without a suffix"


def ignored_files_note(counts: Counter[str]) -> list[str]:
    """Write the note on ignored files.

    Args:
        counts: Number of files by suffix.

    Returns:
        One note, or none if no file was ignored.
    """
    if not counts:
        return []
    suffixes = ", ".join(f"{count:,} {suffix}" for suffix, count in counts.most_common(8))
    more = f" and {len(counts) - 8:,} more kinds" if len(counts) > 8 else ""
    return [f"ignored, because they are not pictures: {suffixes}{more}"]


class Walk:
    """Walk through a folder and its sub-folders, in a stable order.

    A linked folder within the root is visited once. A link out of it is a Failure. Hidden files, system files and
    catalogs are skipped. Other files that are not media are counted by suffix in `others`.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.others = Counter[str]()
        self._root, self._real = root, root.resolve()
        self._walked: set[Path] = set()

    def __iter__(self) -> Iterator[Path | Failure]:
        links = [self._root]
        while links:
            place = links.pop(0)
            if place.resolve() in self._walked:
                continue
            if not place.resolve().is_relative_to(self._real):
                name = _readable(place.relative_to(self._root))
                yield Failure(
                    name, "picture_outside", name, "the linked folder is outside of the folder; copy it into it"
                )
                continue
            for parent, folders, files in os.walk(place):
                self._walked.add(Path(parent).resolve())
                own = sorted(name for name in folders if not is_system_file(name) and not _is_catalog(parent, name))
                links += [Path(parent, name) for name in own if Path(parent, name).is_symlink()]
                folders[:] = [name for name in own if Path(parent, name).resolve() not in self._walked]
                yield from self._pictures(parent, files)

    def _pictures(self, parent: str, files: Iterable[str]) -> Iterator[Path]:
        for name in sorted(files):
            path = Path(parent, name)
            if is_system_file(name) or not path.is_file():
                continue
            if path.suffix.lower() in media_suffixes() or is_media(name, _head(path)):
                yield path
            else:
                self.others[suffix_of(name)] += 1


def find_media_files(folder: Path) -> Iterator[Path]:
    """Find the media files of a folder and its sub-folders.

    Args:
        folder: The folder.

    Returns:
        Paths in a stable order.
    """
    return (path for path in Walk(folder) if isinstance(path, Path))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(32)
    except OSError:
        return b""


def _is_catalog(parent: str, name: str) -> bool:
    return Path(parent, name, "manifest.json").is_file() and Path(parent, name, "lock").is_file()


def _readable(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "replace")


def read_folder(folder: Path, folders: Folders) -> Iterator[Item | Failure]:
    """Read a folder as items.

    Args:
        folder: The folder.
        folders: What a sub-folder is: a `product` with its files, or a `category` of products.

    Yields:
        Items, and failures for links out of the folder and unusable names.
    """
    for path in Walk(folder):
        if isinstance(path, Failure):
            yield path
            continue
        relative = path.relative_to(folder)
        if (readable := _readable(relative)) != str(relative):
            yield Failure("", "row_bad", readable, "the name is not UTF-8; rename the file")
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            reason = "the link is to a file outside of the folder; copy the file"
            yield Failure(relative.stem, "picture_outside", str(relative), reason)
            continue
        product = product_of_path(relative, folders)
        yield product if isinstance(product, Failure) else Item(product, relative.as_posix(), path)


def product_of_path(relative: PurePath, folders: Folders = "product") -> Product | Failure:
    """Derive the product of a file from its path.

    `shoes/red-runner/front.jpg` is a picture of `red-runner` in the category `shoes`, `mug.jpg` one of `mug`. If all
    folders are categories, the first is a picture of `front` in the category `shoes / red-runner`.

    Args:
        relative: Path below the root.
        folders: What a sub-folder is.

    Returns:
        The product, or a failure if its id is invalid.
    """
    single = folders == "category" or len(relative.parts) == 1
    known = relative.suffix.lower() in media_suffixes() or _PLAIN_SUFFIX.fullmatch(relative.suffix)
    own = (relative.with_suffix("") if known else relative) if single else relative.parent
    try:
        return Product(
            id=own.as_posix(), title=_title(own.name), category=" / ".join(_title(part) for part in own.parts[:-1])
        )
    except BadInput as error:
        return Failure(own.as_posix()[:256], error.code, str(relative), error.message)


_GENERATED = r"(img|dsc|dscn|dscf|pxl|mvi|wp|p|photo|image|picture)?[\W_]*\d[\d\W_]*|(?=.*\d)[\da-f]{8,}(-[\da-f]+)*"


def _title(name: str) -> str:
    """Convert a file or folder name to a title. Return an empty text for a generated name (IMG_2041, 3f9a…)."""
    generated = re.fullmatch(_GENERATED, name, re.IGNORECASE)
    return "" if generated else " ".join(name.replace("_", " ").replace("-", " ").split())
