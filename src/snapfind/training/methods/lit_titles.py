"""Train a text-to-image space on the titles of a shop (LiT), for its products without a title.

The data is what the catalog stores already: the vectors of the pictures of titled products, and their titles. Titles
differ from what shoppers type: measured with held-out titles the trained space looks good although queries find less
than with ConSE (benchmarks/locked_shop.py). So labeled queries decide: in five folds a fifth of the titles is held out,
and the queries for these products search their pictures. The weight beside ConSE is the one with the best mean
reciprocal rank, and 0 if ConSE alone is best. The maps are the closed form, because InfoNCE adds nothing for titles
that were not seen in training.
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
from snapfind.training.methods.lit import LitConfig, Pairs, fit_maps, write_maps

__all__ = ["SHARES", "LitTitlesResult", "TextMetrics", "TitledPictures", "collect_titles", "train_on_titles"]

SHARES = (0.0, 0.15, 0.3, 0.5, 0.7)
_FOLDS, _TEXTS, _LEAST = 5, 64, 10
_TUNING = LitConfig(TrainingConfig(epochs=0))
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TextMetrics:
    """Metrics of text queries: recall@1, recall@5 and mean reciprocal rank, each 0..1."""

    at_1: float
    at_5: float
    mrr: float


@dataclass(frozen=True, slots=True)
class LitTitlesResult:
    """Result of the training.

    Attributes:
        queries: Number of evaluated queries.
        titles: Number of distinct titles.
        share: Best weight of the trained space. 0: ConSE alone is best, and no artifact was written.
        conse: Metrics of ConSE alone.
        learned: Metrics with the best weight.
    """

    queries: int
    titles: int
    share: float
    conse: TextMetrics
    learned: TextMetrics


@dataclass(frozen=True, slots=True)
class TitledPictures:
    """Pictures and titles of a catalog.

    Attributes:
        pairs: Features of the pictures and vectors of the titles.
        known: (n, 384) vectors of the pictures in ConSE's space.
        numbers: Number of the title of each product.
    """

    pairs: Pairs
    known: Vectors
    numbers: dict[str, int]


def train_on_titles(
    catalog: Catalog,
    queries: Sequence[tuple[str, str]],
    folder: Path,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LitTitlesResult:
    """Train on the titles of a catalog, choose the weight beside ConSE by queries, and write the artifact.

    Args:
        catalog: The catalog.
        queries: Texts with the id of the product they mean.
        folder: Folder of the new artifact.
        seed: Random seed of the folds.
        progress: Called with (titles done, titles in all).

    Returns:
        The metrics of ConSE and of the best weight.

    Raises:
        BadInput: There are fewer than 10 distinct titles with a picture, or 10 queries for products with a title.
        NoRoom: The disk is full.
    """
    titled = collect_titles(catalog, progress)
    queries = [(text, product) for text, product in queries if product in titled.numbers]
    if len(queries) < _LEAST:
        raise BadInput(f"{len(queries)} of the queries name a product with a title. Evaluation needs {_LEAST}.")
    model, pairs = catalog.model, titled.pairs
    encoder, text = Builtin.load().raw_id, model.text.space.id
    encoded = model.text.texts([query for query, _ in queries], role="query")
    sides = encoded, model.conse.centered(encoded), np.array([titled.numbers[product] for _, product in queries])
    folds = np.random.default_rng([seed, 6]).permutation(len(pairs.titles)) % _FOLDS
    parts = [(folds == fold, fit_maps(_only(pairs, folds != fold), encoder, text, _TUNING)) for fold in range(_FOLDS)]
    metrics = {share: _metrics([_ranks(titled, out, maps, sides, share) for out, maps in parts]) for share in SHARES}
    share = max(metrics, key=lambda own: metrics[own].mrr)  # the first of equals: ConSE
    done = LitTitlesResult(len(queries), len(pairs.titles), share, metrics[0.0], metrics[share])
    if share:
        maps = fit_maps(pairs, encoder, text, replace(_TUNING, share=share))
        write_maps(folder, replace(maps, metadata=maps.metadata | {"metrics": asdict(done), "seed": seed}))
    return done


def collect_titles(catalog: Catalog, progress: Callable[[int, int], None] | None = None) -> TitledPictures:
    """Collect the stored vectors of titled products and encode their titles. No picture is decoded.

    Args:
        catalog: The catalog.
        progress: Called with (titles done, titles in all).

    Returns:
        Pictures and titles.

    Raises:
        BadInput: The catalog has no vectors of the bundled encoder, or fewer than 10 distinct titles with a picture.
    """
    raw, conse = Builtin.load().raw_id, catalog.model.conse.space.id
    if raw not in catalog.index.spaces():
        raise BadInput(f"The catalog has no vectors of {raw}. Build them with: snapfind model build SHOP lite0")
    points = [
        (str(point.payload["_product"]), title, point.vectors[raw], point.vectors[conse])
        for point in catalog.points(vectors=True)
        if (title := str(point.payload.get("title") or "").strip()) and {raw, conse} <= set(point.vectors)
    ]
    numbers = {title: number for number, title in enumerate(dict.fromkeys(title for _, title, _, _ in points))}
    if len(numbers) < _LEAST:
        raise BadInput(f"{len(numbers)} distinct title(s) with a picture. Training needs {_LEAST}.")
    titles, encoded = list(numbers), []
    for at in range(0, len(titles), _TEXTS):
        encoded.append(catalog.model.text.texts(titles[at : at + _TEXTS], role="query"))
        if progress is not None:
            progress(min(at + _TEXTS, len(titles)), len(titles))
    pictures, known = (np.array([point[part] for point in points], np.float32) for part in (2, 3))
    pairs = Pairs(pictures, np.concatenate(encoded), np.array([numbers[title] for _, title, _, _ in points]))
    return TitledPictures(pairs, known, {product: numbers[title] for product, title, _, _ in points})


def _ranks(
    titled: TitledPictures, out: NDArray[np.bool_], maps: LitMaps, sides: tuple[Vectors, Vectors, Numbers], share: float
) -> Numbers:
    """Return the rank (from 0) of the own picture for each query for a title in the (t,) bool mask `out`."""
    rows, (encoded, centered, means) = out[titled.pairs.own], sides
    chosen = out[means]
    cosines = share * maps.texts(encoded[chosen]) @ maps.pictures(titled.pairs.pictures[rows]).T
    cosines += (1 - share) * centered[chosen] @ titled.known[rows].T
    mine = titled.pairs.own[rows][None, :] == means[chosen][:, None]
    best = np.where(mine, cosines, -np.inf).max(axis=1, keepdims=True)
    ranks: Numbers = (cosines > best).sum(axis=1)
    return ranks


def _only(pairs: Pairs, chosen: NDArray[np.bool_]) -> Pairs:
    """Return the pairs of the chosen titles, with new numbers."""
    rows = chosen[pairs.own]
    return Pairs(pairs.pictures[rows], pairs.titles[chosen], (np.cumsum(chosen) - 1)[pairs.own[rows]])


def _metrics(ranks: list[Numbers]) -> TextMetrics:
    joined = np.concatenate(ranks)
    return TextMetrics(*(round(float(own.mean()), 4) for own in (joined < 1, joined < 5, 1 / (1 + joined))))
