"""The catalog's folder on disk: its layout, its manifest, and the lock that gives it one owner.

shop.snap/
  manifest.json     format, encoders and spaces, schema of the attributes
  lock, owner       who has it open
  index/            the engine's files
  pictures/ab/…     a small copy of every picture, without metadata
  spaces/…          what was fitted on this catalog
  encoders/…        the shop's own encoders
  asked/ab/…        photos of searches, only where the shop keeps them
"""

import json
import math
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from snapfind.core.errors import BadInput, CatalogBroken, CatalogBusy, NoRoom, NotFound, ReadOnly
from snapfind.core.types import Kind
from snapfind.encoders.registry import ModelEntry

__all__ = ["FORMAT", "Folder", "Manifest", "absolute_path", "copy_draft", "write_whole"]

FORMAT = 2


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the folder is: `active` and `previous` name a model of `models`; each model names encoder and adapter.

    `trial` is empty, or names a model, its share of the searches and when it began. `index` is empty for the embedded
    one, or the address of the servers' (catalog/storage/migrate.py). `text_to_image` is empty for ConSE, or names the
    learned space where texts are compared with pictures (catalog/models/text_to_image.py).
    """

    format: int = FORMAT
    created: str = ""
    version: str = ""
    active: str = ""
    previous: str = ""
    models: dict[str, ModelEntry] = field(default_factory=dict)
    schema: dict[str, Kind] = field(default_factory=dict)
    trial: dict[str, Any] = field(default_factory=dict)
    index: str = ""
    text_to_image: str = ""


def absolute_path(path: str | Path) -> Path:
    """Return a path that stays valid when the working directory changes; `~` is the home folder.

    Symbolic links are kept, so that a link to the current folder of several can be moved on.

    Raises:
        BadInput: If the home folder of `~name` is not known.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise BadInput(f"{path}: the home folder is not known; write the whole path") from error


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file so that a reader, or a crash, sees the old content or the new, never a part. Raises NoRoom."""
    draft = path.with_name(path.name + ".new")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):  # where nothing can be written, nothing can be taken away either
            draft.unlink(missing_ok=True)
        if error.errno == 28:  # ENOSPC
            raise NoRoom(f"no room on the disk for {path.name}; free some space and run again") from error
        raise


class Folder:
    """An owned catalog folder. Raises NotFound, CatalogBusy, CatalogBroken, ReadOnly; `close` gives it back."""

    def __init__(self, path: Path, *, create: bool) -> None:
        path = self.path = absolute_path(path)
        self._process = os.getpid()
        fresh = not (path / "manifest.json").exists()
        if fresh and not create:
            raise NotFound(f"{path} is not a catalog; make one with: snapfind add {path} PICTURES")
        if fresh and path.exists() and any(child.name not in {"lock", "owner"} for child in path.iterdir()):
            raise CatalogBroken(f"{path} holds other files and no manifest.json; give a new or empty folder")
        if not fresh and not os.access(path, os.W_OK):
            raise ReadOnly(f"{path} cannot be written; to answer from it: snapfind serve {path} --read-only")
        path.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path / "lock", thread_local=False)
        self._own()
        try:
            self.manifest = Manifest() if fresh else self._read()
        except CatalogBroken:
            self._lock.release()
            raise

    def _own(self) -> None:
        owner = self.path / "owner"
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            pid = owner.read_text().strip() if owner.exists() else "unknown"
            raise CatalogBusy(
                f"{self.path} is open in process {pid}. Close it there, or give the URL of its server instead."
            ) from None
        owner.write_text(str(os.getpid()))

    def _read(self) -> Manifest:
        path = self.path / "manifest.json"
        try:
            values = json.loads(path.read_bytes())
            found = int(values["format"])
        except (ValueError, KeyError, TypeError) as error:
            raise CatalogBroken(f"{path} cannot be read ({error}); restore it from a snapshot") from error
        if found < FORMAT:
            raise CatalogBroken(
                f"{self.path} has format {found} of an older snapfind, this one reads format {FORMAT}; export it with "
                "the older one (snapfind export) and add the table to a new catalog"
            )
        if found > FORMAT:
            raise CatalogBroken(f"{self.path} has format {found}, this snapfind reads up to {FORMAT}; upgrade snapfind")
        try:
            known = Manifest.__dataclass_fields__
            models = {name: ModelEntry(**entry) for name, entry in values.get("models", {}).items()}
            return Manifest(**{name: value for name, value in values.items() if name in known} | {"models": models})
        except (AttributeError, TypeError) as error:
            raise CatalogBroken(f"{path} cannot be read ({error}); restore it from a snapshot") from error

    def save(self, **changes: Any) -> None:
        """Change the manifest, on disk before in memory."""
        manifest = replace(self.manifest, **changes)
        write_whole(self.path / "manifest.json", json.dumps(asdict(manifest), indent=2, ensure_ascii=False).encode())
        self.manifest = manifest

    @property
    def index(self) -> Path:
        """Where the engine keeps its files."""
        return self.path / "index"

    def space(self, model: str) -> Path:
        """Where a fitted model keeps its artifact."""
        return self.path / "spaces" / model

    def encoder(self, raw: str) -> Path:
        """Where an encoder of the shop's own is kept, named by its raw space."""
        return self.path / "encoders" / raw

    def copy_of(self, point: str) -> Path:
        """Where the small copy of a point's picture lies."""
        return self.path / "pictures" / point[:2] / f"{point}.jpg"

    def size(self) -> int:
        """Bytes on disk; the engine's files are longer than what of them is written, and only that counts."""
        return sum(_written(file.stat()) for file in self.path.rglob("*") if file.is_file())

    def free(self) -> int:
        """Bytes free on the disk."""
        return shutil.disk_usage(self.path).free

    def close(self) -> None:
        """Give the folder back. In a forked child nothing happens: the lock belongs to the parent."""
        if os.getpid() != self._process:
            return
        (self.path / "owner").unlink(missing_ok=True)
        self._lock.release()


def _written(found: os.stat_result) -> int:
    return int(getattr(found, "st_blocks", math.ceil(found.st_size / 512))) * 512  # POSIX counts in 512 bytes


def copy_draft(artifact: Path, names: Iterable[str], place: Path) -> Path:
    """A draft in `place` with those of the named files that an artifact has; rename it where it is to stand.

    Raises NoRoom, and leaves nothing behind.
    """
    draft = place / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        for name in names:
            if (artifact / name).is_file():
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(artifact / name, draft / name)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise NoRoom(f"{artifact} cannot be copied into the catalog: {error.strerror}; free some space") from error
    return draft
