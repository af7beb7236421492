"""An affine map for each role, that of photos and that of catalogue pictures: rows are made unit, the mean of the role
is taken off, and a matrix of the role follows.

encoders/adapters/fit.py fits one to a catalogue; learnt heads have the same form. The PhotoEncoder applies it.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from snapfind.core.errors import ModelBroken
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Role, Vectors
from snapfind.encoders.golden import check_golden

__all__ = ["Adapter"]

_ROLES: tuple[Role, Role] = ("query", "catalogue")


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
    def nothing(cls, encoder: str, d: int) -> "Adapter":
        """The map that changes nothing, of features of length d."""
        zero, one = np.zeros(d, np.float32), np.eye(d, dtype=np.float32)
        means, matrices = {f"{role}_mean": zero for role in _ROLES}, {f"{role}_matrix": one for role in _ROLES}
        return cls(encoder, means | matrices)

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


def _golden_features(d: int) -> Vectors:
    """(3, d) drawn features, the same everywhere."""
    drawn: Vectors = np.abs(np.cos(np.arange(1, 4)[:, None] * np.arange(d) * 0.37), dtype=np.float64).astype(np.float32)
    return drawn
