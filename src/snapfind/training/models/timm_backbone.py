"""timm models as backbones: a folder that timm saved, or an architecture with a safetensors file."""

from pathlib import Path
from typing import Any

from torch import nn

from snapfind.convert.detect import fingerprint, read_original
from snapfind.convert.timm import read_timm_weights
from snapfind.core.errors import BadInput, NotFound
from snapfind.training.models.torch_backbone import TorchBackbone

__all__ = ["read_timm_backbone"]

_BLOCKS = ("blocks", "stages", "layers")  # vision transformers and EfficientNets, ConvNeXts, Swin transformers
_LAYERS = ("layer1", "layer2", "layer3", "layer4")  # residual networks


def read_timm_backbone(source: str) -> TorchBackbone:
    """Read a timm model.

    Args:
        source: Folder with config.json and model.safetensors, or `ARCHITECTURE@FILE`.

    Returns:
        The backbone.

    Raises:
        NotFound: There is no such file.
        BadInput: timm has no such architecture, or its blocks are not known.
        ModelBroken: The file lacks weights of the architecture.
        ExtraMissing: timm is not installed.
    """
    if Path(source).is_dir():
        original, digest = read_original(Path(source)), fingerprint(Path(source))
    else:
        architecture, _, file = source.partition("@")
        if not Path(file).is_file():
            raise NotFound(f"There is no file {file}. Give ARCHITECTURE@FILE with the safetensors file of the weights.")
        original, digest = read_timm_weights(architecture, Path(file))
    model: Any = original.picture
    return TorchBackbone(original, _block_names(model.model), {"name": original.name, "sha256": digest})


def _block_names(model: nn.Module) -> list[str]:
    children = dict(model.named_children())
    if all(name in children for name in _LAYERS):
        return [f"model.{name}" for name in _LAYERS]
    for name in _BLOCKS:
        if isinstance(children.get(name), nn.Sequential | nn.ModuleList):
            return [f"model.{name}.{number}" for number, _ in children[name].named_children()]
    raise BadInput(
        f"The blocks of a {type(model).__name__} of timm are not known. Supported: models with {', '.join(_BLOCKS)} or"
        f" {_LAYERS[0]} to {_LAYERS[-1]}."
    )
