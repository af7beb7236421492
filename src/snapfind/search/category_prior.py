"""Category prediction of a photo, and the category prior of the ranking.

The prediction fuses two sources (Zhang et al., "Visual Search at Alibaba", arXiv 2102.04674, section 3.1): the vote of
the nearest products, and a prototype model. The model needs no training. For each category it stores the mean class
probabilities that the encoder's classifier gives the category's pictures, and compares them with those of the photo
(Bhattacharyya coefficient). The fused probabilities reorder the ranking and never remove a product.
benchmarks/search.py measures each source alone and both together.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from snapfind.core.errors import ModelBroken
from snapfind.core.types import CategoryGuess
from snapfind.encoders.arrays import softmax
from snapfind.encoders.base import Vectors
from snapfind.index.base import IndexMatch

__all__ = ["DEPTH", "EMPTY", "Prototypes", "apply_category_prior", "fuse", "log_chances", "vote"]

DEPTH = 100  # products that may be reordered; the rest keep their order
_VOTERS = 20
_TEMPERATURE = 0.05  # in cosine: a neighbor that much further away weighs a third
_SHARPNESS = 15.0  # of the model's softmax; this and the next two were chosen on photos of `train`
_MODEL_WEIGHT = 0.4  # in the fusion of logarithms; the vote has the rest
_STRENGTH = 0.07  # cosine per factor e of probability
_FLOOR = 1e-4  # probability of a category that neither source predicts


@dataclass(frozen=True, slots=True)
class Prototypes:
    """Category prototypes.

    Attributes:
        names: Names of c categories.
        roots: Square roots of the mean class probabilities of their pictures, float32 of shape (c, k).
    """

    names: tuple[str, ...]
    roots: Vectors

    @classmethod
    def of(cls, categories: Sequence[str], posteriors: Vectors) -> "Prototypes":
        """Compute prototypes from the pictures of a catalog.

        Args:
            categories: Category of each of n pictures, "" for none.
            posteriors: Class probabilities of the pictures, shape (n, k).

        Returns:
            One prototype for each category, sorted by name.
        """
        names = tuple(sorted({name for name in categories if name}))
        labels = np.array(categories)
        means = [posteriors[labels == name].mean(axis=0) for name in names]
        return cls(names, np.sqrt(np.array(means, np.float32).reshape(len(names), posteriors.shape[1])))

    def predict(self, posterior: Vectors) -> dict[str, float]:
        """Predict the category of a photo.

        Args:
            posterior: Class probabilities of the photo, shape (k,).

        Returns:
            Category -> probability. Empty without prototypes.
        """
        if not self.names:
            return {}
        probabilities = softmax(_SHARPNESS * (np.sqrt(posterior) @ self.roots.T)[None])[0]
        return {name: float(value) for name, value in zip(self.names, probabilities)}

    def save(self, path: Path) -> None:
        """Write one safetensors file with the names as metadata."""
        path.write_bytes(save({"roots": self.roots}, metadata={"names": "\n".join(self.names)}))

    @classmethod
    def load(cls, path: Path) -> "Prototypes":
        """Read the file that `save` wrote.

        Raises:
            ModelBroken: If the file is damaged.
        """
        try:
            with safe_open(path, framework="np") as file:
                joined, roots = file.metadata()["names"], file.get_tensor("roots")
            names = tuple(joined.split("\n")) if joined else ()
            if roots.shape[0] != len(names):
                raise ValueError("names and rows differ")
        except Exception as problem:
            raise ModelBroken(f"{path} is damaged ({problem}); run: snapfind model calibrate") from problem
        return cls(names, roots)


EMPTY = Prototypes((), np.zeros((0, 1000), np.float32))


def vote(nearest: Sequence[IndexMatch]) -> dict[str, float]:
    """Let the nearest products vote for their categories, weighted by similarity.

    Args:
        nearest: Points of a photo search, best first.

    Returns:
        Category -> share of the votes. Empty if none of the points has a category.
    """
    voters = [point for point in nearest[:_VOTERS] if point.payload.get("category")]
    weights: dict[str, float] = {}
    for point in voters:
        category = str(point.payload["category"])
        weights[category] = weights.get(category, 0.0) + math.exp((point.score - voters[0].score) / _TEMPERATURE)
    total = math.fsum(weights.values())  # the same whatever their order
    return {category: weight / total for category, weight in weights.items()}


def fuse(votes: Mapping[str, float], model: Mapping[str, float]) -> tuple[CategoryGuess, ...]:
    """Fuse the vote and the model by a weighted geometric mean.

    Categories that only the model predicts belong to products that were deleted since or are far away. They count too.

    Args:
        votes: Category -> share of the votes.
        model: Category -> probability of the prototype model. If empty, only the vote counts.

    Returns:
        Categories with their probabilities, best first. The probabilities sum to 1.
    """
    weight = _MODEL_WEIGHT if model else 0.0
    logs = {
        name: weight * math.log(model.get(name, 0.0) + _FLOOR) + (1 - weight) * math.log(votes.get(name, 0.0) + _FLOOR)
        for name in {*votes, *model}
    }
    best = max(logs.values(), default=0.0)
    weights = {name: math.exp(value - best) for name, value in logs.items()}
    total = math.fsum(weights.values())  # the same whatever their order
    ranked = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(CategoryGuess(name, value / total) for name, value in ranked)


def log_chances(points: Sequence[IndexMatch], guesses: Sequence[CategoryGuess]) -> list[float]:
    """Look up the log probability of each product's category.

    Args:
        points: Points of a ranking.
        guesses: Predicted categories.

    Returns:
        One log probability for each point. A product without a category gets the expected value.
    """
    logs = {guess.category: math.log(guess.probability + _FLOOR) for guess in guesses}
    expected = sum(guess.probability * logs[guess.category] for guess in guesses)
    floor = math.log(_FLOOR) if guesses else 0.0
    return [
        logs.get(str(point.payload["category"]), floor) if point.payload.get("category") else expected
        for point in points
    ]


def apply_category_prior(points: Sequence[IndexMatch], guesses: Sequence[CategoryGuess]) -> list[IndexMatch]:
    """Reorder a ranking by similarity plus scaled log probability of the category.

    Args:
        points: Points of a ranking, best first.
        guesses: Predicted categories.

    Returns:
        All points. The first `DEPTH` have adjusted scores and a new order. The rest follow in their old order.
    """
    head, rest = list(points[:DEPTH]), list(points[DEPTH:])
    adjusted = [
        replace(point, score=point.score + _STRENGTH * log) for point, log in zip(head, log_chances(head, guesses))
    ]
    lowest = min((point.score for point in adjusted), default=0.0)
    tail = [replace(point, score=min(point.score, lowest)) for point in rest]
    return sorted(adjusted, key=lambda point: (-point.score, point.id)) + tail
