"""Training samples of a shop: catalog images and labeled photos."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from PIL.Image import Image

from snapfind.catalog.catalog import Catalog
from snapfind.core.errors import BadInput
from snapfind.media.image.decode import Limits, load
from snapfind.training.data.augmentation import Sample

__all__ = ["gather"]

_SIDE = 384  # longest side in pixels of the images that views are drawn from


def gather(catalog: Catalog, photos: Iterable[tuple[Path, str]]) -> tuple[list[Sample], list[str], list[Path]]:
    """Collect the training samples of a catalog.

    Products without photos also get their catalog images as synthetic photos.

    Args:
        catalog: The catalog.
        photos: Files and the id of the product they show. Unknown products and unreadable files are left out.

    Returns:
        The samples (photos first), the product ids by number, and the files of the photos.

    Raises:
        BadInput: Fewer than two products have an image.
    """
    limits = Limits.of(catalog.settings)
    images: dict[str, list[Path]] = {}
    for point in catalog.points():
        copy = catalog.folder.copy_of(point.id)
        if copy.exists():
            images.setdefault(str(point.payload["_product"]), []).append(copy)
    if len(images) < 2:
        raise BadInput(
            f"{catalog.folder.path} has {len(images)} product(s) with an image. Training needs at least two."
        )
    numbers = {product: number for number, product in enumerate(sorted(images))}
    labeled = [(file, product) for file, product in photos if product in numbers and _is_readable(file, limits)]
    photographed = {product for _, product in labeled}
    samples = [Sample(partial(_load_image, file, limits), numbers[product], "photo") for file, product in labeled]
    for product, copies in images.items():
        samples += [Sample(partial(_load_image, copy, limits), numbers[product], "studio") for copy in copies]
        if product not in photographed:
            samples += [Sample(partial(_load_image, copy, limits), numbers[product], "synthetic") for copy in copies]
    return samples, sorted(images), [file for file, _ in labeled]


def _load_image(file: Path, limits: Limits) -> Image:
    return load(file, limits, side=_SIDE)


def _is_readable(file: Path, limits: Limits) -> bool:
    try:
        _load_image(file, limits)
    except BadInput:
        return False
    return True
