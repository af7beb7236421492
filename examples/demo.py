"""The main job, start to end: a shop's table in, shoppers' photos in, the right products out. Run it with `make demo`.

It writes demo/shop.snap (the catalog), demo/products.csv (what was added) and demo/sheet.html (queries and hits).
"""

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from shops import Shop, make_shop

import snapfind
from snapfind.catalog.query_input import as_query
from snapfind.cli.output import progress_bar
from snapfind.evaluation.contact_sheet import SheetRow, render_sheet, sheet_row

FOLDER = Path("demo")
console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Index, fit, search, show."""
    begin = time.monotonic()
    shop = make_shop(FOLDER)
    console.print(f"[bold]The shop:[/] {shop.said}; prices are made up.")
    with snapfind.open(FOLDER / "shop.snap") as catalog:
        with progress_bar("adding") as progress:
            report = catalog.add(shop.table, root=shop.root, progress=progress)
        console.print(f"{report.added} added, {report.unchanged} unchanged, {len(report.failures)} failed")
        if not catalog.fitted:
            with progress_bar("fitting the encoder to these pictures") as progress:
                catalog.models.fit(progress=progress)
        rows = [*_photos(catalog, shop), *_texts(catalog, shop)]
    target = FOLDER / "sheet.html"
    target.write_text(render_sheet(rows, "snapfind demo"), encoding="utf-8")
    console.print(
        f"\nContact sheet: [bold]{target}[/] · catalog: [bold]{FOLDER / 'shop.snap'}[/] · "
        f"{time.monotonic() - begin:.0f} s"
    )
    console.print("Try it:  .venv/bin/snapfind search demo/shop.snap YOUR_PHOTO.jpg --filter 'price < 50'")
    return 0


def _photos(catalog: snapfind.Catalog, shop: Shop) -> list[SheetRow]:
    table = Table("photo of", "first hit", "score", "verdict", "price", "", title="Photos that are not in the catalog")
    rows, right = [], 0
    for path, truth in shop.photos:
        answer = catalog.search(path, limit=5)
        hit = answer[0]
        right += hit.product.id == truth
        place = next((at for at, hit in enumerate(answer, 1) if hit.product.id == truth), 0)
        mark = "right" if place == 1 else f"right one is {place}." if place else "not in 5"
        title = catalog.get(truth).title
        table.add_row(title, hit.product.title, f"{hit.score:.0%}", hit.verdict, f"{hit.product.price:.2f}", mark)
        rows.append(sheet_row(catalog, as_query(path), answer, frozenset({truth})))
    console.print(table)
    console.print(
        f"{right} of {len(shop.photos)} photos have the right product first; the benchmark says more than a demo."
    )
    return rows


def _texts(catalog: snapfind.Catalog, shop: Shop) -> list[SheetRow]:
    table = Table("text", "first hits", title="Words")
    rows = []
    for text in shop.texts:
        answer = catalog.search(text, limit=5)
        table.add_row(text, " · ".join(hit.product.title for hit in answer[:3]))
        rows.append(sheet_row(catalog, as_query(text), answer))
    console.print(table)
    return rows


if __name__ == "__main__":
    sys.exit(main())
