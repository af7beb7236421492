"""The shops of benchmarks/shops.py: a catalog each, and queries with their right answers.

Each function writes the table of a shop into a work folder and returns its tasks. A task draws its queries by seed
before it cuts them, so a smaller `limit` asks a prefix of the same queries.
"""

import csv
import json
import os
import random
import runpy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from snapfind.core.query import Query, QueryTerm
from snapfind.core.types import Answer, Box, Hit
from snapfind.media.image.photo_simulation import simulate_photo

__all__ = ["SHOPS", "Example", "Shop", "Task"]

DATA = Path(os.environ.get("SNAPFIND_DATA", ""))
SEED = 20261201


@dataclass(frozen=True)
class Example:
    """A query and whether a hit answers it.

    Attributes:
        name: Name of the query, the same in every run.
        query: What is searched.
        right: Tells whether a hit is a right answer.
        without: Product that the query shows, left out of the answer.
        boxes: True boxes, for a task that measures region proposals.
        mask: Mask with background 0, for a task that measures region proposals.
    """

    name: str
    query: Query
    right: Callable[[Hit], bool] = lambda _: False
    without: str = ""
    boxes: tuple[Box, ...] = ()
    mask: Path | None = None


@dataclass(frozen=True)
class Task:
    """Queries of a shop with a metric.

    Attributes:
        name: What is searched.
        metric: "right@1", "right@5", "right@10", or "objects" for the recall of region proposals at IoU .5,
            "no background" for the fraction of proposals with at most .8 of background.
        examples: All queries, shuffled.
    """

    name: str
    metric: str
    examples: Sequence[Example]


@dataclass(frozen=True)
class Shop:
    """A catalog to build, and its tasks.

    Attributes:
        name: Name of the shop.
        table: Table of products.
        root: Folder that pictures are relative to.
        tasks: Its tasks.
    """

    name: str
    table: Path
    root: Path
    tasks: list[Task] = field(default_factory=list)


def photo(source: object, **options: str) -> Query:
    """Query of one photo."""
    return Query((QueryTerm(photo=source),)).with_options(options)


def text(words: str) -> Query:
    """Query of one text."""
    return Query((QueryTerm(text=words),))


def shuffled(examples: Iterable[Example], seed: int = SEED) -> list[Example]:
    """The examples in an order that depends on the seed alone."""
    chosen = list(examples)
    random.Random(seed).shuffle(chosen)
    return chosen


def product_is(ids: str | Iterable[str]) -> Callable[[Hit], bool]:
    """A hit is right if it is one of these products."""
    wanted = {ids} if isinstance(ids, str) else set(ids)
    return lambda hit: hit.product.id in wanted


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV table."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def groceries(work: Path) -> Shop:
    """Photos by phone of the split `train` against one studio picture of each of 81 products."""
    root = DATA / "grocery"
    with (root / "classes.csv").open(encoding="utf-8") as file:
        classes = list(csv.reader(file))[1:]
    names = [row[0] for row in classes]
    table = write(
        work / "groceries.csv",
        ["id", "title", "category", "picture"],
        ([row[0], row[0].replace("-", " "), row[2], row[4]] for row in classes),
    )
    lines = [line.split(", ") for line in (root / "train.txt").read_text().splitlines()]
    asked = shuffled(Example(path, photo(root / path), product_is(names[int(fine)])) for path, fine, _ in lines)
    return Shop(
        "groceries", table, root, [Task("photo → product", "right@1", asked), Task("photo → product", "right@5", asked)]
    )


def clothes(work: Path) -> Shop:
    """Garment photos of shoppers in ten categories; each picture of `train` is a product."""
    root = DATA / "clothing"
    files = {part: sorted((root / part).glob("*/*.jpg")) for part in ("train", "validation")}
    rows = [(path.stem, path.parent.name, path.relative_to(root)) for path in files["train"]]
    table = write(work / "clothes.csv", ["id", "category", "picture"], rows)

    def category_is(name: str) -> Callable[[Hit], bool]:
        return lambda hit: hit.product.category == name

    others = shuffled(
        Example(str(path.relative_to(root)), photo(path), category_is(path.parent.name)) for path in files["validation"]
    )
    own = shuffled(Example(path.stem, photo(path), product_is(path.stem)) for path in files["train"])
    return Shop(
        "clothes",
        table,
        root,
        [
            Task("photo → category", "right@1", others),
            Task("catalog picture → itself", "right@1", own[:150]),
            Task("catalog picture → itself", "right@10", own[:150]),
        ],
    )


