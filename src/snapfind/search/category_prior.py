"""Which category of the shop a photo shows, and what that says of the products found.

Two voices, fused (Zhang et al., "Visual Search at Alibaba", arXiv 2102.04674, section 3.1): the vote of the nearest
products, and a model. The model needs no training: it holds for each category what the encoder's own classifier says
of the category's pictures, and compares that with what it says of the photo (Bhattacharyya coefficient). The fused
probabilities lean the ranking, never cut it. benchmarks/search.py measures each voice alone and both.
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
from snapfind.index.base import Found

__all__ = ["DEPTH", "EMPTY", "Prototypes", "apply_category_prior", "fuse", "log_chances", "vote"]

DEPTH = 100  # products that may change places; those behind follow as they were found
_VOTERS = 20
_TEMPERATURE = 0.05  # in cosine: a neighbour that much further away weighs a third
_SHARPNESS = 15.0  # of the model's softmax; this and the next two were chosen on photos of `train`
_MODEL_SAY = 0.4  # of the fusion of logarithms, the rest is the vote's
_LEAN = 0.07  # cosine that a factor e of probability is worth
_FLOOR = 1e-4  # probability of a category that nobody names


@dataclass(frozen=True, slots=True)
class Prototypes:
    """`names` of c categories, and (c, k) roots of the mean class probabilities of their pictures, float32."""

    names: tuple[str, ...]
    roots: Vectors

    @classmethod
    def of(cls, categories: Sequence[str], posteriors: Vectors) -> "Prototypes":
        """From the category of each picture and the (n, k) class probabilities that the encoder gives it."""
        names = tuple(sorted({name for name in categories if name}))
        of = np.array(categories)
        means = [posteriors[of == name].mean(axis=0) for name in names]
        return cls(names, np.sqrt(np.array(means, np.float32).reshape(len(names), posteriors.shape[1])))

    def guess(self, posterior: Vectors) -> dict[str, float]:
        """(k,) class probabilities of a photo -> category -> probability."""
        if not self.names:
            return {}
        alike = softmax(_SHARPNESS * (np.sqrt(posterior) @ self.roots.T)[None])[0]
        return {name: float(value) for name, value in zip(self.names, alike)}

    def save(self, path: Path) -> None:
        """One safetensors file; the names are its metadata."""
        path.write_bytes(save({"roots": self.roots}, metadata={"names": "\n".join(self.names)}))

    @classmethod
    def load(cls, path: Path) -> "Prototypes":
        """Raises ModelBroken where the file is not whole."""
        try:
            with safe_open(path, framework="np") as held:
                told, roots = held.metadata()["names"], held.get_tensor("roots")
            names = tuple(told.split("\n")) if told else ()
            if roots.shape[0] != len(names):
                raise ValueError("names and rows differ")
        except Exception as problem:
            raise ModelBroken(f"{path} is not whole ({problem}); run: snapfind model calibrate") from problem
        return cls(names, roots)


EMPTY = Prototypes((), np.zeros((0, 1000), np.float32))


def vote(nearest: Sequence[Found]) -> dict[str, float]:
    """Category -> share of the weighted votes of the nearest products; empty where none of them has one."""
    voters = [found for found in nearest[:_VOTERS] if found.payload.get("category")]
    weights: dict[str, float] = {}
    for found in voters:
        category = str(found.payload["category"])
        weights[category] = weights.get(category, 0.0) + math.exp((found.score - voters[0].score) / _TEMPERATURE)
    total = math.fsum(weights.values())  # the same whatever their order
    return {category: weight / total for category, weight in weights.items()}


def fuse(votes: Mapping[str, float], model: Mapping[str, float]) -> tuple[CategoryGuess, ...]:
    """Both voices as one, best first; probabilities sum to 1. Without a model the vote stands alone.

    Categories that only the model knows are those of products that went meanwhile or stand far off: they count too.
    """
    say = _MODEL_SAY if model else 0.0
    logs = {
        name: say * math.log(model.get(name, 0.0) + _FLOOR) + (1 - say) * math.log(votes.get(name, 0.0) + _FLOOR)
        for name in {*votes, *model}
    }
    best = max(logs.values(), default=0.0)
    weights = {name: math.exp(value - best) for name, value in logs.items()}
    total = math.fsum(weights.values())  # the same whatever their order
    ranked = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(CategoryGuess(name, weight / total) for name, weight in ranked)


def log_chances(found: Sequence[Found], guesses: Sequence[CategoryGuess]) -> list[float]:
    """The logarithm of the probability of each product's category; of one without a category, what to expect."""
    logs = {guess.category: math.log(guess.probability + _FLOOR) for guess in guesses}
    expected = sum(guess.probability * logs[guess.category] for guess in guesses)
    floor = math.log(_FLOOR) if guesses else 0.0
    return [logs.get(str(one.payload["category"]), floor) if one.payload.get("category") else expected for one in found]


def apply_category_prior(found: Sequence[Found], guesses: Sequence[CategoryGuess]) -> list[Found]:
    """The first products of a ranking in a new order, with `score` leant by their category; the rest follows."""
    head, rest = list(found[:DEPTH]), list(found[DEPTH:])
    adjusted = [replace(one, score=one.score + _LEAN * log) for one, log in zip(head, log_chances(head, guesses))]
    least = min((one.score for one in adjusted), default=0.0)
    behind = [replace(one, score=min(one.score, least)) for one in rest]
    return sorted(adjusted, key=lambda one: (-one.score, one.id)) + behind
