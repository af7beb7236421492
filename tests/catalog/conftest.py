"""A small shop on disk: three products with four pictures in a table."""

import csv
from pathlib import Path

import pytest

import snapfind
from tests.pictures import save

ROWS = [
    ["id", "title", "price", "brand", "category", "stock", "tags", "picture"],
    ["tea-1", "Red tea", "4.5", "Acme", "tea", "3", "hot", "a.png"],
    ["tea-2", "Green tea", "5", "Acme", "tea", "0", "hot", "b.png|b-back.png"],
    ["mug-1", "Blue mug", "12", "Kiln", "mugs", "7", "gift", "c.png"],
]

COUNT = 5  # pictures of the larger shop: fitting takes a second for each


class Shop:
    """The table and its pictures, easy to change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = [list(row) for row in ROWS]
        for number, name in enumerate(["a.png", "b.png", "b-back.png", "c.png"]):
            save(number, folder / name)
        self.path = folder / "shop.snap"
        self.table = folder / "products.csv"
        self.write()

    def write(self) -> Path:
        with self.table.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(self.rows)
        return self.table

    def open(self, **settings) -> snapfind.Catalog:
        return snapfind.open(self.path, **settings)


@pytest.fixture
def shop(tmp_path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def catalog(shop):
    with shop.open() as opened:
        opened.add(shop.table)
        yield opened


@pytest.fixture
def larger(shop):
    """An open catalog of drawn pictures, each a product: m0, m1, …"""
    for number in range(COUNT):
        save(number, shop.folder / "more" / f"m{number}.png")
    with shop.open() as opened:
        opened.add(shop.folder / "more")
        yield opened
