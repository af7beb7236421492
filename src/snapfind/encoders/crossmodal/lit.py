"""A space of pictures and texts, learned on the frozen features of both (training/methods/lit.py), without PyTorch.

An affine map for the features of the photo encoder and one for the vectors of the text encoder; beside it ConSE
(encoders/crossmodal/conse.py), which knows what ImageNet knows. A row is both, one behind the other, so that a cosine
is

    share * cosine in the learnt space + (1 - share) * cosine in ConSE's space

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

from snapfind.core.errors import ModelBroken
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Encoder, Role, Space, Vectors
from snapfind.encoders.crossmodal.conse import Conse
from snapfind.encoders.golden import check_golden
from snapfind.encoders.image.base import Features

__all__ = ["Locked", "Maps"]

_GOLDEN = 4  # rows that are checked when it is loaded


@dataclass(frozen=True, slots=True)
class Maps:
    """`picture_mean` (1280,), `picture_matrix` (1280, d), `text_mean` (384,), `text_matrix` (384, d) float32; `share`
    0..1 of the learnt space; ids of the raw spaces of `encoder` and `text` that they were learnt on.
    """

    encoder: str
    text: str
    share: float
    weights: dict[str, Vectors]
    told: dict[str, Any] = field(default_factory=dict)

    def pictures(self, pooled: Vectors) -> Vectors:
        """(n, 1280) pooled features -> (n, d) unit rows of the learnt space alone."""
        return unit((unit(pooled) - self.weights["picture_mean"]) @ self.weights["picture_matrix"])

    def texts(self, encoded: Vectors) -> Vectors:
        """(n, 384) unit rows of the text encoder -> (n, d) unit rows of the learnt space alone."""
        return unit((encoded - self.weights["text_mean"]) @ self.weights["text_matrix"])

    @property
    def identity(self) -> str:
        """sha256 of everything that changes a vector."""
        digest = hashlib.sha256(json.dumps([self.encoder, self.text, self.share]).encode())
        for name in sorted(self.weights):
            digest.update(name.encode() + np.ascontiguousarray(self.weights[name], np.float32).tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Writes weights.safetensors with golden vectors, then manifest.json to seal it."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weights.safetensors").write_bytes(save({**self.weights, **self._golden()}))
        manifest = {
            "kind": "text-picture",
            "encoder": self.encoder,
            "text": self.text,
            "share": self.share,
            "identity": self.identity,
            **self.told,
        }
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Maps":
        """Raises ModelBroken where the files or the golden vectors do not agree."""
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            if manifest.pop("kind") != "text-picture":
                raise ValueError("its kind is another")
            weights = load((folder / "weights.safetensors").read_bytes())
            golden = {name: weights.pop(name) for name in ("picture_golden", "text_golden")}
            identity, share = manifest.pop("identity"), float(manifest.pop("share"))
            maps = cls(manifest.pop("encoder"), manifest.pop("text"), share, weights, manifest)
            found = maps._golden()
        except Exception as problem:
            raise ModelBroken(f"{folder} holds no whole text-picture space ({problem}); learn it anew") from problem
        if maps.identity != identity:
            raise ModelBroken(f"{folder}: its weights are not those of its manifest; learn it anew")
        for name, rows in golden.items():
            check_golden(found[name], rows, str(folder))
        return maps

    def _golden(self) -> dict[str, Vectors]:
        sides = (len(self.weights["picture_mean"]), len(self.weights["text_mean"]))
        given = [unit(np.sin(np.arange(_GOLDEN * width, dtype=np.float64)).reshape(_GOLDEN, width)) for width in sides]
        return {"picture_golden": self.pictures(given[0]), "text_golden": self.texts(given[1])}


class Locked:
    """The bridge between pictures and texts that a catalogue may use in place of ConSE alone.

    Raises ModelBroken on maps that were learnt on another text encoder.

    >>> locked = Locked.load(Path("artifact"), TextEncoder(), Builtin.load().raw_id)
    >>> locked.bridge(look) @ locked.texts(["a sour yellow fruit"], role="query").T    # (n, 1)
    """

    def __init__(self, maps: Maps, text: Encoder) -> None:
        _check_same(maps.text, text.space.id)
        self.maps, self._text, self._conse = maps, text, Conse(text)
        described: dict[str, object] = {"conse": self._conse.space.id, "share": maps.share}
        dim = self._conse.space.dim + maps.weights["text_matrix"].shape[1]
        self.space = Space(f"locked-{maps.identity[:8]}", dim, "locked", text.space.languages, described)

    @classmethod
    def load(cls, folder: Path, text: Encoder, encoder: str) -> "Locked":
        """`encoder` is the id of the raw photo space. Raises ModelBroken on another's artifact, or a damaged one."""
        locked = cls(Maps.load(folder), text)
        locked.check(encoder)
        return locked

    def check(self, encoder: str) -> None:
        """Raises ModelBroken on looks of another raw photo space than the one it was learnt on."""
        _check_same(self.maps.encoder, encoder)

    def bridge(self, features: Features) -> Vectors:
        """What the network saw in n pictures -> (n, dim) float32, unit rows."""
        return self._joined(self.maps.pictures(features.pooled), self._conse.bridge(features.posterior))

    def texts(self, texts: Sequence[str], role: Role) -> Vectors:
        """(n, dim) float32, unit rows, to be compared with `bridge`."""
        return self.centred(self._text.texts(texts, role))

    def centred(self, encoded: Vectors) -> Vectors:
        """(n, 384) vectors of the text encoder -> the same texts in this space, without encoding them again."""
        return self._joined(self.maps.texts(encoded), self._conse.centred(encoded))

    def _joined(self, learnt: Vectors, known: Vectors) -> Vectors:
        share = self.maps.share
        return np.concatenate([np.float32(share**0.5) * learnt, np.float32((1 - share) ** 0.5) * known], axis=1)


def _check_same(wanted: str, given: str) -> None:
    if wanted != given:
        raise ModelBroken(f"the space of texts and pictures was learnt on {wanted}, this is {given}: learn it anew")
