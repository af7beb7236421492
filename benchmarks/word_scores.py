"""Do the scores of words tell what a shop sells? Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/word_scores.py --work DIR           # groceries and eshop: reported
    SNAPFIND_DATA=... python benchmarks/word_scores.py --work DIR --chosen  # luma and myntra: of the fit

benchmarks/word_queries.csv has 15 things that each reported shop sells and 15 that it does not, in four languages (12
and 12 for the two shops of the fit). The score is that of the first hit. AUROC: sold against not sold. ECE: expected
calibration error in ten bins. All titles are English.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from shop_sets import DATA, rows_of, write

import snapfind
from snapfind.evaluation.calibration import auroc, calibration_error

QUERIES = Path(__file__).with_name("word_queries.csv")


def tables(work: Path) -> dict[str, tuple[Path, Path]]:
    """Table and root of each shop."""
    with (DATA / "grocery" / "classes.csv").open(encoding="utf-8") as file:
        classes = list(csv.reader(file))[1:]
    groceries = ([row[0], row[0].replace("-", " "), row[2], row[4]] for row in classes)
    fashion = rows_of(DATA / "myntra" / "products.csv")[::4]
    columns = ["id", "title", "category", "color"]
    return {
        "groceries": (write(work / "g.csv", ["id", "title", "category", "picture"], groceries), DATA / "grocery"),
        "eshop": (DATA / "eshop" / "products.csv", DATA / "eshop"),
        "luma": (DATA / "luma" / "catalogue.csv", DATA / "luma"),
        "myntra": (
            write(
                work / "m.csv",
                [*columns, "picture"],
                ([row["id"], row["title"], row["kind"], row["color"], f"images/{row['id']}.jpg"] for row in fashion),
            ),
            DATA / "myntra",
        ),
    }


def scores(name: str, table: Path, root: Path, work: Path) -> list[tuple[str, bool, float]]:
    """Language, whether it is sold, and score of the first hit, for each query of a shop."""
    with snapfind.open(work / f"{name}.snap") as catalog:
        if not len(catalog):
            catalog.add(table, root=root)
        return [
            (row["language"], row["sold"] == "1", catalog.search(row["query"], limit=1)[0].score)
            for row in rows_of(QUERIES)
            if row["shop"] == name
        ]


def figures(rows: list[tuple[str, bool, float]]) -> str:
    """One row of the table."""
    sold, said = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    ece = calibration_error(said.tolist(), sold.tolist())
    return (
        f"{len(rows)} | {auroc(said.tolist(), sold.tolist()):.3f} | {ece:.3f} | "
        f"{(said[sold] >= 0.5).mean():.2f} | {(said[~sold] >= 0.5).mean():.2f} | {(said[~sold] < 0.1).mean():.2f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--chosen", action="store_true")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    places = tables(args.work)
    chosen = ("luma", "myntra") if args.chosen else ("groceries", "eshop")
    found = {name: scores(name, *places[name], args.work) for name in chosen}
    print("| queries | n | AUROC | ECE | sold: said match | not sold: said match | not sold: said none |")
    print("|---|---|---|---|---|---|---|")
    for name, rows in found.items():
        print(f"| {name} | {figures(rows)} |")
    rows = [row for one in found.values() for row in one]
    for language in ("en", "sv", "zh", "de"):
        print(f"| {language} | {figures([row for row in rows if row[0] == language])} |")
    print(f"| all | {figures(rows)} |")


if __name__ == "__main__":
    main()
