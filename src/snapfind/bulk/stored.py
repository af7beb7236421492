"""Tables and folders of object storage as items: they name objects, and the workers read these.

A folder means what it means on disk: `shoes/red-runner/front.jpg` is a picture of red-runner. A table is fetched and
read here; its pictures are named from the folder that it lies in, or from another root.
"""

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path, PurePosixPath

from snapfind.bulk.objects import Store, open_store
from snapfind.catalog.sources import PICTURE_SUFFIXES, Failure, Item, Source, open_source, product_at
from snapfind.errors import BadInput
from snapfind.types import Kind, Product

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

    def item(self, product: Product, name: str) -> Item:
        """As in Source."""
        return Far(product, name, Path(name), key=self.store.key(name))


@dataclass(frozen=True, slots=True)
class _Folder(Source):
    """Names of pictures, from the folder on."""

    _: KW_ONLY
    names: Mapping[str, str]

    def __iter__(self) -> Iterator[Item | Failure]:
        for name, key in self.names.items():
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
    return _Table(table.path, table.root, table.total, table.schema, table.columns, table.numbers, store=store)


def far_folder(store: Store) -> Source:
    """The pictures under an address, in the order of their names. Raises BadInput where there are none."""
    names = {info.path[len(store.path) + 1 :]: str(info.path) for info in store.found() if info.is_file}
    shown = {name: key for name, key in names.items() if _is_picture(PurePosixPath(name))}
    if not shown:
        raise BadInput(f"{store.address} holds no pictures; give a folder with JPEG, PNG, WebP … objects or a table")
    return _Folder(Path(store.path), Path(), len(shown), {}, names=shown)


def _is_picture(name: PurePosixPath) -> bool:
    return name.suffix.lower() in PICTURE_SUFFIXES and not any(part.startswith(".") for part in name.parts)
