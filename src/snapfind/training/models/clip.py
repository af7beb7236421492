"""Any two-tower model in the transformers CLIP format, from a folder: frozen, its text tower differentiable.

The folder is what `save_pretrained` of a CLIPModel and of its tokenizer write: config.json, model.safetensors, the
tokenizer's files, preprocessor_config.json where pictures are prepared otherwise than CLIP does. Weights are read from
safetensors only, code from the folder never, and nothing is looked up on a hub.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from snapfind.core.errors import ExtraMissing, ModelBroken

__all__ = ["Clip", "Looks", "read_clip"]

_MEAN, _DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's own
_TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"))
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Looks:
    """How pictures are prepared: side in pixels after scaling the shorter side and cropping the middle, levels 0..1."""

    side: int
    mean: tuple[float, ...] = _MEAN
    deviation: tuple[float, ...] = _DEVIATION

    def tensor(self, images: Sequence[Image.Image]) -> Tensor:
        """RGB pictures of any size -> (n, 3, side, side) float32."""
        rows = np.stack([self._one(image) for image in images])
        return torch.from_numpy(np.ascontiguousarray(rows.transpose(0, 3, 1, 2)))

    def _one(self, image: Image.Image) -> NDArray[np.float32]:
        scale = self.side / min(image.size)
        size = tuple(max(self.side, round(length * scale)) for length in image.size)
        large = image.convert("RGB").resize((size[0], size[1]), Image.Resampling.BICUBIC)
        left, top = (size[0] - self.side) // 2, (size[1] - self.side) // 2
        levels = np.asarray(large.crop((left, top, left + self.side, top + self.side)), np.float32) / 255
        mean, deviation = (np.array(told, np.float32) for told in (self.mean, self.deviation))
        return ((levels - mean) / deviation).astype(np.float32)


@dataclass(frozen=True)
class Clip:
    """`model` is a CLIPModel in eval mode whose parameters need no gradient; `tokenizer` its own."""

    model: Any
    tokenizer: Any
    looks: Looks

    @torch.no_grad()
    def pictures(self, images: Sequence[Image.Image]) -> Tensor:
        """(n, hidden) pooled states of the picture's tower, before its projection."""
        parts = [images[at : at + _BATCH] for at in range(0, len(images), _BATCH)]
        return torch.cat([self.model.vision_model(pixel_values=self.looks.tensor(p)).pooler_output for p in parts])


def read_clip(folder: Path) -> Clip:
    """The model in float32, whatever it was saved in. Raises ExtraMissing without transformers, ModelBroken where the
    folder holds no such model in safetensors, lacks some of its weights, or has a tokenizer that is not its own."""
    if not (find_spec("transformers") and find_spec("peft")):
        raise ExtraMissing.of("prompts and adapters need transformers and peft", "train")
    try:
        told = json.loads((folder / "config.json").read_text())
        kind = told.get("model_type")
    except (OSError, ValueError, AttributeError) as problem:
        raise ModelBroken(
            f"{folder} is no folder of a CLIP model: its config.json cannot be read ({problem})"
        ) from problem
    if kind != "clip":
        raise ModelBroken(f"{folder} holds a model of type {kind!r}; prompts need the CLIP format of transformers")
    if not (folder / "model.safetensors").is_file():
        raise ModelBroken(f"{folder} has no model.safetensors; save it anew with safe_serialization=True")
    if not any(all((folder / name).is_file() for name in names) for names in _TOKENIZERS):
        raise ModelBroken(f"{folder} has no tokenizer.json, nor vocab.json and merges.txt; copy the tokenizer too")
    try:
        model, missing, tokenizer = _read(folder)
        looks = _looks(folder, int(told["vision_config"]["image_size"]))
    except Exception as problem:
        raise ModelBroken(f"{folder} holds no whole CLIP model ({str(problem)[:200]})") from problem
    if missing:
        raise ModelBroken(
            f"{folder}: model.safetensors lacks {len(missing)} weights of its config.json, such as {missing[0]}"
        )
    if len(tokenizer) > (pieces := int(model.config.text_config.vocab_size)):
        raise ModelBroken(
            f"{folder}: its tokenizer has {len(tokenizer):,} pieces, the text tower {pieces:,}: one of the two is"
            " another model's"
        )
    return Clip(model.eval().requires_grad_(False), tokenizer, looks)


def _read(folder: Path) -> tuple[Any, list[str], Any]:
    """Model, the weights that it lacks (transformers would draw them), tokenizer."""
    from transformers import AutoTokenizer, CLIPModel
    from transformers.utils import logging

    logging.disable_progress_bar()  # the verbs have bars of their own
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # what it would report is asked for here
    try:
        read: Any = CLIPModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    finally:
        logging.set_verbosity(before)
    return read[0], [str(key) for kind in ("missing_keys", "mismatched_keys") for key in read[1][kind]], tokenizer


def _looks(folder: Path, side: int) -> Looks:
    file = folder / "preprocessor_config.json"
    told = json.loads(file.read_text()) if file.is_file() else {}
    mean, deviation = told.get("image_mean", _MEAN), told.get("image_std", _DEVIATION)
    return Looks(side, tuple(map(float, mean)), tuple(map(float, deviation)))
