"""Tables and folders of object storage as items: they name objects, and the workers read these.

A folder means what it means on disk: `shoes/red-runner/front.jpg` is a picture of red-runner. A table is fetched and
read here; its pictures are named from the folder that it lies in, or from another root.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path, PurePosixPath

from snapfind.catalog.ingest.folders import is_of_system, left_out, suffix_of
from snapfind.catalog.ingest.notes import Notes
from snapfind.catalog.ingest.picture_names import PICTURE_SUFFIXES, Names
from snapfind.catalog.ingest.sources import Failure, Item, Source, open_source, product_at
from snapfind.core.errors import BadInput
from snapfind.core.types import Kind, Product
from snapfind.distributed.object_store import Store, open_store

__all__ = ["Far", "far_folder", "far_table", "store_of"]


@dataclass(frozen=True, slots=True)
class Far(Item):
    """A picture that is an object of the storage."""

    key: str = ""


@dataclass(frozen=True, slots=True)
class _Table(Source):
    """A table here whose pictures are there."""

    _: KW_ONLY
    store: Store

    def names(self) -> None:
        """Whether the storage has an object of some name is not asked."""

    def item(self, product: Product, name: str, files: Names | None) -> Item:
        """As in Source."""
        return Far(product, name, Path(name), key=self.store.key(name))


@dataclass(frozen=True, slots=True)
class _Folder(Source):
    """Names of pictures, from the folder on."""

    _: KW_ONLY
    objects: Mapping[str, str]

    def __iter__(self) -> Iterator[Item | Failure]:
        for name, key in self.objects.items():
            product = product_at(PurePosixPath(name))
            yield product if isinstance(product, Failure) else Far(product, name, Path(name), key=key)


def store_of(source: str, root: str) -> Store | None:
    """Where the pictures lie that rows name: at the root, or where the source is; None for this machine.

    Raises NotFound, BadInput, NotReady and ExtraMissing.
    """
    if "://" not in root and "://" not in source:
        return None
    if "://" in root:
        store = open_store(root)
        if store.is_file():
            raise BadInput(f"{root} is one object; give the folder that picture names start from", field="root")
        return store
    store = open_store(source)
    return store.parent() if store.is_file() else store


def far_table(path: Path, known: Mapping[str, Kind], store: Store) -> Source:
    """A table of this machine whose pictures are objects. Raises as `open_source`."""
    table = open_source(path, known)
    return _Table(
        table.path,
        table.root,
        table.total,
        table.schema,
        table.columns,
        table.numbers,
        noted=table.noted,
        store=store,
    )


def far_folder(store: Store) -> Source:
    """The pictures under an address, in the order of their names. Raises BadInput where there are none."""
    names = {info.path[len(store.path) + 1 :]: str(info.path) for info in store.found() if info.is_file}
    own = {name: key for name, key in names.items() if not any(map(is_of_system, PurePosixPath(name).parts))}
    shown = {name: key for name, key in own.items() if PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES}
    notes = left_out(Counter(suffix_of(name) for name in own.keys() - shown.keys()))
    if not shown:
        also = f" ({notes[0]})" if notes else ""
        raise BadInput(
            f"{store.address} holds no pictures{also}; give a folder with JPEG, PNG, WebP … objects or a table"
        )
    return _Folder(Path(store.path), Path(), len(shown), {}, noted=Notes(notes), objects=shown)
