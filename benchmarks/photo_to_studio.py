"""How often does a shopper's photo find the right studio picture, by variants of the encoder? Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/photo_to_studio.py                # val: the figures that are reported
    SNAPFIND_DATA=... python benchmarks/photo_to_studio.py --split train  # every fourth photo: for choosing

Queries: the photos of `grocery`; gallery: its 81 studio pictures, one a class. recall@1 and recall@5 count the class,
category@1 the group of classes; intervals are 95 %, from 2,000 bootstrap draws of the photos. No variant is fitted on a
photo except the row marked so (what photos of shoppers add: benchmarks/fit_photos.py). Lite2 has a row where
scripts/export_encoder.py has made it. `--shop SHOP` gives a row for each model of a catalog instead.
"""

import argparse
import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import snapfind
from snapfind.catalog.models.registry import open_registered
from snapfind.core.errors import NotFound
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.adapters.fit import fit
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor

Pictures = list[Image.Image]
Rows = Iterator[tuple[str, Vectors, Vectors]]


class Grocery:
    """Photos with their fine class, studio pictures by class, coarse class by fine class."""

    def __init__(self, split: str, *, every: int | None = None) -> None:
        self.folder, self.split = Path(os.environ["SNAPFIND_DATA"]) / "grocery", split
        with (self.folder / "classes.csv").open() as table:
            classes = list(csv.reader(table))[1:]
        self.studio = [self.open(row[4]) for row in classes]
        self.coarse = np.array([int(row[3]) for row in classes])
        lines = [line.split(", ") for line in (self.folder / f"{split}.txt").read_text().splitlines()]
        lines = lines[:: every or (4 if split == "train" else 1)]
        self.photos = [self.open(path) for path, _, _ in lines]
        self.fine = np.array([int(fine) for _, fine, _ in lines])

    def open(self, path: str) -> Image.Image:
        """RGB."""
        return Image.open(self.folder / path).convert("RGB")


