"""Tables and folders in object storage as sources. Items name objects, which the workers read.

Folders have the same meaning as on disk: `shoes/red-runner/front.jpg` is a picture of red-runner. A table is downloaded
and read here. Picture paths are relative to its folder, or to another root.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path, PurePosixPath

from snapfind.catalog.ingest.folders import ignored_files_note, is_system_file, suffix_of
from snapfind.catalog.ingest.notes import Notes
from snapfind.catalog.ingest.picture_names import Names
from snapfind.catalog.ingest.sources import Failure, Item, Source, open_source, product_of_path
from snapfind.core.errors import BadInput
from snapfind.core.types import Kind, Product
from snapfind.distributed.object_store import Store, open_store
from snapfind.media.image.formats import SUFFIXES as IMAGE_SUFFIXES

__all__ = ["ObjectItem", "object_folder", "object_table", "store_of"]


@dataclass(frozen=True, slots=True)
class ObjectItem(Item):
    """A picture in object storage."""

    key: str = ""


@dataclass(frozen=True, slots=True)
class _Table(Source):
    """A local table with pictures in object storage."""

    _: KW_ONLY
    store: Store

    def names(self) -> None:
        """Return None: objects are not listed in advance."""

    def item(self, product: Product, name: str, files: Names | None) -> Item:
        """Return the item of a picture, as Source.item."""
        return ObjectItem(product, name, Path(name), key=self.store.key(name))


@dataclass(frozen=True, slots=True)
class _Folder(Source):
    """Pictures of a folder. `objects` maps names relative to the folder to keys."""

    _: KW_ONLY
    objects: Mapping[str, str]

    def __iter__(self) -> Iterator[Item | Failure]:
        for name, key in self.objects.items():
            product = product_of_path(PurePosixPath(name))
            yield product if isinstance(product, Failure) else ObjectItem(product, name, Path(name), key=key)


def store_of(source: str, root: str) -> Store | None:
    """Open the object storage that rows name pictures in: the root, or the folder of the source.

    Args:
        source: Path or address of the source.
        root: Path or address that picture paths are relative to, or an empty text.

    Returns:
        The storage, or None for this machine.

    Raises:
        BadInput: The root is a single object, or an address is invalid.
        NotFound: An address does not exist.
        NotReady: The storage does not respond.
        ExtraMissing: pyarrow is not installed.
    """
    if "://" not in root and "://" not in source:
        return None
    if "://" in root:
        store = open_store(root)
        if store.is_file():
            raise BadInput(
                f"{root} is a single object; give the folder that picture paths are relative to", field="root"
            )
        return store
    store = open_store(source)
    return store.parent() if store.is_file() else store


def object_table(path: Path, known: Mapping[str, Kind], store: Store) -> Source:
    """Open a local table whose pictures are in object storage. Raises as `open_source`."""
    table = open_source(path, known)
    return _Table(
        table.path,
        table.root,
        table.total,
        table.schema,
        table.columns,
        table.numbers,
        note_log=table.note_log,
        store=store,
    )


def object_folder(store: Store) -> Source:
    """Open a folder of pictures in object storage, in the order of their names.

    Raises:
        BadInput: The folder has no pictures.
    """
    names = {info.path[len(store.path) + 1 :]: str(info.path) for info in store.list_objects() if info.is_file}
    objects = {name: key for name, key in names.items() if not any(map(is_system_file, PurePosixPath(name).parts))}
    pictures = {name: key for name, key in objects.items() if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES}
    notes = ignored_files_note(Counter(suffix_of(name) for name in objects.keys() - pictures.keys()))
    if not pictures:
        detail = f" ({notes[0]})" if notes else ""
        raise BadInput(
            f"{store.address} has no pictures{detail}; give a folder with JPEG, PNG, WebP … objects, or a table"
        )
    return _Folder(Path(store.path), Path(), len(pictures), {}, note_log=Notes(notes), objects=pictures)
