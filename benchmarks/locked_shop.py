"""What a space learned on a shop's titles (`snapfind train lit`) does for products without one. Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/locked_shop.py --work DIR

The catalog is the 81 products of `grocery` with title, description and studio picture. A fifth of them loses title
and description in turn, five times for each seed. Asked are

    names      the class names, in English
    nouns      plain nouns in English, Swedish and Chinese (text_to_photo.py)
    sentences  text_queries.csv, what shoppers would type, in three languages

"judged by titles" chooses the share beside ConSE as titles left out would have it, "judged by queries" as the verb
does, by queries of the same kind for the products that kept their titles; reported are the queries for the others.
"catalog": the product's place in the whole answer, 81 products, fused with words and dense text; "bridge": its place
among the 16 or so without a title by the bridge alone. The last table asks the 296 photos of `val`, which have no text
at all, with the nouns: mean average precision.
"""

import argparse
import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from learn_data import grocery, labels_of, spread
from text_to_photo import IN_IMAGENET, NOT

import snapfind
from snapfind.catalog.catalog import Catalog
from snapfind.core.query import QueryTerm
from snapfind.encoders.crossmodal.lit import LitMaps, LitSpace
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.evaluation.metrics import average_precision
from snapfind.training.methods.lit_titles import train_on_titles

FOLDER = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
LabeledQuery = tuple[str, str]  # what is typed, the product
Ranks = tuple[int, int]  # places from 0: in the catalog's answer, among the products without a title


def products() -> list[dict[str, str]]:
    """id, title, description, picture."""
    with (FOLDER / "classes.csv").open() as table:
        rows = list(csv.reader(table))[1:]
    found = []
    for number, (name, _, _, _, picture, description) in enumerate(rows):
        told = "".join(path.read_text("utf-8") for path in (FOLDER / description).parent.glob("*_Information.txt"))
        titles = [line.split(": ", 1)[1].strip() for line in told.splitlines() if line.startswith("Title: ")]
        text = (FOLDER / description).read_text("utf-8").strip()
        title = titles[0] if titles else name.replace("-", " ")
        found.append({"id": f"p{number}", "name": name, "title": title, "description": text, "picture": picture})
    return found


def queries() -> dict[str, list[LabeledQuery]]:
    """The three kinds."""
    ids = {own["name"]: own["id"] for own in products()}
    nouns = [(typed, ids[name]) for name, told in (IN_IMAGENET | NOT).items() for typed in told]
    with (Path(__file__).parent / "text_queries.csv").open() as table:
        sentences = [(row["query"], ids[row["product"]]) for row in csv.DictReader(table)]
    names = [(name.replace("-", " "), own) for name, own in ids.items()]
    return {"names": names, "nouns": nouns, "sentences": sentences}


def shop_of(work: Path) -> Catalog:
    """The catalog, made anew."""
    table, rows = work / "products.csv", products()
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "title", "description", "picture"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    shop = snapfind.open(work / "shop.snap")
    shop.models.use_text_to_image(None)
    report = shop.add(table, root=FOLDER)
    assert not report.failures, report.failures[0]
    return shop


def ranks(shop: Catalog, asked: Sequence[LabeledQuery]) -> list[Ranks]:
    """The places of the product that is meant."""
    found = []
    for typed, product in asked:
        hits = list(shop.search([QueryTerm(text=typed)], limit=81))
        ids = [hit.product.id for hit in hits]
        near = {hit.product.id: hit.parts["text_to_image"] for hit in hits if "text_to_image" in hit.parts}
        place = ids.index(product) if product in ids else 81
        found.append((place, sum(other > near[product] for other in near.values()) if product in near else 81))
    return found