def squared(image: Image.Image, how: str) -> Image.Image:
    """A square of the longer side by other means than one color."""
    side, (width, height) = max(image.size), image.size
    if how == "squash":
        return image.resize((side, side), Image.Resampling.BICUBIC)
    modes = {"edge": "edge", "reflect": "symmetric", "mean": "mean"}
    across, down = side - width, side - height
    padding = ((down // 2, down - down // 2), (across // 2, across - across // 2), (0, 0))
    return Image.fromarray(np.pad(np.asarray(image), padding, modes[how]))  # type: ignore[call-overload]


def portrait(image: Image.Image) -> Image.Image:
    """The middle 3:4, as phones take it: nearly all photos of the data set were cut square, which hides the padding."""
    width, height = image.size
    return image.crop((width // 8, 0, width - width // 8, height)) if width == height else image


def middle(image: Image.Image) -> Image.Image:
    """The center 80 % each way: of 60 to 100 % the best on photos of `train`."""
    width, height = image.size
    return image.crop((int(width * 0.1), int(height * 0.1), int(width * 0.9), int(height * 0.9)))


def maps(encoder: Builtin, images: Pictures) -> Vectors:
    """(n, 1280, 49): the last feature map."""
    rows = [
        encoder._session.run(["map"], {"pictures": to_tensor(images[at : at + 16], encoder.preprocessing)})[0]
        for at in range(0, len(images), 16)
    ]
    return np.concatenate(rows).reshape(len(images), 1280, -1)


def with_preprocessing(encoder: Builtin, chosen: Preprocessing) -> Builtin:
    """The same network, fed otherwise."""
    return Builtin(encoder._session, encoder._manifest, chosen)


def raw_rows(data: Grocery, encoder: Builtin) -> Rows:
    """Variants of preprocessing and pooling, nothing fitted."""

    def seen(
        model: Builtin, change: Callable[[Image.Image], Image.Image] = lambda image: image
    ) -> tuple[Vectors, Vectors]:
        return model.images([change(i) for i in data.photos], "query"), model.images(data.studio, "document")

    photos, studio = maps(encoder, data.photos), maps(encoder, data.studio)
    yield "lite0, flat mean of the map", unit(photos.mean(2)), unit(studio.mean(2))
    for power in (2, 3):
        yield (
            f"lite0, GeM p={power}",
            *(unit((m**power).mean(2) ** (1 / power)) for m in (photos, studio)),
        )
    yield (
        "lite0, flat mean, means of both sides taken off (fitted on these photos, no labels)",
        *(unit(unit(m.mean(2)) - unit(m.mean(2)).mean(0)) for m in (photos, studio)),
    )
    yield "**lite0 raw (center-weighted, white pad)**", *seen(encoder)
    for name, pad in (("white", (255, 255, 255)), ("black", (0, 0, 0)), ("gray", (127, 127, 127))):
        model = with_preprocessing(encoder, replace(encoder.preprocessing, pad=pad))
        yield f"lite0 raw, photos cut to 3:4, {name} pad", *seen(model, portrait)
    for how in ("edge", "reflect", "mean", "squash"):
        yield f"lite0 raw, photos cut to 3:4, {how} pad", *seen(encoder, lambda i, how=how: squared(portrait(i), how))
    for name in ("bilinear", "lanczos"):
        chosen = replace(encoder.preprocessing, interpolation=name)
        yield f"lite0 raw, {name}", *seen(with_preprocessing(encoder, chosen))


def fitted_rows(data: Grocery, encoder: Builtin) -> Rows:
    """The adapter and its parts, fitted on the studio pictures and their rephotographs."""
    adapter = fit(data.studio, encoder)
    one = np.eye(1280, dtype=np.float32)
    whitening = adapter.weights["query_matrix"]
    whole, studio = encoder.extract_features(data.photos).pooled, encoder.extract_features(data.studio).pooled
    for name, query, catalog in (
        ("means of studio and rephotographs only", one, one),
        ("means and whitening", whitening, whitening),
        ("means, whitening, regression = **adapter**", whitening, adapter.weights["document_matrix"]),
    ):
        part = Adapter(encoder.raw_id, adapter.weights | {"query_matrix": query, "document_matrix": catalog})
        yield f"{encoder.name} + {name}", part.project(whole, "query"), part.project(studio, "document")
    catalog_rows = adapter.project(studio, "document")
    crops = adapter.project(encoder.extract_features([middle(image) for image in data.photos]).pooled, "query")
    turned = adapter.project(
        encoder.extract_features([ImageOps.mirror(image) for image in data.photos]).pooled, "query"
    )
    whole_rows = adapter.project(whole, "query")
    yield f"{encoder.name} + adapter, center 80 % only", crops, catalog_rows
    yield f"{encoder.name} + adapter, whole and center 80 % (2 looks)", unit(whole_rows + crops), catalog_rows
    yield f"{encoder.name} + adapter, whole and mirrored (2 looks)", unit(whole_rows + turned), catalog_rows


def rows_of(shop: Path, data: Grocery) -> Rows:
    """The models of a catalog, whichever answers, built to the end or not."""
    with snapfind.open(shop, create=False) as opened:
        for name, told in opened.folder.manifest.models.items():
            encoder = open_registered(opened.folder, name, opened.settings)
            kind = "learned" if "learned" in encoder.name else "fitted" if told.adapted else "raw"
            seen = encoder.images(data.photos, "query"), encoder.images(data.studio, "document")
            yield f"{kind}, {told.precision} ({name})", *seen


def report(data: Grocery, rows: Rows) -> None:
    """One line a variant."""
    draws = np.random.default_rng(0).integers(len(data.fine), size=(2000, len(data.fine)))
    for name, photos, studio in rows:
        order = np.argsort(-(photos @ studio.T), axis=1, kind="stable")
        first = order[:, 0]
        measures = (
            first == data.fine,
            (order[:, :5] == data.fine[:, None]).any(axis=1),
            data.coarse[first] == data.coarse[data.fine],
        )
        cells = []
        for right in measures:
            low, high = np.quantile(right[draws].mean(axis=1), (0.025, 0.975))
            cells.append(f"{right.mean():.3f} ({low:.3f}-{high:.3f})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=["val", "train"], default="val")
    parser.add_argument("--shop", type=Path, help="a catalog: its models as they stand, and nothing else")
    parser.add_argument("--others", action="store_true", help="only the rows of other encoders than lite0")
    given = parser.parse_args()
    data = Grocery(given.split)
    print(f"n = {len(data.photos)} photos of `{given.split}`, {len(np.unique(data.fine))} classes among 81\n")
    print("| variant | recall@1 | recall@5 | category@1 |\n|---|---|---|---|")
    if given.shop:
        report(data, rows_of(given.shop, data))
        return
    if not given.others:
        encoder = Builtin.load("lite0")
        report(data, raw_rows(data, encoder))
        report(data, fitted_rows(data, encoder))
    try:
        other = Builtin.load("lite2")
    except NotFound as missing:
        print(f"| lite2 | {missing} | | |")
        return
    report(data, iter([("lite2 raw", other.images(data.photos, "query"), other.images(data.studio, "document"))]))
    report(data, fitted_rows(data, other))


if __name__ == "__main__":
    main()