def luma(work: Path) -> Shop:
    """Sports clothes: other views of a model, and a photo with words for another color."""
    root = DATA / "luma"
    rows = rows_of(root / "catalogue.csv")
    by_image = {row["image"]: row["id"] for row in rows}
    of_model: dict[str, list[str]] = {}
    for row in rows:
        of_model.setdefault(row["model"], []).append(row["id"])
    views = [row for row in rows_of(root / "images.csv") if row["model"] in of_model]

    def of_view(role: str) -> list[Example]:
        chosen = (row for row in views if row["role"] == role and row["file"] not in by_image)
        return shuffled(
            Example(row["file"], photo(root / row["file"]), product_is(of_model[row["model"]])) for row in chosen
        )

    changes = shuffled(
        Example(
            f"{row['source']} {row['modification']}",
            Query((QueryTerm(photo=root / row["source"]), QueryTerm(text=row["modification"]))),
            product_is(by_image[row["target"]]),
            by_image.get(row["source"], ""),
        )
        for row in rows_of(root / "recolour.csv")
        if row["target"] in by_image and row["source"] in by_image
    )
    return Shop(
        "luma",
        root / "catalogue.csv",
        root,
        [
            Task("back view → model", "right@1", of_view("back")),
            Task("close-up → model", "right@1", of_view("alt1")),
            Task("photo + color → variant", "right@1", changes),
        ],
    )


def myntra(work: Path) -> Shop:
    """Fashion pictures without a text in the catalog: titles must find them, pictures find their kind."""
    root = DATA / "myntra"
    rows = rows_of(root / "products.csv")
    table = write(work / "myntra.csv", ["id", "picture"], ((row["id"], f"images/{row['id']}.jpg") for row in rows))
    kinds, titled, grouped = {row["id"]: row["kind"] for row in rows}, {}, {}
    for row in rows:
        titled.setdefault(row["title"], []).append(row["id"])
        grouped.setdefault(row["group"], set()).add(row["id"])

    def same_kind(row: dict[str, str]) -> Callable[[Hit], bool]:
        return lambda hit: kinds[hit.product.id] == row["kind"] and hit.product.id not in grouped[row["group"]]

    by_title = shuffled(Example(title, text(title), product_is(ids)) for title, ids in sorted(titled.items()))
    by_photo = shuffled(
        Example(row["id"], photo(root / f"images/{row['id']}.jpg"), same_kind(row), row["id"]) for row in rows
    )
    return Shop(
        "myntra",
        table,
        root,
        [Task("title → untitled picture", "right@10", by_title), Task("picture → same kind", "right@1", by_photo)],
    )


def stamps(work: Path) -> Shop:
    """Cut-outs without a text in the catalog: captions in three languages must find them."""
    root = DATA / "stamps"
    rows = [row for row in rows_of(root / "stamps.csv") if row["category"] != "symbols"]
    captions = json.loads((root / "captions.json").read_text(encoding="utf-8"))
    table = write(work / "stamps.csv", ["id", "picture"], ((row["id"], f"pictures/{row['id']}.webp") for row in rows))

    def in_language(code: str) -> list[Example]:
        said: dict[str, list[str]] = {}
        for row in rows:
            caption = row["title"] if code == "en" else captions.get(row["id"], {}).get(code, "")
            if caption and len(caption) <= 32:
                said.setdefault(caption, []).append(row["id"])
        return shuffled(Example(caption, text(caption), product_is(ids)) for caption, ids in sorted(said.items()))

    tasks = [
        Task(f"caption → untitled picture, {code}", "right@10", in_language(code)) for code in ("en", "de", "zh_CN")
    ]
    return Shop("stamps", table, root, tasks)


def eshop(work: Path) -> Shop:
    """Outdoor products with generated pictures: descriptions and pictures must find their product."""
    root = DATA / "eshop"
    rows = rows_of(root / "products.csv")
    columns = ["id", "title", "brand", "category", "price", "image"]
    table = write(work / "eshop.csv", columns, ([row[name] for name in columns] for row in rows))
    described = shuffled(Example(row["id"], text(row["description"][:200]), product_is(row["id"])) for row in rows)
    own = shuffled(Example(row["id"], photo(root / row["image"]), product_is(row["id"])) for row in rows)
    return Shop(
        "eshop",
        table,
        root,
        [Task("description → product", "right@1", described), Task("catalog picture → itself", "right@1", own)],
    )


def ccp(work: Path) -> Shop:
    """Street photos: the box of a garment, cut out of a photo, must find the photo."""
    root = DATA / "ccp"
    names = [row["image"] for row in rows_of(root / "index.csv") if row["split"] == "train"]
    table = write(work / "ccp.csv", ["id", "picture"], ((name, f"images/{name}.jpg") for name in names))
    body = {0, 19, 41}  # background, hair, skin
    asked = []
    for name in random.Random(SEED).sample(names, 300):
        mask = np.asarray(Image.open(root / "masks" / f"{name}.png"))
        values, counts = np.unique(mask, return_counts=True)
        garments = [(int(count), int(value)) for value, count in zip(values, counts) if int(value) not in body]
        if not garments or max(garments)[0] < 0.03 * mask.size:
            continue
        place = np.argwhere(mask == max(garments)[1])
        (top, left), (bottom, right) = place.min(axis=0), place.max(axis=0) + 1
        crop = Image.open(root / "images" / f"{name}.jpg").convert("RGB").crop((left, top, right, bottom))
        asked.append(Example(name, photo(crop), product_is(name)))
    # Thresholds of proposals were chosen on the first 80 photos.
    proposed = shuffled(
        Example(name, photo(root / "images" / f"{name}.jpg"), mask=root / "masks" / f"{name}.png")
        for name in names[80:]
    )
    crops = Task("garment crop → photo", "right@1", asked)
    return Shop("ccp", table, root, [crops, Task("proposed objects", "no background", proposed)])


