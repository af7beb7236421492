"""A shop's own titles as the way from texts to pictures, for its products that have none.

Locked towers (learn/locked.py) on what the catalogue holds already: the raw encoder's vectors of the pictures of titled
products, and their titles. It is judged as it will be used: five times a fifth of the titles is left out, and these ask
for their pictures among each other. The closed form is used as it is, since InfoNCE adds nothing for titles that were
never seen; the learnt space's share beside ConSE is the one that serves these titles best (benchmarks/locked_shop.py).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snapfind.catalog.catalog import Catalog
from snapfind.encoders.builtin import Builtin
from snapfind.encoders.locked import Maps
from snapfind.encoders.port import Vectors
from snapfind.errors import BadInput
from snapfind.learn.locked import Pairs, Tuning, lock, write_maps
from snapfind.learn.training import Plan

__all__ = ["Bridged", "Found", "bridge_titles", "titled_pairs"]

SHARES = (0.3, 0.5, 0.7)
_FOLDS, _TEXTS = 5, 64
_TUNING = Tuning(Plan(epochs=0))
_LEAST = 10  # titles: two in each fold


@dataclass(frozen=True, slots=True)
class Found:
    """How titles that were left out find a picture of theirs: recall@1, recall@5, mean reciprocal rank."""

    at_1: float
    at_5: float
    mrr: float


@dataclass(frozen=True, slots=True)
class Bridged:
    """So many titles judged by ConSE and by the learnt space with its best share; `folder` holds the artifact."""

    folder: Path
    titles: int
    share: float
    conse: Found
    learnt: Found


def bridge_titles(
    catalogue: Catalog, folder: Path, *, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> Bridged:
    """Learns on all titles, judges on those left out, writes the artifact into `folder`.

    Raises BadInput with fewer than 10 distinct titles that have a picture.
    """
    pairs, known = titled_pairs(catalogue, progress)
    encoder, text = Builtin.load().raw_id, catalogue.model.text.space.id
    folds = np.random.default_rng([seed, 6]).permutation(len(pairs.titles)) % _FOLDS
    parts = [_part(pairs, known, folds == fold, catalogue.model.conse.centred) for fold in range(_FOLDS)]
    spaces = [lock(_only(pairs, folds != fold), encoder, text, _TUNING) for fold in range(_FOLDS)]
    found = {share: _found([part.ranks(maps, share) for part, maps in zip(parts, spaces)]) for share in SHARES}
    share = max(found, key=lambda own: found[own].mrr)
    conse = _found([part.ranks(maps, 0.0) for part, maps in zip(parts, spaces)])
    done = Bridged(folder, len(pairs.titles), share, conse, found[share])
    metrics = {"titles": done.titles, "conse": asdict(conse), "learnt": asdict(done.learnt)}
    maps = lock(pairs, encoder, text, replace(_TUNING, share=share))
    write_maps(folder, replace(maps, told=maps.told | {"metrics": metrics, "seed": seed}))
    return done


def titled_pairs(catalogue: Catalog, progress: Callable[[int, int], None] | None = None) -> tuple[Pairs, Vectors]:
    """Pictures of titled products as the raw encoder sees them, their titles, and (n, 384) the pictures' ConSE rows."""
    raw, conse = Builtin.load().raw_id, catalogue.model.conse.space.id
    if raw not in catalogue.index.spaces():
        raise BadInput(f"the catalogue has no vectors of {raw}; make them with: snapfind model build SHOP lite0")
    points = [
        (str(point.payload["title"]).strip(), point.vectors[raw], point.vectors[conse])
        for point in catalogue.points(vectors=True)
        if str(point.payload.get("title") or "").strip() and {raw, conse} <= set(point.vectors)
    ]
    titles = list(dict.fromkeys(title for title, _, _ in points))
    if len(titles) < _LEAST:
        raise BadInput(f"{len(titles)} distinct title(s) with a picture: learning the way from texts needs {_LEAST}")
    numbers = {title: number for number, title in enumerate(titles)}
    encoded = []
    for at in range(0, len(titles), _TEXTS):
        encoded.append(catalogue.model.text.texts(titles[at : at + _TEXTS], role="query"))
        if progress is not None:
            progress(min(at + _TEXTS, len(titles)), len(titles))
    pictures, known = (np.array([point[part] for point in points], np.float32) for part in (1, 2))
    return Pairs(pictures, np.concatenate(encoded), np.array([numbers[title] for title, _, _ in points])), known


@dataclass(frozen=True, slots=True)
class _Part:
    """Titles (t, 384) left out, as they are and centred for ConSE, and pictures (n, …) with the title (n,) of each."""

    titles: Vectors
    centred: Vectors
    pictures: Vectors
    known: Vectors
    own: NDArray[np.int64]

    def ranks(self, maps: Maps, share: float) -> NDArray[np.int64]:
        """(t,) pictures of others before the first of its own."""
        cosines = share * maps.texts(self.titles) @ maps.pictures(self.pictures).T
        cosines += (1 - share) * self.centred @ self.known.T
        mine = self.own[None, :] == np.arange(len(self.titles))[:, None]
        best = np.where(mine, cosines, -np.inf).max(axis=1, keepdims=True)
        found: NDArray[np.int64] = (cosines > best).sum(axis=1)
        return found


def _part(pairs: Pairs, known: Vectors, chosen: NDArray[np.bool_], centred: Callable[[Vectors], Vectors]) -> _Part:
    own, rows = _only(pairs, chosen), chosen[pairs.own]
    return _Part(own.titles, centred(own.titles), own.pictures, known[rows], own.own)


def _only(pairs: Pairs, chosen: NDArray[np.bool_]) -> Pairs:
    """The pairs of those titles, numbered anew."""
    rows = chosen[pairs.own]
    return Pairs(pairs.pictures[rows], pairs.titles[chosen], (np.cumsum(chosen) - 1)[pairs.own[rows]])


def _found(ranks: list[NDArray[np.int64]]) -> Found:
    told = np.concatenate(ranks)
    return Found(*(round(float(own.mean()), 4) for own in (told < 1, told < 5, 1 / (1 + told))))
