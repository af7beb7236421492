"""Pasted scenes with known boxes, for benchmarks/regions.py and benchmarks/search.py.

Two to four cut-outs of the studio pictures of `grocery` on a real background: the largest rectangle of a photo of `ccp`
on which no garment is marked (streets, walls, passers-by). Scenes of `train` and of `val` share products (there is one
studio picture of each) but neither backgrounds nor places, sizes, light.
"""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from synthetic_scenes import compose_scene

from snapfind.core.types import Box
from snapfind.media.image.background import cut_out_product

DATA = Path(os.environ["SNAPFIND_DATA"])
Scene = tuple[Image.Image, list[tuple[int, Box]]]  # the photo; class and box of each product
SIDE, NARROWEST, EDGE = 480, 100, 6  # pixels: shorter side of a scene, of a background; the frame some photos have


def studio() -> tuple[list[str], np.ndarray, list[Image.Image]]:
    """Names, coarse classes and pictures of the 81 products."""
    with (DATA / "grocery" / "classes.csv").open() as table:
        rows = list(csv.reader(table))[1:]
    pictures = [Image.open(DATA / "grocery" / row[4]).convert("RGB") for row in rows]
    return [row[0] for row in rows], np.array([int(row[3]) for row in rows]), pictures


def backgrounds(split: str, most: int = 200) -> list[Image.Image]:
    """Free rectangles of the photos of a split."""
    found = []
    with (DATA / "ccp" / "index.csv").open() as table:
        names = [row["image"] for row in csv.DictReader(table) if row["split"] == split]
    for name in names:
        marks = np.asarray(Image.open(DATA / "ccp" / "masks" / f"{name}.png"))
        x0, y0, x1, y1 = (4 * side for side in largest(marks[::4, ::4] == 0))
        part = (x0 + EDGE, y0 + EDGE, x1 - EDGE, y1 - EDGE)
        if min(x1 - x0, y1 - y0) >= NARROWEST:
            found.append(Image.open(DATA / "ccp" / "images" / f"{name}.jpg").convert("RGB").crop(part))
        if len(found) == most:
            break
    return found


def largest(free: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the largest rectangle of True, row by row with a stack of heights."""
    heights, best, where = np.zeros(free.shape[1], int), 0, (0, 0, 1, 1)
    for y, row in enumerate(free):
        heights = np.where(row, heights + 1, 0)
        open_: list[tuple[int, int]] = []
        for x, height in enumerate([*heights, 0]):
            start = x
            while open_ and open_[-1][1] >= height:
                start, tall = open_.pop()
                if tall * (x - start) > best:
                    best, where = tall * (x - start), (start, y - tall + 1, x, y + 1)
            open_.append((start, int(height)))
    return where


def scenes(split: str, count: int, seed: int) -> Iterator[Scene]:
    """The same scenes for the same arguments."""
    behind, cut = backgrounds(split), [cut_out_product(picture) for picture in studio()[2]]
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        back = _portrait(behind[int(rng.integers(len(behind)))], rng)
        chosen = rng.permutation(len(cut))[: int(rng.integers(2, 5))]
        photo, boxes = compose_scene([cut[at] for at in chosen], back, rng)
        yield photo, [(int(at), box) for at, box in zip(chosen, boxes) if box is not None]


def _portrait(back: Image.Image, rng: np.random.Generator) -> Image.Image:
    """At most 4:3 either way, its shorter side 480 pixels."""
    width, height = (min(side, other * 4 // 3) for side, other in (back.size, back.size[::-1]))
    left, top = int(rng.integers(back.width - width + 1)), int(rng.integers(back.height - height + 1))
    scale = SIDE / min(width, height)
    size = (round(width * scale), round(height * scale))
    return back.crop((left, top, left + width, top + height)).resize(size, Image.Resampling.BICUBIC)
