"""Folders of timm: config.json with an architecture, and model.safetensors. Pictures only."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from snapfind.convert.preprocessing import of_transform
from snapfind.convert.requirements import need_package
from snapfind.convert.source_model import Original, Pixels
from snapfind.core.errors import BadInput, ModelBroken

__all__ = ["read_timm"]


def read_timm(folder: Path, name: str, told: dict[str, Any]) -> Original:
    """`told` is config.json. Raises ModelBroken where weights are missing or are another architecture's."""
    need_package("timm", "a timm model")
    import timm

    if not (folder / "model.safetensors").is_file():
        raise ModelBroken(f"{folder} has no model.safetensors; save it anew with safe_serialization=True")
    architecture = str(told["architecture"])
    if not timm.is_model(architecture):
        raise BadInput(f"{folder}: timm has no architecture {architecture!r}; upgrade timm")
    model = timm.create_model(architecture, pretrained=False, num_classes=0, **told.get("model_args", {}))
    found = model.load_state_dict(
        load_file(folder / "model.safetensors"), strict=False
    )  # a classifier may be left over
    if found.missing_keys:
        raise ModelBroken(
            f"{folder}: model.safetensors lacks {len(found.missing_keys)} weights of {architecture}, such as"
            f" {found.missing_keys[0]}"
        )
    return Original(name, f"timm {architecture}", _Pooled(model).eval(), _pixels(model, told), None)


class _Pooled(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model.requires_grad_(False)

    def forward(self, planes: Tensor) -> Tensor:
        """(n, 3, side, side) -> (n, width), what a classifier would stand on."""
        rows: Tensor = self.model(planes)
        return torch.flatten(rows, 1)


def _pixels(model: Any, told: dict[str, Any]) -> Pixels:
    from timm.data.config import resolve_data_config
    from timm.data.transforms_factory import create_transform

    config = resolve_data_config({}, pretrained_cfg=told.get("pretrained_cfg", {}), model=model)
    _, height, width = config["input_size"]
    part = float(config["crop_pct"])
    if height != width or config["crop_mode"] not in {"center", "squash"}:
        raise BadInput(f"{told['architecture']} prepares pictures in a way that is not known here ({config})")
    return of_transform(
        create_transform(**config, is_training=False),
        "squash" if config["crop_mode"] == "squash" else "shortest",
        height,
        scaled=int(height / part),
        pad=0,
        interpolation=config["interpolation"],
        mean=config["mean"],
        deviation=config["std"],
    )
