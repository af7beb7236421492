"""Where are the products in a photo, and what is it worth to know? Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/regions.py                # val scenes and val photos: the figures reported
    SNAPFIND_DATA=... python benchmarks/regions.py --split train  # for choosing
    SNAPFIND_DATA=... python benchmarks/regions.py --sheet scenes.png   # six scenes with true and found boxes

First table: ways to find boxes without a label, on 150 pasted scenes (benchmarks/scenes.py). IoU and recall are over
objects, with the candidate nearest to each (six at most); "subject" is the first candidate against the nearest object.
Second table: what a search with the box is worth, raw and with the adapter of `snapfind model fit` (no label). "each
object": the shopper marks an object, and the candidate nearest to it is searched; "first answer": nothing is marked,
and the answer is right when its product is somewhere in the scene. Third: real photos of single products, where the
whole picture is already the subject. Intervals: 95 %, bootstrap over objects or photos.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scenes import DATA, scenes, studio

from snapfind.core.types import Box
from snapfind.encoders.adapters.fit import fit
from snapfind.encoders.image.efficientnet import Builtin, FeatureMap
from snapfind.evaluation.report import Figure
from snapfind.media.image.segment_color import Mask
from snapfind.search import region_proposals
from snapfind.search.photo_regions import subject
from snapfind.search.region_proposals import energy, fills, find

Way = Callable[[Image.Image, FeatureMap], list[Box]]


def boxes_of(mask: Mask, weight: np.ndarray) -> list[Box]:
    """Boxes around the parts of a mask, the heaviest first."""
    parts = sorted(region_proposals._parts(mask), key=lambda part: -float(weight[part].sum()))
    found = []
    for part in parts[:6]:
        rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
        height, width = part.shape
        found.append(Box(columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height))
    return found


def over_picture(cells: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(c, h, w) over the padded square -> (c, rows, columns) of the cells over the picture."""
    side = cells.shape[1]
    across, down = (max(2, round(side * part / max(size))) for part in size)
    left, top = (side - across) // 2, (side - down) // 2
    return cells[:, top : top + down, left : left + across]


def activation(of: str) -> Way:
    """Wei et al., arXiv 1604.04994: cells above the mean of the summed activation; no color."""

    def way(image: Image.Image, seen: FeatureMap) -> list[Box]:
        total = over_picture(getattr(seen, of), image.size).sum(axis=0)
        return boxes_of(total > total.mean(), total)

    return way


def parted(image: Image.Image, seen: FeatureMap) -> list[Box]:
    """The candidates of `find` before their boxes are drawn tight."""
    level = energy(seen.cells, image.size)
    return boxes_of(level > region_proposals._ABOVE * region_proposals._otsu_threshold(level), level)


def cut(image: Image.Image, seen: FeatureMap) -> list[Box]:
    """TokenCut (Wang et al., arXiv 2202.11539), again and again on what is left (MaskCut, arXiv 2301.11320)."""
    cells = over_picture(seen.cells, image.size)
    rows = cells.reshape(len(cells), -1).T
    rows = rows - rows.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    alike, left, found = rows @ rows.T > 0.2, np.ones(len(rows), bool), []
    for _ in range(4):
        places = np.flatnonzero(left)
        if len(places) < 8:
            break
        graph = np.where(alike[np.ix_(places, places)], 1.0, 1e-5)
        degree = graph.sum(axis=1)
        axes = np.linalg.eigh(np.eye(len(places)) - graph / np.sqrt(degree[:, None] * degree))[1]
        vector = axes[:, 1] / np.sqrt(degree)
        seed = int(np.abs(vector).argmax())
        chosen = (vector > vector.mean()) == (vector[seed] > vector.mean())
        mask = np.zeros(len(rows), bool)
        mask[places[chosen]] = True
        part = next(p for p in region_proposals._parts(mask.reshape(cells.shape[1:])) if p.ravel()[places[seed]])
        found += boxes_of(part, np.ones(part.shape))
        left[part.ravel()] = False
    return found


def clusters(image: Image.Image, seen: FeatureMap) -> list[Box]:
    """K-means (5) of the cells; clusters that hold more than an eighth of the border are background."""
    cells = over_picture(seen.cells, image.size)
    rows = cells.reshape(len(cells), -1).T
    rows = rows - rows.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    centers = rows[np.random.default_rng(0).choice(len(rows), 5, replace=False)]
    for _ in range(15):
        own = (rows @ centers.T).argmax(axis=1)
        centers = np.stack([rows[own == k].mean(axis=0) if (own == k).any() else centers[k] for k in range(5)])
    own = own.reshape(cells.shape[1:])
    border = np.concatenate([own[0], own[-1], own[1:-1, 0], own[1:-1, -1]])
    inside = [k for k in range(5) if (border == k).mean() <= 1 / 8]
    found = [box for k in inside for box in boxes_of(own == k, np.ones(own.shape))]
    return sorted((box for box in found if box.area > 0.01), key=lambda box: -box.area)[:6]


def shipped(image: Image.Image, seen: FeatureMap) -> list[Box]:
    """`snapfind.search.region_proposals.find`."""
    return [region.box for region in find(image, seen.cells)]


WAYS: dict[str, Way] = {
    "activation, last map (7 x 7)": activation("activations"),
    "activation, cells (14 x 14)": activation("cells"),
    "spectral cut of the cells": cut,
    "clusters of the cells": clusters,
    "energy of the cells, parted": parted,
    "**energy, parted, drawn tight by color**": shipped,
}


def nearest(box: Box, found: list[Box]) -> Box:
    """The candidate with the largest IoU; the whole picture where there is none."""
    return max(found, key=box.iou, default=Box(0, 0, 1, 1))


