"""Vision models of transformers as backbones: the image encoder of CLIP and SigLIP, DINOv2, DINOv3, ViT."""

import copy
from dataclasses import replace
from pathlib import Path

from torch import nn

from snapfind.convert.detect import fingerprint, read_original
from snapfind.core.errors import BadInput
from snapfind.training.models.torch_backbone import TorchBackbone

__all__ = ["read_transformers_backbone"]

_TEXT = ("text_model", "text_projection")  # parts of a two-tower model that images do not need


def read_transformers_backbone(source: str) -> TorchBackbone:
    """Read a model that `save_pretrained` wrote.

    Args:
        source: Folder with config.json, model.safetensors and preprocessor_config.json.

    Returns:
        The backbone. The text encoder of a two-tower model is left out.

    Raises:
        BadInput: The model type is not supported.
        ModelBroken: A file is missing or damaged.
        ExtraMissing: transformers is not installed.
    """
    folder = Path(source)
    original = read_original(folder)
    picture = copy.deepcopy(original.picture)
    model = picture.get_submodule("model")
    for name in _TEXT:
        if hasattr(model, name):
            delattr(model, name)
    original = replace(original, picture=picture, words=None)
    source_entry = {"name": original.name, "sha256": fingerprint(folder)}
    return TorchBackbone(original, _block_names(picture, original.kind), source_entry)


def _block_names(picture: nn.Module, kind: str) -> list[str]:
    """Return the names of the modules in the longest list of modules of one class: the transformer blocks."""
    lists = {name: module for name, module in picture.named_modules() if isinstance(module, nn.ModuleList)}
    uniform = {name: module for name, module in lists.items() if len({type(block) for block in module}) == 1}
    if not uniform:
        raise BadInput(f"A model of {kind} has no list of blocks that can be trained.")
    name = max(uniform, key=lambda name: len(uniform[name]))
    return [f"{name}.{number}" for number in range(len(uniform[name]))]
