"""Click ranker in NumPy, and its artifact.

    ranker/
      manifest.json         {"kind": "ranker", "method": …, "space": …, "fields": [{"name", "kind", …}],
                             "candidates": 100, "calibration": [scale, shift], "sha256": {…}}
      weights.safetensors   tables.N, numbers.mean, numbers.scale, extract.N.*, perhaps translate.*, tower.N.*
      golden.json           rows and their expected scores

`space` is the model whose scores it was trained on. The network maps fields by ReLU layers to a latent vector. A
cross-domain model (ranking/cdanet.py) appends the translated latent vector. A tower maps it to a logit.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_weights
from safetensors.numpy import save as save_weights

from snapfind.core.artifact import read_artifact, write_artifact
from snapfind.core.errors import BadInput, ModelBroken
from snapfind.search.rerank.clicks import MOST
from snapfind.search.rerank.features import Columns, Encoded, Field, encode

__all__ = ["FILES", "ClickModel", "load", "save"]

FILES = ("weights.safetensors", "golden.json", "manifest.json")

Weights = Mapping[str, NDArray[np.float32]]
_REMEDY = "fit it again with snapfind rank fit, or remove its folder"
_STRETCH = 32  # rows per batch: such small products stay on one thread; spinning threads would cost four times as much
_SAME = 1e-4  # largest difference from a golden probability


class ClickModel:
    """Click ranker that implements `Ranker` of search/rerank/clicks.py."""

    def __init__(
        self, fields: Sequence[Field], weights: Weights, calibration: tuple[float, float], candidates: int
    ) -> None:
        self.fields, self.weights, self.calibration, self.candidates = tuple(fields), weights, calibration, candidates
        self._tables = {name: f"tables.{at}" for at, name in enumerate(_tables(self.fields))}
        self._extract, self._tower = _layers(weights, "extract"), _layers(weights, "tower")

    def predict_clicks(self, columns: Columns, count: int) -> NDArray[np.float64]:
        """Predict calibrated click probabilities.

        Args:
            columns: Name -> one value for each row.
            count: Number of rows.

        Returns:
            Probabilities 0..1, shape (count,).
        """
        return self.predict_encoded(encode(columns, self.fields, count))

    def predict_encoded(self, rows: Encoded) -> NDArray[np.float64]:
        """Predict calibrated click probabilities 0..1 of n encoded rows, shape (n,)."""
        parts = [self._logits(rows.take(slice(at, at + _STRETCH))) for at in range(0, len(rows), _STRETCH)]
        logits = np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
        scale, shift = self.calibration
        chances: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(scale * logits + shift, -30, 30)))
        return chances

    def _logits(self, rows: Encoded) -> NDArray[np.float32]:
        latent = np.maximum(_through(self._inputs(rows), self._extract), 0)
        if "translate.weight" in self.weights:
            translated = latent @ self.weights["translate.weight"].T + self.weights["translate.bias"]
            latent = np.concatenate([latent, translated], axis=1)
        logits: NDArray[np.float32] = _through(latent, self._tower)[:, 0]
        return logits

    def _inputs(self, rows: Encoded) -> NDArray[np.float32]:
        hashed = [own for own in self.fields if own.kind == "hashed"]
        listed = [own for own in self.fields if own.kind == "sequence"]
        parts = [self._table(own)[rows.ids[:, at]] for at, own in enumerate(hashed)]
        numbers = (rows.numbers - self.weights["numbers.mean"]) / self.weights["numbers.scale"]
        parts.append(np.clip(np.nan_to_num(numbers, nan=0.0), -5, 5))
        for at, own in enumerate(listed):
            there = (rows.lists[:, at] > 0)[:, :, None]
            held = self._table(own)[rows.lists[:, at]] * there
            parts.append(held.sum(axis=1) / np.maximum(there.sum(axis=1), 1).astype(np.float32))
        return np.concatenate(parts, axis=1)

    def _table(self, field: Field) -> NDArray[np.float32]:
        return self.weights[self._tables[field.held_in]]


def save(folder: Path, model: ClickModel, golden: Columns, count: int, metadata: Mapping[str, object]) -> None:
    """Write an artifact.

    Args:
        folder: Folder of the artifact.
        model: Trained click model.
        golden: Columns of golden rows. They are scored again when the artifact is loaded.
        count: Number of golden rows.
        metadata: Additional entries of the manifest, such as `space`.
    """
    weights = save_weights({name: np.ascontiguousarray(value) for name, value in model.weights.items()})
    scored = {"columns": golden, "chances": model.predict_clicks(golden, count).tolist()}
    manifest = {
        "kind": "ranker",
        "fields": [asdict(own) for own in model.fields],
        "calibration": list(model.calibration),
        "candidates": model.candidates,
        **metadata,
    }
    content = json.dumps(scored, ensure_ascii=False, allow_nan=False).encode()
    write_artifact(folder, manifest, {"weights.safetensors": weights, "golden.json": content})


def load(folder: Path, space: str) -> ClickModel:
    """Load a click ranker from its folder.

    Args:
        folder: Folder of the artifact.
        space: Id of the photo space that the ranker must be made for.

    Returns:
        The click ranker.

    Raises:
        ModelBroken: If a file is missing or damaged, or the ranker is for another model.
    """
    try:
        manifest, files = read_artifact(folder, "ranker", remedy=_REMEDY)
        if manifest["space"] != space:
            raise ValueError(f"it was made for {manifest['space']}, this is {space}")
        fields = [Field(**own) for own in manifest["fields"]]
        scale, shift = (_finite(value) for value in manifest["calibration"])
        model = ClickModel(
            fields,
            _checked(load_weights(files["weights.safetensors"]), fields),
            (scale, shift),
            _whole(manifest["candidates"]),
        )
        golden = json.loads(files["golden.json"])
        wanted = np.array(golden["chances"], np.float64)
        if not np.allclose(model.predict_clicks(golden["columns"], len(wanted)), wanted, atol=_SAME):
            raise ValueError("it does not reproduce its golden scores")
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError, SafetensorError, BadInput) as problem:
        raise ModelBroken(
            f"{folder / 'manifest.json'} is not a valid click ranker for this model ({problem}); {_REMEDY}"
        ) from problem
    return model


def _tables(fields: Sequence[Field]) -> list[str]:
    """Names of the tables, in the order of their numbers."""
    ordered = [own for kind in ("hashed", "sequence") for own in fields if own.kind == kind]
    return list(dict.fromkeys(own.held_in for own in ordered))


def _layers(weights: Weights, name: str) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    places = sorted({int(key.split(".")[1]) for key in weights if key.startswith(name + ".")})
    return [(weights[f"{name}.{at}.weight"].T, weights[f"{name}.{at}.bias"]) for at in places]


def _through(x: NDArray[np.float32], layers: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> Any:
    """Linear layers with ReLU between them."""
    for place, (weight, bias) in enumerate(layers):
        x = (np.maximum(x, 0) if place else x) @ weight + bias
    return x


def _checked(weights: dict[str, NDArray[Any]], fields: Sequence[Field]) -> dict[str, NDArray[np.float32]]:
    """Finite float32, and a table as large as its fields say: an id must not reach beyond it."""
    for name, value in weights.items():
        if value.dtype != np.float32 or not np.isfinite(value).all():
            raise ValueError(f"{name} does not hold finite float32 numbers")
    for at, name in enumerate(_tables(fields)):
        rows = {own.buckets for own in fields if own.kind != "number" and own.held_in == name}
        if rows != {len(weights[f"tables.{at}"])}:
            raise ValueError(f"table {name} has {len(weights[f'tables.{at}'])} rows, its fields say {sorted(rows)}")
    return weights


def _whole(value: object) -> int:
    if type(value) is not int or not 2 <= value <= MOST:
        raise ValueError(f"candidates {value!r} is not a whole number of 2 to {MOST}")
    return value


def _finite(value: object) -> float:
    if type(value) not in (int, float) or not math.isfinite(number := float(str(value))):
        raise ValueError(f"{value!r} is not a finite number")
    return number
