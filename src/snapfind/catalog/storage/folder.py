"""Folder of a catalog: its layout, its manifest, and the lock of its owner.

shop.snap/
  manifest.json     format, encoders and spaces, schema of the attributes
  lock, owner       who has it open
  index/            the engine's files
  pictures/ab/…     small copies of all pictures, without metadata
  spaces/…          models fitted on this catalog
  encoders/…        the shop's own encoders
  query_photos/ab/… query photos, if the shop stores them
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

FORMAT = 3


@dataclass(frozen=True, slots=True)
class Manifest:
    """Content of `manifest.json`.

    Attributes:
        format: Version of the format.
        created: Time of creation, ISO 8601.
        version: Version of snapfind that created the catalog.
        active: Name of the active model.
        previous: Name of the model before the last switch.
        models: Models by name.
        schema: Kinds of the shop's own attributes.
        trial: Empty, or model, share and start of an interleaving experiment.
        index: Empty for the embedded index, or the address of the servers.
        text_to_image: Empty for ConSE, or the trained text-to-image space.
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
    """Make a path absolute, so that it stays valid when the working directory changes.

    Symbolic links are not resolved, so that a link can be moved to another folder.

    Args:
        path: The path. `~` is the home folder.

    Returns:
        The absolute path.

    Raises:
        BadInput: The home folder of `~name` is unknown.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise BadInput(f"{path}: the home folder is not known; write the whole path") from error


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file atomically.

    Args:
        path: The file.
        content: New content.

    Raises:
        NoRoom: The disk is full.
    """
    draft = path.with_name(path.name + ".new")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):  # deleting can fail for the same reason
            draft.unlink(missing_ok=True)
        if error.errno == 28:  # ENOSPC
            raise NoRoom(f"no room on the disk for {path.name}; free some space and run again") from error
        raise


class Folder:
    """Folder of a catalog, owned by this process until `close`.

    Args:
        path: The folder.
        create: Create a catalog if there is none.

    Raises:
        NotFound: There is no catalog, and `create` is false.
        CatalogBusy: Another process owns the folder.
        CatalogBroken: The manifest is damaged or of another version, or the folder has other files.
        ReadOnly: The folder is not writable.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        path = self.path = absolute_path(path)
        self._process = os.getpid()
        fresh = not (path / "manifest.json").exists()
        if fresh and not create:
            raise NotFound(f"{path} is not a catalog; create one with: snapfind add {path} PICTURES")
        if fresh and path.exists() and any(child.name not in {"lock", "owner"} for child in path.iterdir()):
            raise CatalogBroken(f"{path} has other files and no manifest.json; use a new or empty folder")
        if not fresh and not os.access(path, os.W_OK):
            raise ReadOnly(f"{path} is not writable; to search in it: snapfind serve {path} --read-only")
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
            version = int(values["format"])
        except (ValueError, KeyError, TypeError) as error:
            raise CatalogBroken(f"{path} cannot be read ({error}); restore it from a snapshot") from error
        if version < FORMAT:
            raise CatalogBroken(
                f"{self.path} has format {version} of an older snapfind, this one reads format {FORMAT}; export it "
                "with the older one (snapfind export) and add the table to a new catalog"
            )
        if version > FORMAT:
            raise CatalogBroken(f"{self.path} has format {version}, this one reads up to {FORMAT}; upgrade snapfind")
        try:
            known = Manifest.__dataclass_fields__
            models = {name: ModelEntry(**entry) for name, entry in values.get("models", {}).items()}
            return Manifest(**{name: value for name, value in values.items() if name in known} | {"models": models})
        except (AttributeError, TypeError) as error:
            raise CatalogBroken(f"{path} cannot be read ({error}); restore it from a snapshot") from error

    def save(self, **changes: Any) -> None:
        """Change the manifest, first on disk, then in memory.

        Args:
            **changes: New values of fields of the manifest.

        Raises:
            NoRoom: The disk is full.
        """
        manifest = replace(self.manifest, **changes)
        write_whole(self.path / "manifest.json", json.dumps(asdict(manifest), indent=2, ensure_ascii=False).encode())
        self.manifest = manifest

    @property
    def index(self) -> Path:
        """Folder of the embedded index."""
        return self.path / "index"

    def space(self, model: str) -> Path:
        """Return the folder of the artifact of a model.

        Args:
            model: Name of the model.

        Returns:
            The folder, which may not exist.
        """
        return self.path / "spaces" / model

    def encoder(self, raw: str) -> Path:
        """Return the folder of a converted encoder.

        Args:
            raw: Id of its space without an adapter.

        Returns:
            The folder, which may not exist.
        """
        return self.path / "encoders" / raw

    def copy_of(self, point: str) -> Path:
        """Return the path of the stored copy of an item.

        Args:
            point: Id of its point.

        Returns:
            Path of a JPEG file, which may not exist.
        """
        return self.path / "pictures" / point[:2] / f"{point}.jpg"

    def size(self) -> int:
        """Return the bytes on disk. Sparse files of the engine count with their blocks, not with their length."""
        return sum(_bytes_on_disk(file.stat()) for file in self.path.rglob("*") if file.is_file())

    def free(self) -> int:
        """Return the free bytes of the disk."""
        return shutil.disk_usage(self.path).free

    def close(self) -> None:
        """Release the folder. In a forked child this does nothing, because the lock belongs to the parent."""
        if os.getpid() != self._process:
            return
        (self.path / "owner").unlink(missing_ok=True)
        self._lock.release()


def _bytes_on_disk(status: os.stat_result) -> int:
    return int(getattr(status, "st_blocks", math.ceil(status.st_size / 512))) * 512  # POSIX counts in 512 bytes


def copy_draft(artifact: Path, names: Iterable[str], place: Path) -> Path:
    """Copy files of an artifact to a temporary folder, to be renamed to its final name.

    Args:
        artifact: Folder of the artifact.
        names: Files to copy, if they exist.
        place: Parent of the temporary folder.

    Returns:
        The temporary folder.

    Raises:
        NoRoom: The disk is full. The temporary folder is deleted.
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
