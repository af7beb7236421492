"""Import products in batches, with progress, and handle what fails: rows without a picture, damaged files.

    python examples/draw_shop.py && python examples/batch_import.py

A second run changes nothing: rows and pictures that are stored are recognized by their hashes. After Ctrl-C the next
run continues.
"""

import csv
import sys
from pathlib import Path

import snapfind
from snapfind.core.errors import BadInput, CatalogBusy

Path("pictures/broken.png").write_bytes(b"not a picture")
with Path("products.csv").open(encoding="utf-8") as file:
    rows = [*csv.DictReader(file), {"id": "broken", "title": "Damaged file", "picture": "pictures/broken.png"},
            {"id": "missing", "title": "No such file", "picture": "pictures/missing.png"}]  # fmt: skip
with Path("all.csv").open("w", newline="", encoding="utf-8") as file:
    writer = csv.DictWriter(file, ["id", "title", "price", "category", "in_stock", "picture"])
    writer.writeheader()
    writer.writerows(rows)


def show_progress(done: int, total: int) -> None:
    print(f"{done} of {total}", file=sys.stderr)


try:
    with snapfind.open("shop.snap") as catalog:
        report = catalog.add("all.csv", progress=show_progress)
except CatalogBusy as error:  # another process has the catalog open
    sys.exit(error.message)
except BadInput as error:  # the table itself cannot be read
    sys.exit(error.message)

print(f"{report.added} added, {report.unchanged} unchanged")
for failure in report.failures:
    print(f"failed: {failure.id}: {failure.code}")
if report.failures:
    print("Correct these rows and run the script again. The others are stored.")
