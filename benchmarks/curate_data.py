"""What curate_*.py share: features of grocery and clothing, kept in a folder, and faults made in other ways than the
detectors' own (curation/detect/corruptions.py), so that finding them is no mere remembering.
"""

import csv
import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from snapfind.encoders.base import Vectors
from snapfind.encoders.image.efficientnet import Builtin

SIDE = 256  # pixels of the longest side that faults are made at


@dataclass(frozen=True)
class Photos:
    """`files`, `features` (n, 1280) as the encoder gives them, `labels` and `coarse` (n,)."""

    files: list[Path]
    features: Vectors
    labels: np.ndarray
    coarse: np.ndarray

    def only(self, kept: np.ndarray) -> "Photos":
        """Those rows, labels numbered anew from 0."""
        rows = np.flatnonzero(kept)
        numbers = np.unique(self.labels[rows], return_inverse=True)[1]
        return Photos([self.files[row] for row in rows], self.features[rows], numbers, self.coarse[rows])


def half(photos: Photos, odd: int) -> Photos:
    """The even-numbered classes (0), on which thresholds were chosen, or the odd ones (1), which are reported."""
    return photos.only(photos.labels % 2 == odd)


def grocery(split: str, work: Path) -> Photos:
    """`train`, `val`, or `studio`: the 81 pictures of the catalog."""
    folder = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
    if split == "studio":
        with (folder / "classes.csv").open() as table:
            rows = [(row[4], row[1], row[3]) for row in list(csv.reader(table))[1:]]
    else:
        rows = [tuple(line.split(", ")) for line in (folder / f"{split}.txt").read_text().splitlines()]
    files = [folder / path for path, _, _ in rows]
    labels, coarse = (np.array([int(row[place]) for row in rows]) for place in (1, 2))
    return Photos(files, looked([opened(file) for file in files], work / f"{split}.npy"), labels, coarse)


def opened(file: Path) -> Image.Image:
    """RGB."""
    return Image.open(file).convert("RGB")


def looked(images: Sequence[Image.Image], kept: Path | None = None) -> Vectors:
    """(n, 1280) of the shipped encoder, kept in a file where one is named."""
    if kept is not None and kept.exists():
        return np.load(kept)
    found = Builtin.load().extract_features(images).pooled
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, found)
    return found


def digest(image: Image.Image) -> str:
    """sha256 of the pixels."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def encoded(image: Image.Image, quality: int) -> Image.Image:
    """Through a JPEG file."""
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality)
    return Image.open(held).convert("RGB")


def copied(image: Image.Image, how: str, rng: np.random.Generator) -> Image.Image:
    """The same picture as another shop's upload would have it: exact, re-encoded, resized, cropped."""
    if how == "exact":
        return image.copy()
    if how == "re-encoded":
        return encoded(image, int(rng.integers(30, 80)))
    if how == "resized":
        scale = float(rng.uniform(0.3, 0.8))
        return encoded(image.resize((round(image.width * scale), round(image.height * scale))), 85)
    left, top, right, bottom = rng.uniform(0, 0.15, 4)
    box = (image.width * left, image.height * top, image.width * (1 - right), image.height * (1 - bottom))
    return encoded(image.crop(tuple(round(side) for side in box)), int(rng.integers(60, 90)))


def faulty(image: Image.Image, how: str, rng: np.random.Generator, others: Sequence[Image.Image]) -> Image.Image:
    """A fault of the benchmark's own making: blurred by a disc, tiny by boxes, a banner, a strip of pictures."""
    image = image.copy()
    image.thumbnail((SIDE, SIDE))
    if how == "blurred":
        radius = float(rng.uniform(0.012, 0.03)) * max(image.size)
        return image.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius / 2))
    if how == "tiny":
        factor = max(image.size) / float(rng.uniform(28, 60))
        small = image.resize((round(image.width / factor), round(image.height / factor)), Image.Resampling.BOX)
        return small.resize(image.size, Image.Resampling.BILINEAR)
    if how == "text":
        return _banner(image, rng)
    strip = Image.new("RGB", image.size, "white")
    count = int(rng.integers(2, 5))
    for place in range(count):
        part = image if place == 0 else others[int(rng.integers(len(others)))]
        cell = part.resize((image.width // count, image.height))
        strip.paste(cell, (place * image.width // count, 0))
    return strip


def _banner(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Boxes with words of a sale, or a large outlined name across the middle."""
    draw, side = ImageDraw.Draw(image), max(image.size)
    words = ["SALE -50%", "FREE SHIPPING", "www.shop.example", "BEST PRICE 2026", "NEW! buy 2 get 1", "tel. 555 0199"]
    if rng.random() < 0.5:
        font = ImageFont.load_default(side * float(rng.uniform(0.12, 0.18)))
        word = words[int(rng.integers(len(words)))]
        for y in (0.25, 0.5, 0.75)[: int(rng.integers(1, 4))]:
            draw.text(
                (side * 0.02, y * image.height), word, (255, 255, 255), font, stroke_width=2, stroke_fill=(40, 40, 40)
            )
        return image
    for _ in range(int(rng.integers(3, 7))):
        font = ImageFont.load_default(side * float(rng.uniform(0.06, 0.1)))
        corner = rng.uniform(0, 0.7) * image.width, rng.uniform(0, 0.9) * image.height
        word = words[int(rng.integers(len(words)))]
        draw.rectangle(draw.textbbox(corner, word, font), tuple(int(level) for level in rng.integers(0, 256, 3)))
        draw.text(corner, word, (255, 255, 255) if rng.random() < 0.5 else (20, 20, 20), font)
    return image