def folds(shop: Catalog, work: Path, seed: int) -> dict[tuple[str, str], list[Ranks]]:
    """(way, kind of query) -> ranks, each product without a title once; prints the shares that were chosen."""
    rows, every = products(), queries()
    parts = np.random.default_rng([9, seed]).permutation(len(rows)) % 5
    found: dict[tuple[str, str], list[Ranks]] = {}
    for fold in range(5):
        gone = {own["id"]: own for own, part in zip(rows, parts) if part == fold}
        for product in gone:
            shop.update(product, {"title": None, "description": None})
        asked = {kind: [one for one in own if one[1] in gone] for kind, own in every.items()}
        for kind, own in asked.items():
            found.setdefault(("ConSE", kind), []).extend(ranks(shop, own))
        titles = [(own["title"], own["id"]) for own in rows if own["id"] not in gone]
        judges = {("titles", kind): titles for kind in every} | {("queries", kind): own for kind, own in every.items()}
        for (way, kind), judge in judges.items():
            learned = train_on_titles(shop, judge, work / "locked", seed=seed)
            print(f"seed {seed} fold {fold} {kind} judged by {way}: {learned}", flush=True)
            shop.models.use_text_to_image(work / "locked" if learned.share else None)
            found.setdefault((f"judged by {way}", kind), []).extend(ranks(shop, asked[kind]))
        shop.models.use_text_to_image(None)
        for product, own in gone.items():
            shop.update(product, {"title": own["title"], "description": own["description"]})
    return found


def cells(places: Sequence[Sequence[int]]) -> str:
    """@1, @5 and mean reciprocal rank over seeds."""
    told = [np.array(own) for own in places]
    columns = ([float(own.mean()) for own in row] for row in zip(*((t < 1, t < 5, 1 / (1 + t)) for t in told)))
    return " | ".join(spread(own) if len(set(own)) > 1 else f"{own[0]:.3f}" for own in columns)


def photos(shop: Catalog, work: Path) -> None:
    """Nouns against photos that have no text: titles of all products are learned, or but those of the product asked."""
    data = grocery()
    look = Builtin.load().extract_features([one.load() for one in data.val])
    names = np.array([own["name"] for own in products()])
    labels, text, conse = names[labels_of(data.val)], shop.model.text, shop.model.conse
    spaces = {"ConSE": [(conse.encode_features(look.posterior), conse.centered)]}
    train_on_titles(shop, [(own["title"], own["id"]) for own in products()], work / "locked")
    locked = LitSpace(LitMaps.load(work / "locked"), text)
    spaces["learned on all titles"] = [(locked.encode_features(look), locked.centered)]
    print("\n| bridge | products | en | sv | zh |\n|---|---|---|---|---|")
    for name, ((rows, centered),) in spaces.items():
        for kind, wanted in (("in ImageNet", IN_IMAGENET), ("not", NOT)):
            there = [own for own in wanted if (labels == own).any()]
            found = []
            for language in range(3):
                asked = centered(text.texts([wanted[own][language] for own in there], "query")) @ rows.T
                order = [np.argsort(-row, kind="stable").tolist() for row in asked]
                right = [set(np.flatnonzero(labels == own).tolist()) for own in there]
                found.append(f"{np.mean([average_precision(*pair) for pair in zip(order, right)]):.3f}")
            print(f"| {name} | {kind} (n={len(there)}) | {' | '.join(found)} |", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    with shop_of(given.work) as shop:
        told = [folds(shop, given.work, seed) for seed in range(given.seeds)]
        columns = ("@1, catalog", "@5", "MRR", "@1, bridge", "@5", "MRR")
        print(f"\n| queries | n | bridge | {' | '.join(columns)} |\n|---|---|---|{'---|' * len(columns)}")
        for kind in ("names", "nouns", "sentences"):
            for name in ("ConSE", "judged by titles", "judged by queries"):
                own = [found[name, kind] for found in told]
                sides = [cells([[rank[side] for rank in row] for row in own]) for side in (0, 1)]
                print(f"| {kind} | {len(own[0])} | {name} | {' | '.join(sides)} |", flush=True)
        photos(shop, given.work)


if __name__ == "__main__":
    main()
