"""Grocery and clothing as things to learn from, and recall@1 of an encoder with its interval: what learn_*.py share."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from snapfind.encoders.base import Vectors
from snapfind.encoders.image.preprocess import Preprocessing
from snapfind.training.data.augmentation import Sample
from snapfind.training.data.feature_cache import FeatureCache, build_feature_cache, load_frozen_front
from snapfind.training.export import SHIPPED

_DRAWS = 2000


@dataclass(frozen=True)
class Grocery:
    """Photos of `train` and `val`, 81 studio pictures, and the coarse class of each of the 81."""

    train: list[Sample]
    val: list[Sample]
    studio: list[Sample]
    coarse: NDArray[np.int64]


def open_rgb(path: Path) -> Image.Image:
    """RGB."""
    return Image.open(path).convert("RGB")


def grocery() -> Grocery:
    """From SNAPFIND_DATA."""
    folder = Path(os.environ["SNAPFIND_DATA"]) / "grocery"
    with (folder / "classes.csv").open() as table:
        rows = list(csv.reader(table))[1:]

    def photos(split: str) -> list[Sample]:
        lines = [line.split(", ") for line in (folder / f"{split}.txt").read_text().splitlines()]
        return [Sample(partial(open_rgb, folder / path), int(fine), "photo") for path, fine, _ in lines]

    studio = [Sample(partial(open_rgb, folder / row[4]), int(row[1]), "studio") for row in rows]
    return Grocery(photos("train"), photos("val"), studio, np.array([int(row[3]) for row in rows]))


def clothing(split: str) -> list[Sample]:
    """Garment photos; the class is the product."""
    folder = Path(os.environ["SNAPFIND_DATA"]) / "clothing" / split
    kinds = sorted(child.name for child in folder.iterdir() if child.is_dir())
    return [
        Sample(partial(open_rgb, file), number, "photo")
        for number, kind in enumerate(kinds)
        for file in sorted((folder / kind).glob("*.jpg"))
    ]


def labels_of(shown: Sequence[Sample]) -> NDArray[np.int64]:
    """(n,) numbers of the products."""
    return np.array([one.product for one in shown])


def figure(right: NDArray[np.bool_]) -> str:
    """A mean with its 95 % bootstrap interval over the photos."""
    draws = np.random.default_rng(0).integers(len(right), size=(_DRAWS, len(right)))
    low, high = np.quantile(right[draws].mean(axis=1), (0.025, 0.975))
    return f"{right.mean():.3f} ({low:.3f}-{high:.3f})"


def cells(photos: Vectors, labels: NDArray[np.int64], studio: Vectors, coarse: NDArray[np.int64]) -> list[str]:
    """recall@1, recall@5 and category@1 of photos against one studio picture a class."""
    order = np.argsort(-(photos @ studio.T), axis=1, kind="stable")
    first = order[:, 0]
    fine5 = (order[:, :5] == labels[:, None]).any(axis=1)
    return [figure(first == labels), figure(fine5), figure(coarse[first] == coarse[labels])]


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def frozen(shown: Sequence[Sample], work: Path, name: str, views: int = 1) -> FeatureCache:
    """(n, views, 1280) features of the shipped encoder, kept in `work`."""
    work.mkdir(parents=True, exist_ok=True)
    front = load_frozen_front(SHIPPED / "model.onnx", "", torch.get_num_threads())
    preprocessing = Preprocessing(224)
    return build_feature_cache(shown, front, preprocessing, work / f"{name}.f16", views=views, seed=0)
