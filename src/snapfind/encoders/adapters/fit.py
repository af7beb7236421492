"""Fit an adapter on the pictures of a catalog, so that shopper photos are embedded near them.

No shopper photo is needed. Synthetic photos are made of each picture (media/image/photo_simulation.py), and the weights
have a closed form. Shopper photos improve the adapter, even without labels (encoders/adapters/semi_supervised.py).
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from snapfind.core.errors import BadInput
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.adapters.closed_form import solve
from snapfind.encoders.adapters.semi_supervised import fit_semi_supervised
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.media.image.background import cut_out_product
from snapfind.media.image.photo_simulation import simulate_photo

__all__ = ["Photos", "fit"]

Progress = Callable[[int, int], None]
_PICTURES, _PHOTOS = 512, 2048  # at most; a larger catalog is sampled, because the closed form needs no more


class Photos(NamedTuple):
    """Shopper photos.

    Attributes:
        features: Pooled features, shape (m, d).
        labels: Which of n pictures show the product of each photo, shape (m, n). Rows sum to 1, or are 0 for an
            unlabeled photo.
    """

    features: Vectors
    labels: NDArray[np.float64]


def fit(
    pictures: Sequence[Image],
    encoder: PhotoEncoder,
    *,
    photos: Photos | None = None,
    views: int = 24,
    seed: int = 0,
    progress: Progress | None = None,
) -> Adapter:
    """Fit an adapter. Takes about 30 ms for each synthetic photo, with at most 512 pictures and 2,048 photos.

    A quarter of the synthetic photos is held out. If the adapter has a lower recall@1 on them than the raw encoder, the
    result is the identity, unless there are labeled photos.

    Args:
        pictures: Studio pictures, one for each product. May load lazily: each sampled picture is read at most twice.
        encoder: Raw encoder.
        photos: Shopper photos of these products, or None.
        views: Number of synthetic photos of each picture. Reduced for large catalogs.
        seed: Random seed.
        progress: Called with (pictures done, pictures in total).

    Returns:
        The adapter.

    Raises:
        BadInput: If there are fewer than two pictures.
    """
    if len(pictures) < 2:
        raise BadInput(f"an adapter needs two pictures or more, got {len(pictures)}; add products first")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(pictures))[:_PICTURES])
    views = max(4, min(views, _PHOTOS // len(chosen)))
    studio, made, data = _extract(pictures, chosen, encoder, views=views, seed=seed, progress=progress)
    held_out = views // 4
    solved = Adapter(encoder.raw_id, solve(studio, made[:, held_out:]))
    raw = Adapter.nothing(encoder.raw_id, studio.shape[1])
    recalls = [_recall(adapter, studio, made[:, :held_out]) for adapter in (raw, solved)]
    metadata: dict[str, object] = {
        "command": f"snapfind.encoders.adapters.fit.fit(views={views}, seed={seed})",
        "pictures": len(chosen),
        "data_sha256": data,
        "rephotographed_recall_at_1": {"raw": recalls[0], "adapted": recalls[1]},
    }
    labels = photos.labels[:, chosen] if photos else np.zeros((0, len(chosen)))
    labeled = int(labels.any(axis=1).sum())
    if recalls[1] < recalls[0] and not labeled:
        return Adapter(encoder.raw_id, raw.weights, metadata)
    if photos is None or not len(labels):
        return Adapter(encoder.raw_id, solved.weights, metadata)
    counts = {"unlabeled_photos": len(labels) - labeled, "labeled_photos": labeled}
    weights = fit_semi_supervised(studio, made[:, held_out:], unit(photos.features), labels)
    return Adapter(encoder.raw_id, weights, metadata | counts)


def _extract(
    pictures: Sequence[Image],
    chosen: NDArray[np.int64],
    encoder: PhotoEncoder,
    *,
    views: int,
    seed: int,
    progress: Progress | None,
) -> tuple[Vectors, Vectors, str]:
    """Return unit features of the pictures (n, d) and of their photos (n, views, d), and a hash of the pictures."""
    backgrounds = [cut_out_product(pictures[int(place)]) for place in chosen[:64]]
    studio, photos, digest = [], [], hashlib.sha256()
    with ThreadPoolExecutor() as pool:
        for done, place in enumerate(chosen, 1):
            picture = pictures[int(place)].convert("RGB")
            product = cut_out_product(picture)
            digest.update(product.tobytes())
            drawn = [np.random.default_rng([seed, int(place), view]) for view in range(views)]
            taken = list(pool.map(lambda rng, cut=product: simulate_photo(cut, rng, backgrounds), drawn))
            rows = unit(encoder.extract_features([picture, *taken]).pooled)
            studio.append(rows[0])
            photos.append(rows[1:])
            if progress is not None:
                progress(done, len(chosen))
    return np.stack(studio), np.stack(photos), digest.hexdigest()


def _recall(adapter: Adapter, studio: Vectors, photos: Vectors) -> float:
    """Compute recall@1 of photos of shape (n, v, d): the fraction whose nearest picture is their own."""
    n, v, d = photos.shape
    scores = adapter.project(photos.reshape(-1, d), "query") @ adapter.project(studio, "document").T
    return round(float((scores.argmax(axis=1) == np.repeat(np.arange(n), v)).mean()), 4)
