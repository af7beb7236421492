"""The artifact of a click ranker, served by numpy alone.

    ranker/
      manifest.json         {"kind": "ranker", "method": …, "space": …, "fields": [{"name", "kind", …}],
                             "candidates": 100, "calibration": [scale, shift], "weights_sha256": …}
      weights.safetensors   tables.N, numbers.mean, numbers.scale, extract.N.*, perhaps translate.*, tower.N.*
      golden.json           rows and what they must score

`space` is the model whose scores it learnt from. The network: fields -> layers of ReLU -> latent, with a translator
beside the latent's image in the other domain (ranking/cdanet.py) -> tower -> logit -> chance.
"""

import hashlib
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

from snapfind.core.errors import BadInput, ModelBroken
from snapfind.search.rerank.clicks import MOST
from snapfind.search.rerank.features import Columns, Encoded, Field, encode

__all__ = ["FILES", "ClickModel", "files_of", "load"]

FILES = ("weights.safetensors", "golden.json", "manifest.json")

Weights = Mapping[str, NDArray[np.float32]]
_LARGEST = 256 * 2**20  # bytes of weights that are read
_MANIFEST, _GOLDEN = 1 * 2**20, 4 * 2**20  # bytes of the other two
_STRETCH = (
    32  # rows at a time: products so small stay on one thread, where threads that spin would cost four times as much
)
_SAME = 1e-4  # how near a golden chance must be


class ClickModel:
    """A Ranker (search/rerank/clicks.py): numpy in, chances out."""

    def __init__(
        self, fields: Sequence[Field], weights: Weights, calibration: tuple[float, float], candidates: int
    ) -> None:
        self.fields, self.weights, self.calibration, self.candidates = tuple(fields), weights, calibration, candidates
        self._tables = {name: f"tables.{at}" for at, name in enumerate(_tables(self.fields))}
        self._extract, self._tower = _layers(weights, "extract"), _layers(weights, "tower")

    def chances(self, columns: Columns, count: int) -> NDArray[np.float64]:
        """(count,) calibrated chances 0..1 of a click."""
        return self.judge(encode(columns, self.fields, count))

    def judge(self, rows: Encoded) -> NDArray[np.float64]:
        """The same of encoded rows."""
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


def files_of(model: ClickModel, golden: Columns, count: int, told: Mapping[str, object]) -> dict[str, bytes]:
    """Name -> content of an artifact's files; `golden` are `count` rows to be scored again when it is loaded."""
    weights = save_weights({name: np.ascontiguousarray(value) for name, value in model.weights.items()})
    scored = {"columns": golden, "chances": model.chances(golden, count).tolist()}
    manifest = {
        "kind": "ranker",
        "fields": [asdict(own) for own in model.fields],
        "calibration": list(model.calibration),
        "candidates": model.candidates,
        **told,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    return {
        "weights.safetensors": weights,
        "golden.json": json.dumps(scored, ensure_ascii=False, allow_nan=False).encode(),
        "manifest.json": json.dumps(manifest, indent=2, ensure_ascii=False).encode(),
    }


def load(folder: Path, space: str) -> ClickModel:
    """The ranker of an artifact's folder, for that space. Raises ModelBroken for anything wrong in it."""
    try:
        told = json.loads(_read(folder / "manifest.json", _MANIFEST))
        if told["kind"] != "ranker":
            raise ValueError(f"kind {told['kind']!r} is not a ranker")
        if told["space"] != space:
            raise ValueError(f"it was made for {told['space']}, this is {space}")
        held = _read(folder / "weights.safetensors", _LARGEST)
        if hashlib.sha256(held).hexdigest() != told["weights_sha256"]:
            raise ValueError("its weights are not those it was written with")
        fields = [Field(**own) for own in told["fields"]]
        scale, shift = (_finite(value) for value in told["calibration"])
        model = ClickModel(fields, _checked(load_weights(held), fields), (scale, shift), _whole(told["candidates"]))
        golden = json.loads(_read(folder / "golden.json", _GOLDEN))
        wanted = np.array(golden["chances"], np.float64)
        if not np.allclose(model.chances(golden["columns"], len(wanted)), wanted, atol=_SAME):
            raise ValueError("it does not score its golden rows as it did")
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError, SafetensorError, BadInput) as problem:
        raise ModelBroken(
            f"{folder / 'manifest.json'} is of no click ranker for this model ({problem}); "
            "fit it anew with snapfind rank fit, or remove its folder"
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


def _read(path: Path, most: int) -> bytes:
    if path.stat().st_size > most:
        raise ValueError(f"{path.name} is larger than {most:,} bytes")
    return path.read_bytes()


def _whole(value: object) -> int:
    if type(value) is not int or not 2 <= value <= MOST:
        raise ValueError(f"candidates {value!r} is not a whole number of 2 to {MOST}")
    return value


def _finite(value: object) -> float:
    if type(value) not in (int, float) or not math.isfinite(number := float(str(value))):
        raise ValueError(f"{value!r} is not a finite number")
    return number
