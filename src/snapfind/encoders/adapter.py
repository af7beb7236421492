"""An affine map for each role, fitted on a catalogue's own pictures so that shopper photos land near them.

No shopper photo is needed: each picture is photographed again (media/rephotograph.py), and the closed form follows
from how the network sees the two. Rows are made unit, the mean of the role is taken off, and

    query      M            whitens what changes between photos of one product (within-class covariance
                            normalisation, Hatch et al. 2006, with shrinkage)
    catalogue  (I + k B) M  moves a studio picture half way to its photos: B is the ridge regression from one to the
                            other, k balances the two

benchmarks/photo_to_studio.py measures it. The PhotoEncoder applies it.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image
from safetensors.numpy import load, save

from snapfind.encoders.golden import check_golden
from snapfind.encoders.port import Role, Vectors
from snapfind.encoders.vectors import unit
from snapfind.errors import BadInput, ModelBroken
from snapfind.media.cutout import cutout
from snapfind.media.rephotograph import rephotograph

if TYPE_CHECKING:
    from snapfind.encoders.photo import PhotoEncoder

__all__ = ["Adapter", "fit", "solve"]

Progress = Callable[[int, int], None]
_ROLES: tuple[Role, Role] = ("query", "catalogue")
_PICTURES, _PHOTOS = 512, 2048  # at most; a larger catalogue is sampled: the closed form needs no more
_SHRINKAGE = 3.0  # of the covariance, in its own mean variance; 2 to 5 differ by less than .01
_RIDGE = 0.01  # of the regression, in the mean squared length of its rows
_FEW = 8  # so many pictures count half: below, means and regression tell more of the products than of the role


@dataclass(frozen=True, slots=True)
class Adapter:
    """`weights` holds `{role}_mean` (d,) and `{role}_matrix` (d, e) float32; `encoder` names the raw space it maps."""

    encoder: str
    weights: dict[str, Vectors]
    told: dict[str, object] = field(default_factory=dict)

    @property
    def dim(self) -> int:
        """Length of the vectors that come out."""
        return int(self.weights["query_matrix"].shape[1])

    @property
    def identity(self) -> str:
        """sha256 of the weights."""
        digest = hashlib.sha256(self.encoder.encode())
        for name in sorted(self.weights):
            digest.update(name.encode() + np.ascontiguousarray(self.weights[name], np.float32).tobytes())
        return digest.hexdigest()

    def project(self, features: Vectors, role: Role) -> Vectors:
        """(n, d) raw features of that role -> (n, dim) float32, unit rows."""
        return unit((unit(features) - self.weights[f"{role}_mean"]) @ self.weights[f"{role}_matrix"])

    def save(self, folder: Path) -> None:
        """Writes manifest.json and weights.safetensors with golden vectors; the manifest last, to seal it."""
        folder.mkdir(parents=True, exist_ok=True)
        features = _golden_features(len(self.weights["query_mean"]))
        golden = {f"{role}_golden": self.project(features, role) for role in _ROLES}
        (folder / "weights.safetensors").write_bytes(save({**self.weights, **golden}))
        manifest = {"kind": "adapter", "encoder": self.encoder, "dim": self.dim, "identity": self.identity, **self.told}
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Adapter":
        """Raises ModelBroken where the files or the golden vectors do not agree."""
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            weights = load((folder / "weights.safetensors").read_bytes())
            golden = {role: weights.pop(f"{role}_golden") for role in _ROLES}
            identity = manifest.pop("identity")
            adapter = cls(manifest.pop("encoder"), weights, manifest)
            features = _golden_features(len(weights["query_mean"]))
            found = {role: adapter.project(features, role) for role in _ROLES}
        except Exception as problem:
            raise ModelBroken(f"adapter {folder} is not whole ({problem}); fit it anew") from problem
        if adapter.identity != identity:
            raise ModelBroken(f"adapter {folder}: its weights are not those of its manifest; fit it anew")
        for role in _ROLES:
            check_golden(found[role], golden[role], f"adapter {folder}")
        return adapter


def fit(
    pictures: Sequence[Image],
    encoder: "PhotoEncoder",
    *,
    views: int = 24,
    seed: int = 0,
    progress: Progress | None = None,
) -> Adapter:
    """Studio pictures, one a product -> their adapter, about 30 ms a photo; at most 512 pictures and 2,048 photos.

    `pictures` may load lazily: only those sampled are asked for, each twice at most. `progress` gets (pictures done,
    of how many). A quarter of the photos is kept aside: where the adapter finds fewer of these than the raw encoder
    it becomes the identity. Raises BadInput on fewer than two pictures.
    """
    if len(pictures) < 2:
        raise BadInput(f"an adapter is fitted on two pictures or more, not {len(pictures)}: add products first")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(pictures))[:_PICTURES])
    views = max(4, min(views, _PHOTOS // len(chosen)))
    studio, photos, data = _look(pictures, chosen, encoder, views=views, seed=seed, progress=progress)
    kept = views // 4
    solved = solve(studio, photos[:, kept:])
    raw = Adapter(encoder.raw_id, _identity(studio.shape[1]))
    adapted = Adapter(encoder.raw_id, solved)
    recalls = [_recall(adapter, studio, photos[:, :kept]) for adapter in (raw, adapted)]
    told: dict[str, object] = {
        "command": f"snapfind.encoders.adapter.fit(views={views}, seed={seed})",
        "pictures": len(chosen),
        "data_sha256": data,
        "rephotographed_recall_at_1": {"raw": recalls[0], "adapted": recalls[1]},
    }
    return Adapter(encoder.raw_id, solved if recalls[1] >= recalls[0] else raw.weights, told)


def _look(
    pictures: Sequence[Image],
    chosen: NDArray[np.int64],
    encoder: "PhotoEncoder",
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
            rows = unit(encoder.look([picture, *taken]).pooled)
            studio.append(rows[0])
            photos.append(rows[1:])
            if progress is not None:
                progress(done, len(chosen))
    return np.stack(studio), np.stack(photos), digest.hexdigest()


def solve(studio: Vectors, photos: Vectors) -> dict[str, Vectors]:
    """Unit features (n, d) of pictures and (n, v, d) of their photos -> the weights of an Adapter."""
    n, d = studio.shape
    trust = n / (n + _FEW)
    centres = photos.mean(axis=1, dtype=np.float64)
    means = {"query": trust * centres.mean(axis=0), "catalogue": trust * studio.mean(axis=0, dtype=np.float64)}
    whitening = _whitening((photos - centres[:, None]).reshape(-1, d))
    pictures, seen = studio - means["catalogue"], centres - means["query"]
    gram = pictures @ pictures.T
    gram += _RIDGE * np.trace(gram) / n * np.eye(n)
    regression = pictures.T @ np.linalg.solve(gram, seen)
    balance = np.linalg.norm(pictures @ whitening) / max(float(np.linalg.norm(seen @ whitening)), 1e-9)
    matrices = {"query": whitening, "catalogue": whitening + trust * balance * regression @ whitening}
    weights = {f"{role}_mean": means[role] for role in _ROLES} | {f"{role}_matrix": matrices[role] for role in _ROLES}
    return {name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}


def _whitening(differences: Vectors) -> NDArray[np.float64]:
    """(m, d) differences from the mean photo of the product -> (d, d), the inverse root of their shrunk covariance."""
    d = differences.shape[1]
    covariance = differences.T.astype(np.float64) @ differences / len(differences)
    variance = max(float(np.trace(covariance)) / d, 1e-12)
    levels, axes = np.linalg.eigh(covariance / variance + _SHRINKAGE * np.eye(d))
    whitening: NDArray[np.float64] = (axes / np.sqrt(levels)) @ axes.T
    return whitening


def _recall(adapter: Adapter, studio: Vectors, photos: Vectors) -> float:
    """Part of the photos (n, v, d) whose nearest picture is their own."""
    n, v, d = photos.shape
    scores = adapter.project(photos.reshape(-1, d), "query") @ adapter.project(studio, "catalogue").T
    return round(float((scores.argmax(axis=1) == np.repeat(np.arange(n), v)).mean()), 4)


def _identity(d: int) -> dict[str, Vectors]:
    zero, one = np.zeros(d, np.float32), np.eye(d, dtype=np.float32)
    return {"query_mean": zero, "catalogue_mean": zero, "query_matrix": one, "catalogue_matrix": one}


def _golden_features(d: int) -> Vectors:
    """(3, d) drawn features, the same everywhere."""
    drawn: Vectors = np.abs(np.cos(np.arange(1, 4)[:, None] * np.arange(d) * 0.37), dtype=np.float64).astype(np.float32)
    return drawn
