"""Text-to-image space trained with LiT on frozen features (training/methods/lit.py), without PyTorch.

The space has an affine map for image features and one for text embeddings. An embedding is the concatenation of the
trained embedding and the ConSE embedding (encoders/crossmodal/conse.py), scaled so that a cosine is

    share * cosine in the trained space + (1 - share) * cosine in the ConSE space

The artifact is a folder: manifest.json, weights.safetensors with golden vectors.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from snapfind.core.artifact import read_artifact, write_artifact
from snapfind.core.errors import ModelBroken
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Encoder, Role, Space, Vectors
from snapfind.encoders.crossmodal.conse import Conse
from snapfind.encoders.golden import check_golden
from snapfind.encoders.image.base import Features

__all__ = ["LitMaps", "LitSpace"]

_GOLDEN = 4  # rows that are checked at loading


@dataclass(frozen=True, slots=True)
class LitMaps:
    """Trained maps of images and texts.

    Attributes:
        encoder: Id of the raw image space that the maps were trained on.
        text: Id of the text space that the maps were trained on.
        share: Share of the trained space in a cosine, 0..1.
        weights: `picture_mean` of shape (1280,), `picture_matrix` (1280, d), `text_mean` (384,) and `text_matrix`
            (384, d), float32.
        metadata: Further entries of the manifest.
    """

    encoder: str
    text: str
    share: float
    weights: dict[str, Vectors]
    metadata: dict[str, Any] = field(default_factory=dict)

    def pictures(self, pooled: Vectors) -> Vectors:
        """Map pooled features of shape (n, 1280) to unit rows of the trained space, shape (n, d)."""
        return unit((unit(pooled) - self.weights["picture_mean"]) @ self.weights["picture_matrix"])

    def texts(self, encoded: Vectors) -> Vectors:
        """Map text embeddings of shape (n, 384) to unit rows of the trained space, shape (n, d)."""
        return unit((encoded - self.weights["text_mean"]) @ self.weights["text_matrix"])

    @property
    def identity(self) -> str:
        """sha256 of everything that changes a vector."""
        digest = hashlib.sha256(json.dumps([self.encoder, self.text, self.share]).encode())
        for name in sorted(self.weights):
            digest.update(name.encode() + np.ascontiguousarray(self.weights[name], np.float32).tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write weights.safetensors with golden vectors, then manifest.json, which marks the folder as complete."""
        manifest = {
            "kind": "text-picture",
            "encoder": self.encoder,
            "text": self.text,
            "share": self.share,
            "identity": self.identity,
            **self.metadata,
        }
        write_artifact(folder, manifest, {"weights.safetensors": save({**self.weights, **self._golden()})})

    @classmethod
    def load(cls, folder: Path) -> "LitMaps":
        """Read the maps.

        Args:
            folder: Folder that `save` wrote.

        Returns:
            The maps.

        Raises:
            ModelBroken: If a file is missing or damaged, or a golden vector differs.
        """
        manifest, files = read_artifact(folder, "text-picture", remedy="train it again")
        try:
            del manifest["kind"], manifest["sha256"]
            weights = load(files["weights.safetensors"])
            golden = {name: weights.pop(name) for name in ("picture_golden", "text_golden")}
            identity, share = manifest.pop("identity"), float(manifest.pop("share"))
            maps = cls(manifest.pop("encoder"), manifest.pop("text"), share, weights, manifest)
            computed = maps._golden()
        except Exception as problem:
            raise ModelBroken(f"{folder} is not a valid text-picture space ({problem}); train it again") from problem
        if maps.identity != identity:
            raise ModelBroken(f"{folder}: weights.safetensors does not match the manifest; train it again")
        for name, rows in golden.items():
            check_golden(computed[name], rows, str(folder))
        return maps

    def _golden(self) -> dict[str, Vectors]:
        sides = (len(self.weights["picture_mean"]), len(self.weights["text_mean"]))
        inputs = [unit(np.sin(np.arange(_GOLDEN * width, dtype=np.float64)).reshape(_GOLDEN, width)) for width in sides]
        return {"picture_golden": self.pictures(inputs[0]), "text_golden": self.texts(inputs[1])}


class LitSpace:
    """Trained text-to-image space that a catalog may use instead of ConSE alone.

    Args:
        maps: Trained maps.
        text: Text encoder.

    Raises:
        ModelBroken: If the maps were trained on another text encoder.

    Example:
        >>> locked = LitSpace.load(Path("artifact"), TextEncoder(), Builtin.load().raw_id)
        >>> locked.encode_features(features) @ locked.texts(["a sour yellow fruit"], role="query").T    # (n, 1)
    """

    def __init__(self, maps: LitMaps, text: Encoder) -> None:
        _check_same(maps.text, text.space.id)
        self.maps, self._text, self._conse = maps, text, Conse(text)
        described: dict[str, object] = {"conse": self._conse.space.id, "share": maps.share}
        dim = self._conse.space.dim + maps.weights["text_matrix"].shape[1]
        self.space = Space(f"locked-{maps.identity[:8]}", dim, "locked", text.space.languages, described)

    @classmethod
    def load(cls, folder: Path, text: Encoder, encoder: str) -> "LitSpace":
        """Load a trained space.

        Args:
            folder: Folder of the artifact.
            text: Text encoder.
            encoder: Id of the raw photo space.

        Returns:
            The space.

        Raises:
            ModelBroken: If the artifact is damaged, or was trained on other encoders.
        """
        locked = cls(LitMaps.load(folder), text)
        locked.check(encoder)
        return locked

    def check(self, encoder: str) -> None:
        """Check that the space was trained on a photo encoder.

        Args:
            encoder: Id of the raw photo space.

        Raises:
            ModelBroken: If it was trained on another one.
        """
        _check_same(self.maps.encoder, encoder)

    def encode_features(self, features: Features) -> Vectors:
        """Map features of n images to unit rows, float32 of shape (n, dim)."""
        return self._joined(self.maps.pictures(features.pooled), self._conse.encode_features(features.posterior))

    def texts(self, texts: Sequence[str], role: Role) -> Vectors:
        """Encode n texts as unit rows, float32 of shape (n, dim), to compare with `encode_features`."""
        return self.centered(self._text.texts(texts, role))

    def centered(self, encoded: Vectors) -> Vectors:
        """Map embeddings of the text encoder to this space.

        Args:
            encoded: Embeddings of n texts, shape (n, 384).

        Returns:
            Unit rows, float32 of shape (n, dim).
        """
        return self._joined(self.maps.texts(encoded), self._conse.centered(encoded))

    def _joined(self, trained: Vectors, conse: Vectors) -> Vectors:
        share = self.maps.share
        return np.concatenate([np.float32(share**0.5) * trained, np.float32((1 - share) ** 0.5) * conse], axis=1)


def _check_same(expected: str, actual: str) -> None:
    if expected != actual:
        raise ModelBroken(f"the text-to-image space was trained on {expected}, not on {actual}; train it again")
