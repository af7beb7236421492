"""How far may a picture change and still be told for the same? Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/duplicates.py

Each of the 81 studio pictures of `grocery` is changed and compared with itself: part told "same picture" by vector and
fingerprint together. Last row: all pairs of different products, none of which must be told the same (the data set has
cartons that differ in a word).
"""

import io
import itertools
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance
from scenes import studio

from snapfind.catalog.ingest.duplicates import grade
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.media.image.fingerprint import difference, fingerprint


def encoded(image: Image.Image, quality: int) -> Image.Image:
    """Through a JPEG file."""
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality)
    return Image.open(held).convert("RGB")


def cropped(image: Image.Image, part: float) -> Image.Image:
    """That part taken off each side."""
    width, height = image.size
    return image.crop((int(width * part), int(height * part), int(width * (1 - part)), int(height * (1 - part))))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 40": lambda image: encoded(image, 40),
    "a third of the size": lambda image: image.resize((image.width // 3, image.height // 3)),
    "brighter by a fifth": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "3 % cut off each side": lambda image: cropped(image, 0.03),
    "10 % cut off each side": lambda image: cropped(image, 0.1),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


def main() -> None:
    """The table."""
    pictures, encoder = studio()[2], Builtin.load()
    vectors, prints = encoder.images(pictures, "document"), [fingerprint(picture) for picture in pictures]
    print("| change | same picture | cosine, lowest tenth | difference, highest tenth |\n|---|---|---|---|")

    def row(name: str, cosines: np.ndarray, apart: list[float]) -> None:
        told = np.mean([grade(float(c), b) == "same picture" for c, b in zip(cosines, apart)])
        print(f"| {name} | {told:.3f} | {np.quantile(cosines, 0.1):.3f} | {np.quantile(apart, 0.9):.3f} |")

    for name, change in CHANGES.items():
        changed = [change(picture) for picture in pictures]
        cosines = (encoder.images(changed, "document") * vectors).sum(axis=1)
        row(name, cosines, [difference(one, fingerprint(other)) for one, other in zip(prints, changed)])
    pairs = list(itertools.combinations(range(len(pictures)), 2))
    cosines = np.array([vectors[a] @ vectors[b] for a, b in pairs])
    row(f"two products ({len(pairs):,} pairs)", cosines, [difference(prints[a], prints[b]) for a, b in pairs])


if __name__ == "__main__":
    main()
