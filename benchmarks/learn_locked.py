"""Texts and pictures in one space: locked tuning on grocery and clothing, beside ConSE. Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/learn_locked.py --work DIR --choose    # leave-classes-out inside `train`
    SNAPFIND_DATA=... python benchmarks/learn_locked.py --work DIR             # `val` and `validation`
    SNAPFIND_DATA=... python benchmarks/learn_locked.py --work DIR --write examples/groceries-and-clothes

Titles are class names: 81 of grocery, 10 of clothing. Fitted on `train` of both (every third photo of clothing), asked
with `val` (296 photos, 59 classes) and `validation` (341 photos): photo -> title is the part of the photos whose
nearest of the 91 titles is theirs, title -> photo the part of the titles whose nearest photo is theirs. "Unseen": 27
classes of grocery and 3 of clothing, drawn anew for each seed, are left out of training, and their photos and titles
are ranked among each other. Posteriors for `--choose` are made from the pooled features, which comes close.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from learn_data import clothing, frozen, grocery, labels_of, spread
from numpy.typing import NDArray
from onnx import numpy_helper

from snapfind.encoders.arrays import softmax
from snapfind.encoders.base import Vectors
from snapfind.encoders.crossmodal.conse import Conse
from snapfind.encoders.crossmodal.lit import LitSpace
from snapfind.encoders.image.efficientnet import Builtin, Features
from snapfind.encoders.text.e5 import TextEncoder
from snapfind.training.export import SHIPPED
from snapfind.training.loop import TrainingConfig
from snapfind.training.methods.lit import LitConfig, Pairs, classes_of, fit_maps

GROCERY, CLOTHING = (
    81,
    ("dress", "hat", "longsleeve", "outwear", "pants", "shirt", "shoes", "shorts", "skirt", "t-shirt"),
)
NONE = TrainingConfig(epochs=0)
Rows = NDArray[np.int64]
Bridge = tuple[Callable[[Features], Vectors], Callable[[Vectors], Vectors]]  # of pictures, of encoded titles


@dataclass(frozen=True)
class Seen:
    """Photos of both sets: features, posteriors, classes 0..90."""

    look: Features
    labels: Rows

    def rows(self, chosen: NDArray[np.bool_]) -> "Seen":
        """Those."""
        return Seen(Features(self.look.pooled[chosen], self.look.posterior[chosen]), self.labels[chosen])


def posterior(pooled: Vectors) -> Vectors:
    """Of the file's classifier, on features pooled toward the middle where it was trained on plain means."""
    held = {own.name: numpy_helper.to_array(own) for own in onnx.load(SHIPPED / "model.onnx").graph.initializer}
    return softmax(pooled @ held["_fc.weight_half"].astype(np.float32).T + held["_fc.bias"])


def trained(work: Path) -> Seen:
    """Grocery, and every third photo of clothing."""
    food, wear = grocery().train, clothing("train")[::3]
    rows = (frozen(food, work, "train", 2).features[:, 0], frozen(wear, work, "clothing-train").features[:, 0])
    pooled = np.concatenate([np.asarray(own, np.float32) for own in rows])
    return Seen(Features(pooled, posterior(pooled)), np.concatenate([labels_of(food), GROCERY + labels_of(wear)]))


def asked() -> Seen:
    """`val` and `validation`, as the shop floor looks at them."""
    food, wear = grocery().val, clothing("validation")
    look = Builtin.load().extract_features([one.load() for one in [*food, *wear]])
    return Seen(look, np.concatenate([labels_of(food), GROCERY + labels_of(wear)]))


def figures(bridge: Bridge, seen: Seen, titles: Vectors, among: Rows) -> tuple[float, float]:
    """Photo -> title and title -> photo among those classes."""
    cosines = bridge[1](titles[among]) @ bridge[0](seen.look).T
    there = np.isin(among, seen.labels)
    right = seen.labels[cosines.argmax(1)] == among
    return float((among[cosines.argmax(0)] == seen.labels).mean()), float(right[there].mean())


def learned(seen: Seen, titles: Vectors, tuning: LitConfig, more: Pairs | None, text: TextEncoder) -> LitSpace:
    """The space that those photos give."""
    classes, own = np.unique(seen.labels, return_inverse=True)
    pairs = Pairs(seen.look.pooled, titles[classes], own)
    encoder = Builtin.load().raw_id
    return LitSpace(fit_maps(pairs if more is None else pairs.with_(more), encoder, text.space.id, tuning), text)


