"""A shop's own titles as the way from texts to pictures, for its products that have none; judged by shoppers' queries.

Locked towers (training/methods/lit.py) on what the catalog holds already: the raw encoder's vectors of the pictures
of titled products, and their titles. Titles are not what shoppers type: judged by titles left out the learned space
looks good where queries find less than by ConSE (benchmarks/locked_shop.py). So queries decide: five times a fifth of
the titles is left out, and the queries for these products ask for their pictures among each other. The share beside
ConSE is the one that serves them best, and 0 where ConSE alone does. The closed form is used as it is, since InfoNCE
adds nothing for titles that were never seen.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snapfind.catalog.catalog import Catalog
from snapfind.core.errors import BadInput
from snapfind.encoders.base import Vectors
from snapfind.encoders.crossmodal.lit import LitMaps
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.training.loop import TrainingConfig
from snapfind.training.methods.lit import Pairs, Tuning, lock, write_maps

__all__ = ["SHARES", "Bridged", "Found", "Titled", "bridge_titles", "titled_in"]

SHARES = (0.0, 0.15, 0.3, 0.5, 0.7)
_FOLDS, _TEXTS, _LEAST = 5, 64, 10
_TUNING = Tuning(TrainingConfig(epochs=0))
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """How queries find a picture of what they mean: recall@1, recall@5, mean reciprocal rank."""

    at_1: float
    at_5: float
    mrr: float


@dataclass(frozen=True, slots=True)
class Bridged:
    """So many queries and titles judged, by ConSE and with the best share of the learned space; 0: nothing was gained,
    and no artifact written."""

    queries: int
    titles: int
    share: float
    conse: Found
    learned: Found


@dataclass(frozen=True, slots=True)
class Titled:
    """Pairs of picture and title, (n, 384) the pictures in ConSE's space, and the number of each product's title."""

    pairs: Pairs
    known: Vectors
    numbers: dict[str, int]


def bridge_titles(
    catalog: Catalog,
    asked: Sequence[tuple[str, str]],
    folder: Path,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Bridged:
    """Judges by `asked`, (text, product that is meant); learns on all titles; writes the artifact into `folder`.

    Raises BadInput with fewer than 10 distinct titles that have a picture, or 10 queries for products with a title.
    """
    titled = titled_in(catalog, progress)
    asked = [(text, product) for text, product in asked if product in titled.numbers]
    if len(asked) < _LEAST:
        raise BadInput(f"{len(asked)} of the queries mean a product with a title; judging needs {_LEAST}")
    model, pairs = catalog.model, titled.pairs
    encoder, text = Builtin.load().raw_id, model.text.space.id
    encoded = model.text.texts([typed for typed, _ in asked], role="query")
    sides = encoded, model.conse.centered(encoded), np.array([titled.numbers[product] for _, product in asked])
    folds = np.random.default_rng([seed, 6]).permutation(len(pairs.titles)) % _FOLDS
    parts = [(folds == fold, lock(_only(pairs, folds != fold), encoder, text, _TUNING)) for fold in range(_FOLDS)]
    found = {share: _found([_ranks(titled, out, maps, sides, share) for out, maps in parts]) for share in SHARES}
    share = max(found, key=lambda own: found[own].mrr)  # the first of equals: ConSE
    done = Bridged(len(asked), len(pairs.titles), share, found[0.0], found[share])
    if share:
        maps = lock(pairs, encoder, text, replace(_TUNING, share=share))
        write_maps(folder, replace(maps, told=maps.told | {"metrics": asdict(done), "seed": seed}))
    return done


def titled_in(catalog: Catalog, progress: Callable[[int, int], None] | None = None) -> Titled:
    """What a catalog has of its titled products: nothing is looked at, titles are encoded as queries."""
    raw, conse = Builtin.load().raw_id, catalog.model.conse.space.id
    if raw not in catalog.index.spaces():
        raise BadInput(f"the catalog has no vectors of {raw}; make them with: snapfind model build SHOP lite0")
    points = [
        (str(point.payload["_product"]), title, point.vectors[raw], point.vectors[conse])
        for point in catalog.points(vectors=True)
        if (title := str(point.payload.get("title") or "").strip()) and {raw, conse} <= set(point.vectors)
    ]
    numbers = {title: number for number, title in enumerate(dict.fromkeys(title for _, title, _, _ in points))}
    if len(numbers) < _LEAST:
        raise BadInput(f"{len(numbers)} distinct title(s) with a picture: learning the way from texts needs {_LEAST}")
    titles, encoded = list(numbers), []
    for at in range(0, len(titles), _TEXTS):
        encoded.append(catalog.model.text.texts(titles[at : at + _TEXTS], role="query"))
        if progress is not None:
            progress(min(at + _TEXTS, len(titles)), len(titles))
    pictures, known = (np.array([point[part] for point in points], np.float32) for part in (2, 3))
    pairs = Pairs(pictures, np.concatenate(encoded), np.array([numbers[title] for _, title, _, _ in points]))
    return Titled(pairs, known, {product: numbers[title] for product, title, _, _ in points})


def _ranks(
    titled: Titled, out: NDArray[np.bool_], maps: LitMaps, sides: tuple[Vectors, Vectors, Numbers], share: float
) -> Numbers:
    """Pictures of other titles before the first of its own, for the queries that mean a title left `out` (t,) bool."""
    rows, (encoded, centered, means) = out[titled.pairs.own], sides
    asked = out[means]
    cosines = share * maps.texts(encoded[asked]) @ maps.pictures(titled.pairs.pictures[rows]).T
    cosines += (1 - share) * centered[asked] @ titled.known[rows].T
    mine = titled.pairs.own[rows][None, :] == means[asked][:, None]
    best = np.where(mine, cosines, -np.inf).max(axis=1, keepdims=True)
    found: Numbers = (cosines > best).sum(axis=1)
    return found


def _only(pairs: Pairs, chosen: NDArray[np.bool_]) -> Pairs:
    """The pairs of those titles, numbered anew."""
    rows = chosen[pairs.own]
    return Pairs(pairs.pictures[rows], pairs.titles[chosen], (np.cumsum(chosen) - 1)[pairs.own[rows]])


def _found(ranks: list[Numbers]) -> Found:
    told = np.concatenate(ranks)
    return Found(*(round(float(own.mean()), 4) for own in (told < 1, told < 5, 1 / (1 + told))))
