"""The artifact of a reranker: a folder with a manifest.json, and the method that it names.

    reranker/
      manifest.json     {"kind": "reranker", "method": "geometry", "space": …, "candidates": 10, "weight": .3, …}

`space` is the model for which it was made. A method that learns weights keeps them beside, in safetensors.
"""

import json
import math
from dataclasses import asdict
from pathlib import Path

from snapfind.core.errors import BadInput, ModelBroken
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.search.rerank.base import MOST, Plan, Reranker
from snapfind.search.rerank.geometric import Geometry

__all__ = ["METHODS", "load", "manifest"]

METHODS = {"geometry": Geometry}


def manifest(method: str, space: str, plan: Plan | None = None) -> bytes:
    """The manifest.json of a reranker for that space. Raises BadInput for a method that is not known."""
    if method not in METHODS:
        raise BadInput(f"no reranker {method!r}; there are: {', '.join(METHODS)}", field="method")
    told = {"kind": "reranker", "method": method, "space": space, **asdict(plan or Plan())}
    return json.dumps(told, indent=2).encode()


def load(folder: Path, encoder: PhotoEncoder) -> Reranker:
    """The reranker of an artifact's folder, for the model that answers. Raises ModelBroken for anything wrong in it."""
    path = folder / "manifest.json"
    try:
        told = json.loads(path.read_bytes())
        if told["kind"] != "reranker":
            raise ValueError(f"kind {told['kind']!r} is not a reranker")
        if told["space"] != encoder.space.id:
            raise ValueError(f"it was made for {told['space']}, this is {encoder.space.id}")
        make = METHODS[told["method"]]
        plan = Plan(_whole(told["candidates"]), _part(told["weight"]), _part(told["epsilon"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise ModelBroken(
            f"{path} is of no reranker for this model ({problem}); remove its folder to search without"
        ) from problem
    return make(encoder, plan)


def _whole(value: object) -> int:
    if type(value) is not int or not 2 <= value <= MOST:
        raise ValueError(f"candidates {value!r} is not a whole number of 2 to {MOST}")
    return value


def _part(value: object) -> float:
    if type(value) not in (int, float) or not math.isfinite(number := float(str(value))) or not 0 <= number <= 1:
        raise ValueError(f"{value!r} is not in 0 to 1")
    return number
