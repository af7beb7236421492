"""timm models: a folder with config.json and model.safetensors, or an architecture with a safetensors file."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from snapfind.convert.detect import plain_name
from snapfind.convert.preprocessing import of_transform
from snapfind.convert.requirements import need_convert, need_package
from snapfind.convert.source_model import Original, Pixels
from snapfind.core.errors import BadInput, ModelBroken

__all__ = ["read_timm", "read_timm_weights"]


def read_timm(folder: Path, name: str, config: dict[str, Any]) -> Original:
    """Read a folder that timm saved.

    Args:
        folder: Folder with model.safetensors.
        name: Name of the model.
        config: Content of config.json.

    Returns:
        The model.

    Raises:
        BadInput: timm has no such architecture, or it prepares images in an unknown way.
        ModelBroken: Weights are missing.
        ExtraMissing: timm is not installed.
    """
    if not (folder / "model.safetensors").is_file():
        raise ModelBroken(f"{folder} has no model.safetensors. Save the model with safe_serialization=True.")
    return _read(folder / "model.safetensors", name, config)


def read_timm_weights(architecture: str, file: Path) -> tuple[Original, str]:
    """Read an architecture of timm with weights from a file.

    Args:
        architecture: Name of the architecture.
        file: safetensors file of its weights.

    Returns:
        The model, named after the file, and the sha256 of the file.

    Raises:
        BadInput: timm has no such architecture, or it prepares images in an unknown way.
        ModelBroken: The file is no safetensors file, or lacks weights.
        ExtraMissing: A package is not installed.
    """
    need_convert()
    try:
        original = _read(file, plain_name(file.stem), {"architecture": architecture})
    except SafetensorError as problem:
        raise ModelBroken(f"{file} is not a safetensors file ({problem}).") from problem
    with file.open("rb") as opened:
        return original, hashlib.file_digest(opened, "sha256").hexdigest()


def _read(weights: Path, name: str, config: dict[str, Any]) -> Original:
    need_package("timm", "a timm model")
    import timm

    architecture = str(config["architecture"])
    if not timm.is_model(architecture):
        raise BadInput(f"timm has no architecture {architecture!r}. Upgrade timm, or correct the name.")
    model = timm.create_model(architecture, pretrained=False, num_classes=0, **config.get("model_args", {}))
    loaded = model.load_state_dict(load_file(weights), strict=False)  # the file may have a classifier
    if loaded.missing_keys:
        raise ModelBroken(
            f"{weights} lacks {len(loaded.missing_keys)} weights of {architecture}, such as {loaded.missing_keys[0]}."
        )
    return Original(name, f"timm {architecture}", _Pooled(model).eval(), _pixels(model, config), None)


class _Pooled(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model.requires_grad_(False)

    def forward(self, planes: Tensor) -> Tensor:
        """Map (n, 3, side, side) normalized levels to (n, width) features before the classifier."""
        rows: Tensor = self.model(planes)
        return torch.flatten(rows, 1)


def _pixels(model: Any, config: dict[str, Any]) -> Pixels:
    from timm.data.config import resolve_data_config
    from timm.data.transforms_factory import create_transform

    data = resolve_data_config({}, pretrained_cfg=config.get("pretrained_cfg", {}), model=model)
    _, height, width = data["input_size"]
    if height != width or data["crop_mode"] not in {"center", "squash"}:
        raise BadInput(f"{config['architecture']} prepares images in a way that is not supported: {data}.")
    return of_transform(
        create_transform(**data, is_training=False),
        "squash" if data["crop_mode"] == "squash" else "shortest",
        height,
        scaled=int(height / float(data["crop_pct"])),
        pad=0,
        interpolation=data["interpolation"],
        mean=data["mean"],
        deviation=data["std"],
    )
