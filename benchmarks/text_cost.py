"""Photos per second while adding, with and without texts, and milliseconds of a text query by length. Prints Markdown.

    SNAPFIND_DATA=… python benchmarks/text_cost.py [--pictures 200] [--rounds 3]

Each row is a fresh catalog over the same grocery photos; each product has a text of its own. CPU seconds are those of
this process; they depend less on what else the machine does than photos per second do. Rounds go through all rows in
turn, and the median counts.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import snapfind

SENTENCE = "Soft cotton shirt number {0} with long sleeves for cold evenings, machine washable at forty degrees. "
HTML = "<div class='text'><p style='color:#333'>Soft&nbsp;cotton shirt number {0}</p><ul><li>washable</li></ul></div>"
CHINESE = "柔软的棉质长袖衬衫{0}号，适合寒冷的夜晚，可在四十度机洗。"
TEXTS = {
    "no text": ("", ""),
    "a title": ("Cotton shirt {0}", ""),
    "and 300 characters": ("Cotton shirt {0}", (SENTENCE * 9)[:300]),
    "and 1,000 characters": ("Cotton shirt {0}", (SENTENCE * 20)[:1000]),
    "and 3,000 characters": ("Cotton shirt {0}", (SENTENCE * 40)[:3000]),
    "and 3,000 characters of HTML": ("Cotton shirt {0}", (HTML * 40)[:3000]),
    "and 1,000 characters of Chinese": ("棉质衬衫{0}", (CHINESE * 50)[:1000]),
    "and an inlined picture of 250 kB": ("Cotton shirt {0}", f'<img src="data:image/png;base64,{"QUJD" * 62_500}">'),
}
QUERIES = (10, 100, 512, 1000, 2048)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    data = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
    photos = [line.split(",")[0] for line in (data / "train.txt").read_text().splitlines()][: args.pictures]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in TEXTS}
    for _ in range(args.rounds):
        for name, texts in TEXTS.items():
            found[name].append(added(data, photos, *texts))
    print(f"{len(photos)} photos, {os.cpu_count()} cores, median of {args.rounds}\n")
    print("| texts of a product | photos/s | CPU s a product |\n|---|---|---|")
    for name, rows in found.items():
        speed, cost = (statistics.median(column) for column in zip(*rows))
        print(f"| {name} | {speed:.1f} | {cost:.3f} |")
    print("\n| characters of a query | ms, median of 15 |\n|---|---|")
    for length, milliseconds in queries(data, photos[:20]):
        print(f"| {length:,} | {milliseconds:.0f} |")


def added(data: Path, photos: list[str], title: str, description: str) -> tuple[float, float]:
    """Photos per second, and seconds of CPU for each."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "products.jsonl")
        rows = (
            {
                "id": str(row),
                "title": title.replace("{0}", str(row)),
                "description": description.replace("{0}", str(row)),
                "picture": photo,
            }
            for row, photo in enumerate(photos)
        )
        table.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        with snapfind.open(Path(folder, "shop.snap")) as shop:
            shop.model.text.texts(["warm"], "query")  # the text encoder loads before the clock starts
            cpu, begin = time.process_time(), time.perf_counter()
            report = shop.add(table, root=data)
            seconds = time.perf_counter() - begin
            assert report.added == len(photos), report.failures[:3]
            return len(photos) / seconds, (time.process_time() - cpu) / len(photos)


def queries(data: Path, photos: list[str]) -> list[tuple[int, float]]:
    """Characters -> milliseconds of a search."""
    with tempfile.TemporaryDirectory() as folder, snapfind.open(Path(folder, "shop.snap")) as shop:
        table = Path(folder, "products.csv")
        table.write_text("id,title,picture\n" + "".join(f"{n},shirt {n},{one}\n" for n, one in enumerate(photos)))
        shop.add(table, root=data)
        rows = []
        for length in QUERIES:
            times = []
            for number in range(15):
                text = (SENTENCE * 30).replace("{0}", str(number))[:length]
                begin = time.perf_counter()
                shop.search(text)
                times.append((time.perf_counter() - begin) * 1000)
            rows.append((length, statistics.median(times)))
        return rows


if __name__ == "__main__":
    main()
