"""An adapter fitted on a catalogue's own pictures, so that shopper photos land near them.

No shopper photo is needed: each picture is photographed again (media/image/photo_simulation.py), and a closed form
follows from how the network sees the two. Photos of shoppers make it better, without a label already
(encoders/adapters/semi_supervised.py).
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
from snapfind.encoders.adapters.semi_supervised import settle
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.media.image.background import cutout
from snapfind.media.image.photo_simulation import rephotograph

__all__ = ["Photos", "fit"]

Progress = Callable[[int, int], None]
_PICTURES, _PHOTOS = 512, 2048  # at most; a larger catalogue is sampled: the closed form needs no more


class Photos(NamedTuple):
    """Shoppers' photos: looks (m, d) at them, and `told` (m, n), which of n pictures show the product that each is of:
    rows sum to 1, or are 0 of a photo without a label."""

    features: Vectors
    told: NDArray[np.float64]


def fit(
    pictures: Sequence[Image],
    encoder: PhotoEncoder,
    *,
    photos: Photos | None = None,
    views: int = 24,
    seed: int = 0,
    progress: Progress | None = None,
) -> Adapter:
    """Studio pictures, one a product -> their adapter, about 30 ms a photo; at most 512 pictures and 2,048 photos.

    `pictures` may load lazily: only those sampled are asked for, each twice at most. `photos` are of products among
    them. `progress` gets (pictures done, of how many). A quarter of the photos made is kept aside: where the adapter
    finds fewer of these than the raw encoder it becomes the identity, unless there are labels, which say more. Raises
    BadInput on fewer than two pictures.
    """
    if len(pictures) < 2:
        raise BadInput(f"an adapter is fitted on two pictures or more, not {len(pictures)}: add products first")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(pictures))[:_PICTURES])
    views = max(4, min(views, _PHOTOS // len(chosen)))
    studio, made, data = _look(pictures, chosen, encoder, views=views, seed=seed, progress=progress)
    kept = views // 4
    solved = Adapter(encoder.raw_id, solve(studio, made[:, kept:]))
    raw = Adapter.nothing(encoder.raw_id, studio.shape[1])
    recalls = [_recall(adapter, studio, made[:, :kept]) for adapter in (raw, solved)]
    told: dict[str, object] = {
        "command": f"snapfind.encoders.adapters.fit.fit(views={views}, seed={seed})",
        "pictures": len(chosen),
        "data_sha256": data,
        "rephotographed_recall_at_1": {"raw": recalls[0], "adapted": recalls[1]},
    }
    labels = photos.told[:, chosen] if photos else np.zeros((0, len(chosen)))
    labelled = int(labels.any(axis=1).sum())
    if recalls[1] < recalls[0] and not labelled:
        return Adapter(encoder.raw_id, raw.weights, told)
    if photos is None or not len(labels):
        return Adapter(encoder.raw_id, solved.weights, told)
    counts = {"unlabelled_photos": len(labels) - labelled, "labelled_photos": labelled}
    settled = settle(studio, made[:, kept:], unit(photos.features), labels)
    return Adapter(encoder.raw_id, settled, told | counts)


def _look(
    pictures: Sequence[Image],
    chosen: NDArray[np.int64],
    encoder: PhotoEncoder,
    *,
    views: int,
    seed: int,
    progress: Progress | None,
) -> tuple[Vectors, Vectors, str]:
    """Unit features of the pictures (n, d) and of their photos (n, views, d), and the sha256 of the pictures."""
    backgrounds = [cutout(pictures[int(place)]) for place in chosen[:64]]
    studio, photos, digest = [], [], hashlib.sha256()
    with ThreadPoolExecutor() as pool:
        for done, place in enumerate(chosen, 1):
            picture = pictures[int(place)].convert("RGB")
            product = cutout(picture)
            digest.update(product.tobytes())
            drawn = [np.random.default_rng([seed, int(place), view]) for view in range(views)]
            taken = list(pool.map(lambda rng, cut=product: rephotograph(cut, rng, backgrounds), drawn))
            rows = unit(encoder.extract_features([picture, *taken]).pooled)
            studio.append(rows[0])
            photos.append(rows[1:])
            if progress is not None:
                progress(done, len(chosen))
    return np.stack(studio), np.stack(photos), digest.hexdigest()


def _recall(adapter: Adapter, studio: Vectors, photos: Vectors) -> float:
    """Part of the photos (n, v, d) whose nearest picture is their own."""
    n, v, d = photos.shape
    scores = adapter.project(photos.reshape(-1, d), "query") @ adapter.project(studio, "catalogue").T
    return round(float((scores.argmax(axis=1) == np.repeat(np.arange(n), v)).mean()), 4)
