"""Write a trained click model for serving: NumPy weights, golden rows, manifest (search/rerank/click_model.py)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from snapfind.core.atomic import whole
from snapfind.core.errors import BadInput
from snapfind.ranking.cdanet import Augmentation
from snapfind.ranking.fit import ClickFit
from snapfind.ranking.networks import SingleDomain
from snapfind.search.rerank.click_model import ClickModel, load, save
from snapfind.search.rerank.features import Columns, Field

__all__ = ["build_click_model", "write_ranker"]


def build_click_model(fitted: ClickFit, fields: Sequence[Field], candidates: int = 100) -> ClickModel:
    """Build the click model that serving loads from the target part of a fit.

    Args:
        fitted: The fit.
        fields: Fields of the target.
        candidates: Number of candidates that are reranked.

    Returns:
        The click model.

    Raises:
        BadInput: The method is a baseline that is not served.
    """
    network = fitted.network
    if not isinstance(network, (SingleDomain, Augmentation)) or fitted.method == "random":
        raise BadInput(
            f"Method {fitted.method} is a baseline that is not served. Fit single or cdanet.", field="method"
        )
    inputs, weights = network.inputs, {}
    tables = {own.held_in for own in fields if own.kind != "number"}
    hashed_fields = [
        own for kind in ("hashed", "sequence") for own in fields if own.kind == kind and own.held_in in tables
    ]
    for at, name in enumerate(dict.fromkeys(own.held_in for own in hashed_fields)):
        weights[f"tables.{at}"] = _plain(inputs.tables[inputs.table_names.index(name)])
    counted = [at for at, own in enumerate(inputs.numeric) if own.name in {field.name for field in fields}]
    weights["numbers.mean"], weights["numbers.scale"] = _plain(inputs.mean)[counted], _plain(inputs.scale)[counted]
    weights |= _linear("extract", network.extract) | _linear("tower", network.tower)
    if isinstance(network, Augmentation):
        weights |= {name.replace(".0", ""): value for name, value in _linear("translate", network.translate).items()}
    return ClickModel(fields, weights, (fitted.scale, fitted.shift), candidates)


def write_ranker(
    folder: Path, model: ClickModel, golden: Columns, count: int, metadata: Mapping[str, object]
) -> ClickModel:
    """Write the artifact atomically and load it as serving does.

    Args:
        folder: Folder of the new artifact.
        model: The click model.
        golden: Columns of the golden rows.
        count: Number of golden rows.
        metadata: Entries of the manifest: `space`, `method`, data hash, seed, metrics, command.

    Returns:
        The loaded click model.

    Raises:
        ModelBroken: The loaded model does not reproduce the golden rows.
        NoRoom: The disk is full.
    """
    with whole(folder) as draft:
        save(draft, model, golden, count, metadata)
        load(draft, str(metadata["space"]))
    return load(folder, str(metadata["space"]))


def _linear(name: str, layers: nn.Module) -> dict[str, NDArray[np.float32]]:
    linear_layers = [layer for layer in layers.modules() if isinstance(layer, nn.Linear)]
    parts = ("weight", "bias")
    return {
        f"{name}.{at}.{part}": _plain(getattr(layer, part)) for at, layer in enumerate(linear_layers) for part in parts
    }


def _plain(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().cpu().numpy().astype(np.float32)
    return array
