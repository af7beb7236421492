"""Simulated result lists with a hidden relevance: what a reranker sees, who clicks, and how far people look.

A photo's similarities are shifted and stretched by how hard the photo is, as real cosines are: what .7 means follows
from the others in the list. Shoppers look down with falling patience (Joachims et al., SIGIR 2005) and now and then
click what is wrong. Everything is drawn from a seed.
"""

from dataclasses import dataclass

import numpy as np

from snapfind.ranking.listwise import Lists

__all__ = ["Shoppers", "click", "simulate_lists"]


@dataclass(frozen=True, slots=True)
class Shoppers:
    """Chances: that place p (from 0) is looked at, `patience`^p; of a click there on what is right, and what is not."""

    patience: float = 0.9
    right: float = 0.7
    wrong: float = 0.05


def simulate_lists(count: int, seed: int, *, candidates: int = 24, shuffled: bool = False) -> Lists:
    """`shuffled`: shown in a random order, as a shop does for a few of its searches to learn how far people look."""
    rng = np.random.default_rng(seed)
    relevant = rng.random((count, candidates)) < rng.choice([0.04, 0.1, 0.2], size=(count, 1))
    ease, shift = rng.uniform(0.5, 2.0, (count, 1)), rng.normal(0, 1.0, (count, 1))
    strength = 1.6 * relevant + rng.standard_normal(relevant.shape)
    similarity = ease * strength + shift
    second = relevant + 1.2 * rng.standard_normal(relevant.shape)  # its category: weak, but of one scale everywhere
    cheap = rng.standard_normal(relevant.shape)
    lead = similarity - similarity.mean(axis=1, keepdims=True)
    features = np.stack([similarity, lead, second, cheap], axis=2).astype(np.float32)
    order = np.argsort(-similarity, axis=1)
    features = np.take_along_axis(features, order[:, :, None], axis=1)
    relevant = np.take_along_axis(relevant, order, axis=1)
    places = np.tile(np.arange(candidates), (count, 1))
    if shuffled:
        places = rng.permuted(places, axis=1)
    return click(Lists(features, relevant, np.zeros_like(relevant), places), Shoppers(), seed)


def click(lists: Lists, shoppers: Shoppers, seed: int) -> Lists:
    """The same lists with the clicks of new shoppers."""
    rng = np.random.default_rng([seed, 2])
    chance = np.where(lists.relevant, shoppers.right, shoppers.wrong) * shoppers.patience**lists.position
    return Lists(lists.features, lists.relevant, rng.random(chance.shape) < chance, lists.position)
