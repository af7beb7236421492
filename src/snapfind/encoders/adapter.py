"""Adapter: an affine map of features to embeddings, with separate weights for photos and product pictures.

Features are normalized, centered on the mean of the role, and multiplied by the matrix of the role.
encoders/adapters/fit.py fits an adapter to a catalog. Trained heads have the same form.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from snapfind.core.artifact import read_artifact, write_artifact
from snapfind.core.errors import ModelBroken
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Role, Vectors
from snapfind.encoders.golden import check_golden

__all__ = ["Adapter"]

_ROLES: tuple[Role, Role] = ("query", "document")


@dataclass(frozen=True, slots=True)
class Adapter:
    """Weights of an adapter.

    Attributes:
        encoder: Id of the raw space that it maps.
        weights: `{role}_mean` of shape (d,) and `{role}_matrix` of shape (d, e) for both roles, float32.
        metadata: Further entries of the manifest.
    """

    encoder: str
    weights: dict[str, Vectors]
    metadata: dict[str, object] = field(default_factory=dict)

    @property
    def dim(self) -> int:
        """Dimensions of the embeddings."""
        return int(self.weights["query_matrix"].shape[1])

    @property
    def identity(self) -> str:
        """sha256 of the weights."""
        digest = hashlib.sha256(self.encoder.encode())
        for name in sorted(self.weights):
            digest.update(name.encode() + np.ascontiguousarray(self.weights[name], np.float32).tobytes())
        return digest.hexdigest()

    def project(self, features: Vectors, role: Role) -> Vectors:
        """Map features to embeddings.

        Args:
            features: Raw features of shape (n, d).
            role: Role of the images.

        Returns:
            Unit rows, float32 of shape (n, dim).
        """
        return unit((unit(features) - self.weights[f"{role}_mean"]) @ self.weights[f"{role}_matrix"])

    def save(self, folder: Path) -> None:
        """Write weights.safetensors with golden vectors, then manifest.json, which marks the folder as complete."""
        features = _golden_features(len(self.weights["query_mean"]))
        golden = {f"{role}_golden": self.project(features, role) for role in _ROLES}
        manifest = {
            "kind": "adapter",
            "encoder": self.encoder,
            "dim": self.dim,
            "identity": self.identity,
            **self.metadata,
        }
        write_artifact(folder, manifest, {"weights.safetensors": save({**self.weights, **golden})})

    @classmethod
    def nothing(cls, encoder: str, d: int) -> "Adapter":
        """Build the adapter that only normalizes features of length d."""
        zero, one = np.zeros(d, np.float32), np.eye(d, dtype=np.float32)
        means, matrices = {f"{role}_mean": zero for role in _ROLES}, {f"{role}_matrix": one for role in _ROLES}
        return cls(encoder, means | matrices)

    @classmethod
    def load(cls, folder: Path) -> "Adapter":
        """Read an adapter.

        Args:
            folder: Folder that `save` wrote.

        Returns:
            The adapter.

        Raises:
            ModelBroken: If a file is missing or damaged, or a golden vector differs.
        """
        manifest, files = read_artifact(folder, "adapter", remedy="fit it again")
        try:
            weights = load(files["weights.safetensors"])
            golden = {role: weights.pop(f"{role}_golden") for role in _ROLES}
            identity = manifest.pop("identity")
            del manifest["kind"], manifest["sha256"], manifest["dim"]
            adapter = cls(manifest.pop("encoder"), weights, manifest)
            features = _golden_features(len(weights["query_mean"]))
            computed = {role: adapter.project(features, role) for role in _ROLES}
        except Exception as problem:
            raise ModelBroken(f"adapter {folder} is damaged ({problem}); fit it again") from problem
        if adapter.identity != identity:
            raise ModelBroken(f"adapter {folder}: weights.safetensors does not match the manifest; fit it again")
        for role in _ROLES:
            check_golden(computed[role], golden[role], f"adapter {folder}")
        return adapter


def _golden_features(d: int) -> Vectors:
    """Return deterministic features of shape (3, d)."""
    features: Vectors = np.abs(np.cos(np.arange(1, 4)[:, None] * np.arange(d) * 0.37), dtype=np.float64).astype(
        np.float32
    )
    return features
