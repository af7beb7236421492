"""OCLEAR (arXiv 2305.03972) on made-up products of picture and title. Prints Markdown.

    python benchmarks/learn_categories.py

160 products in 16 kinds, each a pattern of 32 numbers, its kind's with a detail of its own. A product's picture has 6
patches: one shows it, the others show props that are other products; its title has a word for its kind and three that
say nothing. A photo has 4 patches: two of the product, two of clutter. Popularity is Zipf's. A photo has 4 clicks, of
which `wrong` go to any product. Recall@1: the product of 1,000 unseen photos among all 160, each product asked for
equally often. Mean and deviation over seeds.
"""

import argparse
from dataclasses import replace

import numpy as np
import torch
from learn_data import spread
from torch import Tensor
from torch.nn import functional

from snapfind.training.loop import TrainingConfig, train
from snapfind.training.methods.category_attention import Document, PhotoToProduct, make_classes

PRODUCTS, KINDS, WIDTH, WORD, PHOTOS, BATCH = 160, 16, 32, 16, 4000, 128
TRAINING = TrainingConfig(epochs=12, rate=3e-3)


class Pairs(PhotoToProduct):
    """The baseline: InfoNCE of photo and clicked product over the batch instead of a classifier."""

    def forward(self, photos: Tensor, patches: Tensor, concepts: Tensor, there: Tensor, labels: Tensor) -> Tensor:
        """A scalar; labels are not looked at."""
        pairs = self.photos(photos) @ self.products(Document(patches, concepts, there)).T * 16
        own = torch.arange(len(pairs))
        return 0.5 * (functional.cross_entropy(pairs, own) + functional.cross_entropy(pairs.T, own))


class World:
    """The products, and photos of them on demand."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([5, seed])
        kinds = self.rng.normal(size=(KINDS, WIDTH))
        self.kind = np.arange(PRODUCTS) % KINDS
        self.looks = kinds[self.kind] + 0.7 * self.rng.normal(size=(PRODUCTS, WIDTH))
        props = self.rng.integers(PRODUCTS, size=(PRODUCTS, 6))
        patches = self.looks[props]
        patches[np.arange(PRODUCTS), self.rng.integers(6, size=PRODUCTS)] = self.looks
        words = self.rng.normal(size=(KINDS, WORD))
        empty = self.rng.normal(size=(20, WORD))
        concepts = np.concatenate([words[self.kind][:, None], empty[self.rng.integers(20, size=(PRODUCTS, 3))]], 1)
        self.patches, self.concepts = torch.tensor(patches).float(), torch.tensor(concepts).float()

    def photos(self, products: np.ndarray) -> Tensor:
        """(n, 4, 32)."""
        own = np.repeat(self.looks[products][:, None], 2, 1)
        clutter = self.rng.normal(size=own.shape)
        seen = np.concatenate([own, clutter], 1)
        return torch.tensor(seen + 0.8 * self.rng.normal(size=seen.shape)).float()


def recall(world: World, model: PhotoToProduct, there: Tensor) -> float:
    """Recall@1."""
    asked = world.rng.integers(PRODUCTS, size=1000)
    with torch.no_grad():
        found = (
            model.encode_query_images(world.photos(asked))
            @ model.products(Document(world.patches, world.concepts, there)).T
        )
    return float((found.argmax(1).numpy() == asked).mean())


def learned(seed: int, *, text: bool, classify: bool, governed: bool, wrong: float) -> float:
    """Recall@1 of one variant."""
    world = World(seed)
    chance = 1 / np.arange(1, PRODUCTS + 1)
    truth = world.rng.choice(PRODUCTS, PHOTOS, p=chance / chance.sum())
    photos = world.photos(truth)
    number = np.repeat(np.arange(PHOTOS), 4)
    clicked = np.where(
        world.rng.random(len(number)) < wrong, world.rng.integers(PRODUCTS, size=len(number)), truth[number]
    )
    pairs, classes = np.arange(len(number)), np.arange(PRODUCTS)
    if governed:
        pairs, classes = make_classes(number, clicked, PRODUCTS, min_shared=20, max_pairs=200, seed=seed)
    there = torch.full(world.concepts.shape[:2], text)
    torch.manual_seed(seed)
    model = (PhotoToProduct if classify else Pairs)(WIDTH, WORD, 64, int(classes.max()) + 1)

    def batch(epoch: int, step: int) -> tuple[Tensor, ...]:
        rows = np.random.default_rng([seed, epoch, step]).choice(pairs, BATCH)
        own = clicked[rows]
        seen = photos[number[rows]], world.patches[own], world.concepts[own], there[own]
        return *seen, torch.from_numpy(classes[own])

    best = train(model, batch, 60, replace(TRAINING, seed=seed)).module
    assert isinstance(best, PhotoToProduct)
    return recall(world, best, there)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    variants = {
        "InfoNCE, picture only": {"text": False, "classify": False, "governed": False},
        "InfoNCE, picture + title": {"text": True, "classify": False, "governed": False},
        "classes, picture only": {"text": False, "classify": True, "governed": False},
        "classes, picture + title": {"text": True, "classify": True, "governed": False},
        "classes, picture + title, governed": {"text": True, "classify": True, "governed": True},
    }
    print(f"{given.seeds} seeds\n\n| method | 0 % wrong clicks | 20 % | 40 % |\n|---|---|---|---|")
    for name, own in variants.items():
        cells = [spread([learned(seed, **own, wrong=part) for seed in range(given.seeds)]) for part in (0.0, 0.2, 0.4)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
