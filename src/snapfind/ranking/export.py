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

__all__ = ["click_model", "write_ranker"]


def click_model(fitted: ClickFit, fields: Sequence[Field], candidates: int = 100) -> ClickModel:
    """The target's part of a fit, on `fields` of the target. Raises BadInput for a method that is not served."""
    network = fitted.network
    if not isinstance(network, (SingleDomain, Augmentation)) or fitted.method == "random":
        raise BadInput(f"method {fitted.method} is a baseline and is not served; fit single or cdanet", field="method")
    inputs, weights = network.inputs, {}
    mine = {own.held_in for own in fields if own.kind != "number"}
    ordered = [own for kind in ("hashed", "sequence") for own in fields if own.kind == kind and own.held_in in mine]
    for at, name in enumerate(dict.fromkeys(own.held_in for own in ordered)):
        weights[f"tables.{at}"] = _plain(inputs.tables[inputs.names.index(name)])
    counted = [at for at, own in enumerate(inputs.counted) if own.name in {field.name for field in fields}]
    weights["numbers.mean"], weights["numbers.scale"] = _plain(inputs.mean)[counted], _plain(inputs.scale)[counted]
    weights |= _linear("extract", network.extract) | _linear("tower", network.tower)
    if isinstance(network, Augmentation):
        weights |= {name.replace(".0", ""): value for name, value in _linear("translate", network.translate).items()}
    return ClickModel(fields, weights, (fitted.scale, fitted.shift), candidates)


def write_ranker(
    folder: Path, model: ClickModel, golden: Columns, count: int, told: Mapping[str, object]
) -> ClickModel:
    """Writes the artifact into `folder`, whole or not at all, and opens it as the shop floor will.

    `golden` are `count` rows; `told` holds `space` and `method`, data hash, seed, metrics, command. Raises ModelBroken,
    NoRoom.
    """
    with whole(folder) as draft:
        save(draft, model, golden, count, told)
        load(draft, str(told["space"]))
    return load(folder, str(told["space"]))


def _linear(name: str, layers: nn.Module) -> dict[str, NDArray[np.float32]]:
    found = [layer for layer in layers.modules() if isinstance(layer, nn.Linear)]
    parts = ("weight", "bias")
    return {f"{name}.{at}.{part}": _plain(getattr(layer, part)) for at, layer in enumerate(found) for part in parts}


def _plain(tensor: Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = tensor.detach().cpu().numpy().astype(np.float32)
    return found