def write(folder: Path, train: Seen, titles: Vectors, names: list[str], text: TextEncoder) -> None:
    """The example space: all of `train`, the default tuning; its line of the table."""
    space = learned(train, titles, LitConfig(), None, text)
    told = {
        "command": f"python benchmarks/learn_locked.py --work DIR --write {folder}",
        "learned_from": "train of GroceryStoreDataset (MIT, Marcus Klasson), a third of clothing-dataset-small's (CC0)",
        "titles": names,
    }
    replace(space.maps, metadata={**space.maps.metadata, **told}).save(folder)
    again = LitSpace.load(folder, text, Builtin.load().raw_id)
    found = figures((again.encode_features, again.centered), asked(), titles, np.arange(len(titles)))
    print(f"{folder}: photo -> title {found[0]:.3f}, title -> photo {found[1]:.3f}, with ConSE")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--write", type=Path, help="folder for the example space")
    given = parser.parse_args()
    torch.set_num_threads(1)
    text = TextEncoder()
    file = Path(os.environ["SNAPFIND_DATA"]) / "grocery" / "classes.csv"
    names = [row.split(",")[0].replace("-", " ") for row in file.read_text().splitlines()[1:]]
    titles = text.texts([*names, *CLOTHING], role="query")
    train = trained(given.work)
    if given.write:
        write(given.write, train, titles, [*names, *CLOTHING], text)
    else:
        table(given, train, titles, text)


def table(given: argparse.Namespace, train: Seen, titles: Vectors, text: TextEncoder) -> None:
    """Every space, asked for all classes and for unseen ones."""
    conse = Conse(text)
    plain: Bridge = (lambda look: conse.encode_features(look.posterior), conse.centered)
    held = np.random.default_rng(9).random(len(train.labels)) < 0.2
    test = train.rows(held) if given.choose else asked()
    use = train.rows(~held) if given.choose else train
    classes = np.arange(len(titles))
    parts = [np.sort(_left_out(seed)) for seed in range(given.seeds)]
    print(f"{len(use.labels)} photos learned from, {len(test.labels)} asked, {given.seeds} seeds\n")
    print("| space | photo -> title, all | title -> photo, all | photo -> title, unseen | title -> photo, unseen |")
    print("|---|---|---|---|---|")

    def line(name: str, all_: list[tuple[float, float]], unseen: list[tuple[float, float]]) -> None:
        sides = [[own[side] for own in found] for found in (all_, unseen) for side in (0, 1)]
        cells = [spread(own) if len(set(own)) > 1 else f"{own[0]:.3f}" for own in sides]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)

    unseen = [test.rows(np.isin(test.labels, out)) for out in parts]
    own = [figures(plain, part, titles, out) for part, out in zip(unseen, parts)]
    line("ConSE (nothing learned)", [figures(plain, test, titles, classes)], own)
    base = LitConfig()
    variants = {
        "closed form": (replace(base, training=NONE), None),
        "InfoNCE": (base, None),
        "sigmoid loss": (replace(base, loss="sigmoid"), None),
        "InfoNCE, ImageNet's classes as pairs": (base, classes_of(text)),
    }
    for name, (tuning, more) in variants.items():
        found: dict[float, tuple[list[tuple[float, float]], list[tuple[float, float]]]] = {1.0: ([], []), 0.5: ([], [])}
        whole = None
        for seed, out in enumerate(parts):
            own_tuning = replace(tuning, training=replace(tuning.training, seed=seed))
            if whole is None or tuning.training.epochs:  # the closed form draws nothing
                whole = learned(use, titles, own_tuning, more, text).maps
            rest = learned(use.rows(~np.isin(use.labels, out)), titles, own_tuning, more, text).maps
            for share, (all_, left) in found.items():
                spaces = [LitSpace(replace(maps, share=share), text) for maps in (whole, rest)]
                all_.append(figures((spaces[0].encode_features, spaces[0].centered), test, titles, classes))
                left.append(figures((spaces[1].encode_features, spaces[1].centered), unseen[seed], titles, out))
        line(f"{name}, alone", *found[1.0])
        line(f"{name}, with ConSE", *found[0.5])


def _left_out(seed: int) -> Rows:
    """27 classes of grocery and 3 of clothing."""
    rng = np.random.default_rng([8, seed])
    return np.concatenate([rng.permutation(GROCERY)[:27], GROCERY + rng.permutation(10)[:3]])


if __name__ == "__main__":
    main()
