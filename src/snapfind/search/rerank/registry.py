"""Artifacts of rerankers: a folder with a manifest.json that names the method.

    reranker/
      manifest.json     {"kind": "reranker", "method": "geometry", "space": …, "candidates": 10, "weight": .3, …}

`space` is the model that the reranker was made for. A trained method adds its weights as safetensors.
"""

import json
import math
from dataclasses import asdict
from pathlib import Path

from snapfind.core.artifact import MANIFEST, read_manifest
from snapfind.core.errors import BadInput, ModelBroken
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.search.rerank.base import MOST, RerankConfig, Reranker
from snapfind.search.rerank.geometric import Geometry

__all__ = ["METHODS", "load", "manifest"]

METHODS = {"geometry": Geometry}


def manifest(method: str, space: str, config: RerankConfig | None = None) -> bytes:
    """Write the manifest.json of a reranker.

    Args:
        method: Key of `METHODS`.
        space: Id of the photo space.
        config: Settings of the reranker, or None for the defaults.

    Returns:
        Content of manifest.json.

    Raises:
        BadInput: If the method is unknown.
    """
    if method not in METHODS:
        raise BadInput(f"unknown reranker {method!r}; use one of: {', '.join(METHODS)}", field="method")
    content = {"kind": "reranker", "method": method, "space": space, **asdict(config or RerankConfig())}
    return json.dumps(content, indent=2).encode()


def load(folder: Path, encoder: PhotoEncoder) -> Reranker:
    """Load a reranker from its folder.

    Args:
        folder: Folder with manifest.json.
        encoder: Photo encoder of the model that the reranker was made for.

    Returns:
        The reranker.

    Raises:
        ModelBroken: If the manifest is missing, invalid, or for another model.
    """
    remedy = "remove its folder to search without it"
    values = read_manifest(folder, "reranker", remedy=remedy)
    try:
        if values["space"] != encoder.space.id:
            raise ValueError(f"it was made for {values['space']}, this is {encoder.space.id}")
        make = METHODS[values["method"]]
        config = RerankConfig(_whole(values["candidates"]), _part(values["weight"]), _part(values["epsilon"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise ModelBroken(
            f"{folder / MANIFEST} is not a valid reranker for this model ({problem}); {remedy}"
        ) from problem
    return make(encoder, config)


def _whole(value: object) -> int:
    if type(value) is not int or not 2 <= value <= MOST:
        raise ValueError(f"candidates {value!r} is not a whole number of 2 to {MOST}")
    return value


def _part(value: object) -> float:
    if type(value) not in (int, float) or not math.isfinite(number := float(str(value))) or not 0 <= number <= 1:
        raise ValueError(f"{value!r} is not in 0 to 1")
    return number
