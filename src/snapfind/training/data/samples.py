"""What a shop has to learn from: its catalogue's pictures, and photos whose products are known."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from PIL.Image import Image

from snapfind.catalog.catalog import Catalog
from snapfind.core.errors import BadInput
from snapfind.media.image.decode import Limits, load
from snapfind.training.data.augmentation import Shown

__all__ = ["gather"]

_SIDE = 384  # pixels of the longest side that views are cut from


def gather(catalogue: Catalog, photos: Iterable[tuple[Path, str]]) -> tuple[list[Shown], list[str], list[Path]]:
    """Pictures to learn from, product ids by their numbers, and the photo of each Shown that is one.

    `photos` are files and the id of the product they show; those of unknown products and those that cannot be read are
    left out. A product without photos has its pictures photographed again. Raises BadInput with fewer than two
    products that have a picture.
    """
    limits = Limits.of(catalogue.settings)
    pictures: dict[str, list[Path]] = {}
    for point in catalogue.points():
        copy = catalogue.folder.copy_of(point.id)
        if copy.exists():
            pictures.setdefault(str(point.payload["_product"]), []).append(copy)
    if len(pictures) < 2:
        raise BadInput(f"{catalogue.folder.path} has {len(pictures)} product(s) with a picture; learning needs two")
    numbers = {product: number for number, product in enumerate(sorted(pictures))}
    known = [(file, product) for file, product in photos if product in numbers and _readable(file, limits)]
    photographed = {product for _, product in known}
    shown = [Shown(partial(_picture, file, limits), numbers[product], "photo") for file, product in known]
    for product, copies in pictures.items():
        shown += [Shown(partial(_picture, copy, limits), numbers[product], "studio") for copy in copies]
        if product not in photographed:
            shown += [Shown(partial(_picture, copy, limits), numbers[product], "rephotographed") for copy in copies]
    return shown, sorted(pictures), [file for file, _ in known]


def _picture(file: Path, limits: Limits) -> Image:
    return load(file, limits, side=_SIDE)


def _readable(file: Path, limits: Limits) -> bool:
    try:
        _picture(file, limits)
    except BadInput:
        return False
    return True