def box_of(corners: Sequence[float], size: tuple[int, int]) -> Box:
    """Box of pixels as fractions of the picture."""
    x0, y0, x1, y1 = (value / size[at % 2] for at, value in enumerate(corners))
    return Box(max(x0, 0.0), max(y0, 0.0), min(x1, 1.0), min(y1, 1.0))


def pasted(work: Path) -> Shop:
    """Composed scenes of several things: each thing must be found, alone and marked with its box."""
    root = DATA / "pasted"
    pictures = sorted((DATA / "stamps" / "pictures").glob("*.webp"))
    table = write(work / "pasted.csv", ["id", "picture"], ((path.stem, f"pictures/{path.name}") for path in pictures))
    known = {path.stem for path in pictures}
    scenes, boxed, proposed = [], [], []
    for line in (root / "scenes.jsonl").read_text(encoding="utf-8").splitlines():
        scene = json.loads(line)
        path = root / scene["image"]
        with Image.open(path) as opened:
            size = opened.size
        boxes = tuple(box_of(thing["box"], size) for thing in scene["objects"])
        shown = [thing["id"] for thing in scene["objects"] if thing["id"] in known]
        proposed.append(Example(scene["image"], photo(path), boxes=boxes))
        if shown:
            scenes.append(Example(scene["image"], photo(path), product_is(shown)))
        for thing, box in zip(scene["objects"], boxes):
            if thing["id"] in known:
                query = Query((QueryTerm(photo=path, box=box),))
                boxed.append(Example(f"{scene['image']} {thing['value']}", query, product_is(thing["id"])))
    return Shop(
        "pasted",
        table,
        DATA / "stamps",
        [
            Task("scene → one of its things", "right@1", shuffled(scenes)),
            Task("marked thing → product", "right@1", shuffled(boxed)),
            Task("proposed objects", "objects", shuffled(proposed)),
        ],
    )


def coco_mini(work: Path) -> Shop:
    """Everyday photos with the boxes of their objects of at least 2 % of the picture."""
    root = DATA / "coco_mini"
    asked = []
    names = []
    for line in (root / "objects.jsonl").read_text(encoding="utf-8").splitlines():
        scene = json.loads(line)
        size = (scene["width"], scene["height"])
        boxes = tuple(box for box in (box_of(thing["box"], size) for thing in scene["objects"]) if box.area >= 0.02)
        names.append(scene["image"])
        if boxes:
            asked.append(Example(scene["image"], photo(root / scene["image"]), boxes=boxes))
    own = shuffled(Example(name, photo(root / name), product_is(Path(name).stem)) for name in names)
    table = write(work / "coco_mini.csv", ["id", "picture"], ((Path(name).stem, name) for name in names))
    return Shop(
        "coco_mini",
        table,
        root,
        [Task("catalog picture → itself", "right@1", own), Task("proposed objects", "objects", shuffled(asked))],
    )


def demo(work: Path) -> Shop:
    """Drawn products of the offline demo (examples/demo.py), each photographed again by simulation."""
    examples = Path(__file__).parent.parent / "examples" / "shops.py"
    make_shop = runpy.run_path(str(examples))["make_shop"]
    data = os.environ.pop("SNAPFIND_DATA", None)  # otherwise it is the grocery shop
    try:
        made = make_shop(work / "demo")
    finally:
        if data is not None:
            os.environ["SNAPFIND_DATA"] = data
    folder = work / "demo" / "again"
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(SEED)
    again = []
    for row in rows_of(made.table):
        path = folder / f"{row['id']}.jpg"
        with Image.open(made.root / row["picture"]) as picture:
            simulate_photo(picture.convert("RGB"), rng).save(path, quality=88)
        again.append(Example(row["id"], photo(path), product_is(row["id"])))
    named = [Example(row["id"], text(row["title"]), product_is(row["id"])) for row in rows_of(made.table)]
    tasks = [Task("photo → product", "right@1", shuffled(again)), Task("title → product", "right@1", shuffled(named))]
    return Shop("demo", made.table, made.root, tasks)


SHOPS: dict[str, Callable[[Path], Shop]] = {
    "groceries": groceries,
    "clothes": clothes,
    "luma": luma,
    "myntra": myntra,
    "stamps": stamps,
    "eshop": eshop,
    "ccp": ccp,
    "pasted": pasted,
    "coco_mini": coco_mini,
    "demo": demo,
}


def answered(example: Example, answer: Answer, depth: int) -> float:
    """1 if a right product is among the first `depth` hits, without the product that the query shows."""
    hits = [hit for hit in answer if hit.product.id != example.without][:depth]
    return float(any(example.right(hit) for hit in hits))
