"""Names of pictures in tables: spellings of file names, URLs, and lists in one cell."""

import ast
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from snapfind.core.errors import BadRow
from snapfind.media.handlers import media_suffixes

__all__ = ["Names", "absolute_url", "is_url", "names_in", "spellings"]

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|//[^/\\\s]+\.[^/\\\s]+/", re.IGNORECASE)
_BEFORE_ADDRESS = re.compile(r"\||[\r\n]+|[,;\s]\s*(?=(?:https?:)?//[^/\s])", re.IGNORECASE)
_LONGEST_LIST = 100_000  # characters of a list that is written as text
_BETWEEN_NAMES = re.compile(r"[,;]")


def is_url(name: str) -> bool:
    """Tell whether a name is a URL such as `https://…` or `//host/…`, and not the name of a file.

    Args:
        name: The name.

    Returns:
        True for a URL.
    """
    return bool(_ADDRESS.match(name))


def absolute_url(name: str) -> str:
    """Complete a URL.

    Args:
        name: URL such as `//host/a.jpg`.

    Returns:
        URL with a scheme in lower case, https if there was none.
    """
    if name.startswith("//"):
        return "https:" + name
    scheme, _, rest = name.partition("://")
    return f"{scheme.lower()}://{rest}"


def names_in(text: str, exists: Callable[[str], bool]) -> list[str]:
    """Split a cell into the names of its pictures.

    Names are separated by bars or line breaks, URLs also by commas, semicolons or spaces. Names are separated by commas
    or semicolons if there is no file with the whole name. A JSON list is exact.

    Args:
        text: The cell.
        exists: Tells whether there is a file with a name.

    Returns:
        The names, none empty.
    """
    text = text.strip()
    texts = json_list(text)
    if texts is not None:
        return [name.strip() for name in texts if name.strip()]
    if re.search(r"[|\r\n,;]", text) and not is_url(text) and exists(text):
        return [text]
    names: list[str] = []
    for part in filter(None, map(str.strip, _BEFORE_ADDRESS.split(text))):
        pieces = [_unquoted(piece.strip()) for piece in _BETWEEN_NAMES.split(part) if piece.strip()]
        several = not (is_url(part) or pieces == [part] or exists(part))
        names += pieces if several and all(_looks_like_picture(piece, exists) for piece in pieces) else [part]
    return names


def _unquoted(name: str) -> str:
    return name[1:-1].strip() if len(name) > 2 and name[0] == name[-1] and name[0] in "\"'" else name


def json_list(text: str) -> list[str] | None:
    """Parse a list of texts in JSON, or as Python and pandas print it.

    Args:
        text: Text of a cell.

    Returns:
        The texts, or None if it is not such a list.
    """
    if not (text.startswith("[") and text.endswith("]")) or len(text) > _LONGEST_LIST:
        return None
    try:
        content = ast.literal_eval(text) if text.startswith("['") else json.loads(text)
    except (ValueError, RecursionError, SyntaxError, MemoryError):
        return None
    return content if isinstance(content, list) and all(isinstance(name, str) for name in content) else None


def _looks_like_picture(name: str, exists: Callable[[str], bool]) -> bool:
    return is_url(name) or Path(name).suffix.lower() in media_suffixes() or exists(name)


def spellings(name: str) -> Iterator[str]:
    """Iterate over spellings of a file name, as on Windows and macOS, in shop systems and in URLs.

    Args:
        name: The name.

    Yields:
        The name itself, then other spellings, each once.
    """
    yield name
    variants = [name]
    if name.lower().startswith("file://"):
        variants.append(unquote(urlsplit(name).path))
    variants += [each.replace("\\", "/") for each in variants]
    variants += [re.sub(r"^[A-Za-z]:/", "", each) for each in variants]
    variants += [each.partition("?")[0] for each in variants]
    variants += [each.lstrip("/") for each in variants]
    variants += [unquote(each) for each in variants]
    variants += [unicodedata.normalize(form, each) for each in variants for form in ("NFC", "NFD")]
    yield from dict.fromkeys(each for each in variants if each and each != name)


class Names:
    """Finds files below a folder by any spelling of their names.

    Case matters only if two names differ in nothing else.

    Args:
        root: The folder. No file outside of it is found, also not by a link.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[Path, dict[str, str]] = {}

    def exists(self, name: str) -> bool:
        """Tell whether there is a file with a name.

        Args:
            name: Name in any spelling.

        Returns:
            True if there is one.
        """
        try:
            return self.find(name).is_file()
        except (BadRow, OSError, ValueError):
            return False

    def find(self, name: str) -> Path:
        """Find a file.

        Args:
            name: Name in any spelling.

        Returns:
            Path of the file, or where it would be.

        Raises:
            BadRow: The path is outside of the folder, or is not a valid file name.
        """
        try:
            return self._find(name)
        except (OSError, ValueError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or "it contains invalid characters"
            raise BadRow(f"the file name is invalid: {reason}", code="picture_missing") from error

    def _find(self, name: str) -> Path:
        inside: list[Path] = []
        outside = False
        for spelled in spellings(name):
            path = (self._root / spelled).resolve()
            if path.is_relative_to(self._root):
                inside.append(path)
                if path.is_file():
                    return path
            else:  # in shop systems, /m/b/mug.jpg is relative to the folder of pictures
                outside |= not spelled.startswith("/")
        for path in inside:
            if (other := self._in_other_case(path)) is not None:
                return other
        if outside or not inside:
            reason = "the path is outside of the folder of the table; pass the folder with all pictures as --root"
            raise BadRow(reason, code="picture_outside")
        return inside[0]

    def _in_other_case(self, path: Path) -> Path | None:
        path_on_disk = self._root
        for part in path.relative_to(self._root).parts:
            own = self._listed(path_on_disk).get(_folded(part))
            if own is None:
                return None
            path_on_disk = path_on_disk / own
        path_on_disk = path_on_disk.resolve()
        return path_on_disk if path_on_disk.is_relative_to(self._root) and path_on_disk.is_file() else None

    def _listed(self, folder: Path) -> dict[str, str]:
        if folder not in self._folders:
            names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
            self._folders[folder] = {_folded(name): name for name in reversed(names)}
        return self._folders[folder]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