def finding(shown: list, seen: list[FeatureMap]) -> None:
    """The table of ways."""
    print("| way | mean IoU | objects at IoU .5 | subject at IoU .5 | candidates | ms |\n|---|---|---|---|---|---|")
    for name, way in WAYS.items():
        began = time.perf_counter()
        found = [way(photo, one) for (photo, _), one in zip(shown, seen)]
        each = 1000 * (time.perf_counter() - began) / len(shown)
        ious = [b.iou(nearest(b, f)) if f else 0.0 for (_, true), f in zip(shown, found) for _, b in true]
        first = [max(b.iou(f[0]) for _, b in true) if f else 0.0 for (_, true), f in zip(shown, found)]
        cells = [
            Figure.of(ious),
            Figure.of([float(x >= 0.5) for x in ious]),
            Figure.of([float(x >= 0.5) for x in first]),
        ]
        print(f"| {name} | {' | '.join(map(str, cells))} | {np.mean([len(f) for f in found]):.1f} | {each:.1f} |")


def worth(encoders: dict[str, Builtin], shown: list, seen: list[FeatureMap], pictures: list[Image.Image]) -> None:
    """The table of searches in scenes."""
    print("\n| space | searched | each object: recall@1 | first answer is in the scene |\n|---|---|---|---|")
    for space, encoder in encoders.items():
        gallery = encoder.images(pictures, "document")

        def first(crops: list[Image.Image], gallery: np.ndarray = gallery, encoder: Builtin = encoder) -> np.ndarray:
            return (encoder.images(crops, "query") @ gallery.T).argmax(axis=1)

        right: dict[str, tuple[list[float], list[float]]] = {
            name: ([], []) for name in ("whole picture", "found box", "true box")
        }
        for (photo, true), one in zip(shown, seen):
            products, found = [product for product, _ in true], shipped(photo, one)
            region = subject(photo, one, find(photo, one.cells))
            biggest = max((box for _, box in true), key=lambda box: box.area)
            whole = Box(0, 0, 1, 1)
            for name, each, chosen in (
                ("whole picture", [whole] * len(true), whole),
                ("found box", [nearest(box, found) for _, box in true], region.box if region else whole),
                ("true box", [box for _, box in true], biggest),
            ):
                answers = first([cut_out(photo, box) for box in [*each, chosen]])
                right[name][0].extend(float(a == p) for a, p in zip(answers, products))
                right[name][1].append(float(answers[-1] in products))
        for name, (objects, photos) in right.items():
            print(f"| {space} | {name} | {Figure.of(objects)} | {Figure.of(photos)} |")


def cut_out(photo: Image.Image, box: Box) -> Image.Image:
    """As the search cuts it."""
    return photo.crop(box.widened(0.1).pixels(*photo.size))


def real(split: str, encoders: dict[str, Builtin], raw: Builtin, pictures: list[Image.Image]) -> None:
    """The table of real photos."""
    lines = [line.split(", ") for line in (DATA / "grocery" / f"{split}.txt").read_text().splitlines()]
    lines = lines[:: 6 if split == "train" else 1]
    fine = [int(line[1]) for line in lines]
    whole, cropped, filled = [], [], 0
    for path, _, _ in lines:
        photo = Image.open(DATA / "grocery" / path).convert("RGB")
        seen = raw.extract_feature_map(photo)
        found = find(photo, seen.cells)
        region = subject(photo, seen, found)
        filled += fills(energy(seen.cells, photo.size))
        whole.append(photo)
        cropped.append(cut_out(photo, region.box) if region else photo)
    searched = sum(a is not b for a, b in zip(whole, cropped))
    print(f"\n{len(lines)} photos: {filled} fill their frame, a box is searched in {searched}\n")
    print("| space | whole picture | **subject** (whole where it fills the frame) |\n|---|---|---|")
    for space, encoder in encoders.items():
        gallery = encoder.images(pictures, "document")
        answers = [(encoder.images(photos, "query") @ gallery.T).argmax(axis=1) for photos in (whole, cropped)]
        print(f"| {space} | {' | '.join(str(Figure.of((a == fine).astype(float).tolist())) for a in answers)} |")


def draw(shown: list, seen: list[FeatureMap], target: Path) -> None:
    """True boxes dashed in blue, found ones in orange, the subject's thick."""
    sheet = Image.new("RGB", (3 * 330, 2 * 440), "white")
    for place, ((photo, true), one) in enumerate(zip(shown[:6], seen)):
        drawn = photo.copy()
        pen = ImageDraw.Draw(drawn)
        for _, box in true:
            pen.rectangle(box.pixels(*photo.size), outline=(0, 90, 200), width=3)
        for rank, box in enumerate(shipped(photo, one)):
            pen.rectangle(box.pixels(*photo.size), outline=(255, 150, 0), width=6 if rank == 0 else 3)
        drawn.thumbnail((320, 430))
        sheet.paste(drawn, (place % 3 * 330, place // 3 * 440))
    sheet.save(target)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=("val", "train"), default="val")
    parser.add_argument("--sheet", type=Path)
    given = parser.parse_args()
    shown = list(scenes(given.split, 150, 2 if given.split == "val" else 1))
    raw, (_, _, pictures) = Builtin.load(), studio()
    seen = [raw.extract_feature_map(photo) for photo, _ in shown]
    if given.sheet:
        draw(shown, seen, given.sheet)
        return
    print(f"{len(shown)} scenes of `{given.split}`, {sum(len(true) for _, true in shown)} objects\n")
    finding(shown, seen)
    encoders = {"raw": raw, "fitted": raw.adapted(fit(pictures, raw))}
    worth(encoders, shown, seen, pictures)
    real(given.split, encoders, raw, pictures)


if __name__ == "__main__":
    main()
