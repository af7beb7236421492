"""Distillation on grocery: Lite2, and Lite2 with learned heads, teach Lite0. Prints Markdown.

    SNAPFIND_DATA=... python benchmarks/learn_distill.py --work DIR
    SNAPFIND_DATA=... python benchmarks/learn_distill.py --work DIR --learned ARTIFACT

The pupil learns from the photos of `train` and the 81 studio pictures without a label, heads only, each as it is.
recall@1 is a photo of `val` against the 81 studio pictures: with a 95 % bootstrap interval over the photos where
nothing is drawn, mean and deviation over seeds where something is. The teacher with learned heads has seen the labels
of `train`, so what it hands on is worth them; beside it stands the pupil that learns from the labels itself.
`--learned` takes an artifact of benchmarks/learn_catalog.py as the teacher instead: a network that learned from these
labels.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from learn_data import figure, frozen, grocery, labels_of, spread
from numpy.typing import NDArray
from torch import nn

from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.encoders.image.efficientnet import Builtin, Features
from snapfind.training.data.augmentation import Sample
from snapfind.training.data.batches import make_batches
from snapfind.training.data.feature_cache import FeatureCache, build_feature_cache
from snapfind.training.initialization import drop_suspect_labels, encode_samples, initialize_heads
from snapfind.training.loop import train
from snapfind.training.methods.catalog_adaptation import LADDER
from snapfind.training.methods.distillation import LADDER as DISTILLATION
from snapfind.training.methods.distillation import (
    DistillationLoss,
    Student,
    project_teacher,
    teacher_front,
    train_student,
)
from snapfind.training.models.adaptation import ProductRecognizer
from snapfind.training.models.heads import Heads

PULLS = {
    "features and relations": DistillationLoss(),
    "features alone": DistillationLoss(relations=0.0),
    "relations alone": DistillationLoss(features=0.0),
}


def first(maps: FeatureCache) -> FeatureCache:
    """The pictures themselves, without the views drawn of them."""
    return FeatureCache(np.asarray(maps.features)[:, :1], maps.products, maps.queries)


def joined(train: FeatureCache, studio: FeatureCache) -> FeatureCache:
    """Photos, then studio pictures."""
    products, queries = (
        np.concatenate([getattr(own, name) for own in (train, studio)]) for name in ("products", "queries")
    )
    return FeatureCache(np.concatenate([np.asarray(train.features), np.asarray(studio.features)]), products, queries)


class Bench:
    """Features of every picture by both networks, and who is right."""

    def __init__(self, work: Path, teacher: Builtin, name: str) -> None:
        data, self.teacher = grocery(), teacher
        self.studio, self.labels = data.studio, labels_of(data.val)
        self.pupil = joined(first(frozen(data.train, work, "train", 2)), first(frozen(data.studio, work, "studio", 2)))
        self.asked = frozen(data.val, work, "val")
        seen = (
            self._by_teacher(data.train, work / f"{name}-train.f16", 1),
            self._by_teacher(data.studio, work / f"{name}-studio.f16", 1),
        )
        self.taught, self.taught_val = joined(*seen), self._by_teacher(data.val, work / f"{name}-val.f16", 1)

    def _by_teacher(self, shown: list[Sample], file: Path, views: int) -> FeatureCache:
        front, preprocessing = teacher_front(self.teacher), self.teacher.preprocessing
        return build_feature_cache(
            shown, front, preprocessing, file, views=views, seed=0, threads=torch.get_num_threads()
        )

    def right(self, photos: Vectors, studio: Vectors) -> NDArray[np.bool_]:
        """Of each photo of `val` whether its nearest studio picture is of its product."""
        return (photos @ studio.T).argmax(1) == self.labels

    def rows(self, learned: FeatureCache, asked: FeatureCache) -> tuple[Vectors, Vectors]:
        """Pooled features of `val` and of the studio pictures."""
        return np.asarray(asked.features[:, 0], np.float32), np.asarray(
            learned.features[~learned.queries, 0], np.float32
        )

    def of_module(
        self, module: Student | ProductRecognizer, learned: FeatureCache, asked: FeatureCache
    ) -> NDArray[np.bool_]:
        """`right`, of what was learned."""
        sides = zip(self.rows(learned, asked), (True, False))
        return self.right(*(module.vectors(torch.from_numpy(rows), query=query).numpy() for rows, query in sides))

    def of_encoder(self, encoder: Builtin) -> NDArray[np.bool_]:
        """`right`, of the teacher in a space of its own."""
        none = np.empty((0, 0), np.float32)
        photos, studio = (Features(rows, none) for rows in self.rows(self.taught, self.taught_val))
        return self.right(encoder.project(photos, "query"), encoder.project(studio, "document"))


def by_labels(source: FeatureCache, seed: int) -> ProductRecognizer:
    """Heads that learn from the labels of `train`."""
    step, again = LADDER["heads"], np.zeros(len(source.products), bool)
    seen = drop_suspect_labels(encode_samples(nn.Identity(), source, again, np.flatnonzero(source.queries)))
    learner = ProductRecognizer(nn.Identity(), *initialize_heads(seen, 81, step.dim, seed), step.config)
    batch, steps = make_batches(source, again, seen.rows[seen.queries], size=step.batch, seed=seed)
    found = train(learner, batch, steps, replace(step.training, epochs=15, seed=seed)).module
    assert isinstance(found, ProductRecognizer)
    return found


def pupil(bench: Bench, teacher: Builtin, pull: DistillationLoss, seed: int, epochs: int) -> Student:
    """Heads that learn from the teacher."""
    step = DISTILLATION["heads"]
    step = replace(step, pull=pull, training=replace(step.training, seed=seed, epochs=epochs))
    source, again = bench.pupil, np.zeros(len(bench.pupil.products), bool)
    wanted = project_teacher(bench.taught, teacher, step.dim)
    found = train_student(nn.Identity(), source, again, np.flatnonzero(source.queries), wanted, step).module
    assert isinstance(found, Student)
    return found


def with_heads(teacher: Builtin, heads: Heads) -> Builtin:
    """The teacher in the space of learned heads."""
    return teacher.adapted(heads.adapter(teacher.raw_id, {}))


def spread_of(bench: Bench, teacher: Callable[[int], Builtin], pull: DistillationLoss | None, seeds: range) -> str:
    """Mean and deviation of the pupils of those teachers; without a pull the closed form alone."""
    epochs = DISTILLATION["heads"].training.epochs if pull else 0
    found = [pupil(bench, teacher(seed), pull or DistillationLoss(), seed, epochs) for seed in seeds]
    return spread([float(bench.of_module(one, bench.pupil, bench.asked).mean()) for one in found])


def of_labels(bench: Bench, seeds: range) -> str:
    """recall@1 of heads that learn from the labels themselves."""
    return spread(
        [float(bench.of_module(by_labels(bench.pupil, seed), bench.pupil, bench.asked).mean()) for seed in seeds]
    )


def by_raw(bench: Bench, seeds: range) -> None:
    """Rows of the teacher as it is, and of the teacher with heads that learned from labels."""
    found = bench.right(*(unit(rows) for rows in bench.rows(bench.taught, bench.taught_val)))
    print(f"| teacher: Lite2, raw | none | {figure(found)} |", flush=True)
    print(
        f"| its pupil, closed form | none | {spread_of(bench, lambda seed: bench.teacher, None, seeds)} |", flush=True
    )
    for how, pull in PULLS.items():
        cell = spread_of(bench, lambda seed: bench.teacher, pull, seeds)
        print(f"| its pupil, {how} | none | {cell} |", flush=True)
    heads = {seed: by_labels(bench.taught, seed).heads for seed in seeds}
    learned = {seed: with_heads(bench.teacher, own) for seed, own in heads.items()}
    cell = spread([float(bench.of_encoder(learned[seed]).mean()) for seed in seeds])
    print(f"| teacher: Lite2, heads learned from labels | of `train` | {cell} |", flush=True)
    for how, pull in {"closed form": None, "features and relations": DistillationLoss()}.items():
        cell = spread_of(bench, lambda seed: learned[seed], pull, seeds)
        print(f"| its pupil, {how} | of `train`, through the teacher | {cell} |", flush=True)


def by_learned(bench: Bench, seeds: range) -> None:
    """Rows of a teacher that learned from labels."""
    name = bench.teacher.name
    print(f"| teacher: {name} | of `train` | {figure(bench.of_encoder(bench.teacher))} |", flush=True)
    for how, pull in {"closed form": None, "features and relations": DistillationLoss()}.items():
        cell = spread_of(bench, lambda seed: bench.teacher, pull, seeds)
        print(f"| its pupil, {how} | of `train`, through the teacher | {cell} |", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--learned", type=Path, help="an artifact that teaches in place of Lite2")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    teacher = Builtin.load(str(given.learned or "lite2"), threads=given.threads)
    bench, seeds = Bench(given.work, teacher, "learned" if given.learned else "lite2"), range(given.seeds)
    print(
        f"n = {len(bench.labels)} photos of `val`, {given.seeds} seeds\n\n"
        "| encoder | labels | recall@1 |\n|---|---|---|"
    )
    raw = [unit(rows) for rows in bench.rows(bench.pupil, bench.asked)]
    print(f"| Lite0, raw: the pupil before | none | {figure(bench.right(raw[0], raw[1]))} |")
    (by_learned if given.learned else by_raw)(bench, seeds)
    print(f"| Lite0, heads learned from labels, no teacher | of `train` | {of_labels(bench, seeds)} |")


if __name__ == "__main__":
    main()
