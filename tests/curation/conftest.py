"""A shop with known faults: two categories that differ in color, a product in the wrong one, pictures twice."""

import csv
import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

import snapfind

EACH = 12


def swatch(color, number, side=128):
    """Stripes or discs in shades of a color: red ones and blue ones look alike among themselves."""
    rng = np.random.default_rng([number, *color])
    image = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = rng.integers(0, side * 3 // 4, 2)
        size = int(rng.integers(side // 6, side // 3))
        shade = tuple(int(level * rng.uniform(0.7, 1)) for level in color)
        shape = draw.rectangle if color[0] > color[2] else draw.ellipse
        shape((int(x), int(y), int(x) + size, int(y) + size), fill=shade)
    return image


def jpeg(image, quality=50):
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality)
    return held.getvalue()


def make_shop(folder):
    """The folder of a table with its pictures: red-0 … red-11, blue-0 … blue-11; blue-3 is called red."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, color in (("red", (230, 40, 30)), ("blue", (30, 60, 230))):
        for number in range(EACH):
            image = swatch(color, number)
            image.save(folder / f"{name}-{number}.png")
            rows.append(
                [f"{name}-{number}", f"{name} thing {number}", "red" if number == 3 else name, [f"{name}-{number}.png"]]
            )
    swatch((230, 40, 30), 5).save(folder / "red-5-again.png")  # the same bytes
    rows[5][3].append("red-5-again.png")
    (folder / "other.jpg").write_bytes(jpeg(swatch((30, 60, 230), 7).resize((100, 100))))  # the same picture
    rows.append(["blue-copy", "blue copy", "blue", ["other.jpg"]])
    with (folder / "products.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "category", "picture"])
        writer.writerows([id, title, category, "|".join(pictures)] for id, title, category, pictures in rows)
    return folder / "products.csv"


@pytest.fixture(scope="session")
def stocked(tmp_path_factory):
    """The catalog's folder, filled once; copy it before changing it."""
    folder = tmp_path_factory.mktemp("curated")
    with snapfind.open(folder / "shop.snap") as shop:
        shop.add(make_shop(folder / "source"))
    return folder / "shop.snap"
