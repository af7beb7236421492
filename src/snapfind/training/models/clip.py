"""CLIP models of transformers from a folder: frozen, with a differentiable text encoder.

The folder is what `save_pretrained` of a CLIPModel and its tokenizer writes: config.json, model.safetensors, tokenizer
files, and preprocessor_config.json if images are prepared differently from CLIP. Weights are read from safetensors
only, code in the folder is never run, and nothing is downloaded.
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

__all__ = ["Clip", "ClipPreprocessing", "load_clip"]

_MEAN, _DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's own
_TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"))
_BATCH = 16


@dataclass(frozen=True, slots=True)
class ClipPreprocessing:
    """Preprocessing of images: the shorter side is resized to `side` pixels, the center is cropped, levels are 0..1.

    Attributes:
        side: Side of the input in pixels.
        mean: Mean of the levels of each channel.
        deviation: Standard deviation of the levels of each channel.
    """

    side: int
    mean: tuple[float, ...] = _MEAN
    deviation: tuple[float, ...] = _DEVIATION

    def tensor(self, images: Sequence[Image.Image]) -> Tensor:
        """Convert RGB images of any size to (n, 3, side, side) float32."""
        rows = np.stack([self._one(image) for image in images])
        return torch.from_numpy(np.ascontiguousarray(rows.transpose(0, 3, 1, 2)))

    def _one(self, image: Image.Image) -> NDArray[np.float32]:
        scale = self.side / min(image.size)
        size = tuple(max(self.side, round(length * scale)) for length in image.size)
        large = image.convert("RGB").resize((size[0], size[1]), Image.Resampling.BICUBIC)
        left, top = (size[0] - self.side) // 2, (size[1] - self.side) // 2
        levels = np.asarray(large.crop((left, top, left + self.side, top + self.side)), np.float32) / 255
        mean, deviation = (np.array(config, np.float32) for config in (self.mean, self.deviation))
        return ((levels - mean) / deviation).astype(np.float32)


@dataclass(frozen=True)
class Clip:
    """A frozen CLIP model.

    Attributes:
        model: The CLIPModel in evaluation mode. No parameter needs a gradient.
        tokenizer: Its tokenizer.
        preprocessing: Its preprocessing.
    """

    model: Any
    tokenizer: Any
    preprocessing: ClipPreprocessing

    @torch.no_grad()
    def pictures(self, images: Sequence[Image.Image]) -> Tensor:
        """Encode images as (n, hidden) pooled states of the image encoder, before its projection."""
        parts = [images[at : at + _BATCH] for at in range(0, len(images), _BATCH)]
        return torch.cat(
            [self.model.vision_model(pixel_values=self.preprocessing.tensor(p)).pooler_output for p in parts]
        )


def load_clip(folder: Path) -> Clip:
    """Load a model in float32.

    Args:
        folder: Folder of the model and its tokenizer.

    Returns:
        The model.

    Raises:
        ExtraMissing: transformers or peft is not installed.
        ModelBroken: The folder has no CLIP model in safetensors, weights are missing, or the tokenizer is of another
            model.
    """
    if not (find_spec("transformers") and find_spec("peft")):
        raise ExtraMissing.of("prompts and adapters need transformers and peft", "train")
    try:
        config = json.loads((folder / "config.json").read_text())
        kind = config.get("model_type")
    except (OSError, ValueError, AttributeError) as problem:
        raise ModelBroken(
            f"{folder} is not the folder of a CLIP model: config.json cannot be read ({problem})."
        ) from problem
    if kind != "clip":
        raise ModelBroken(f"{folder} holds a model of type {kind!r}. Prompts need the CLIP format of transformers.")
    if not (folder / "model.safetensors").is_file():
        raise ModelBroken(f"{folder} has no model.safetensors. Save the model with safe_serialization=True.")
    if not any(all((folder / name).is_file() for name in names) for names in _TOKENIZERS):
        raise ModelBroken(f"{folder} has no tokenizer.json, and no vocab.json and merges.txt. Copy the tokenizer too.")
    try:
        model, missing, tokenizer = _read(folder)
        preprocessing = _read_preprocessing(folder, int(config["vision_config"]["image_size"]))
    except Exception as problem:
        raise ModelBroken(f"{folder} holds no complete CLIP model ({str(problem)[:200]})") from problem
    if missing:
        raise ModelBroken(
            f"{folder}: model.safetensors lacks {len(missing)} weights of its config.json, such as {missing[0]}"
        )
    if len(tokenizer) > (pieces := int(model.config.text_config.vocab_size)):
        raise ModelBroken(
            f"{folder}: its tokenizer has {len(tokenizer):,} pieces, the text tower {pieces:,}: one of the two is"
            " another model's"
        )
    return Clip(model.eval().requires_grad_(False), tokenizer, preprocessing)


def _read(folder: Path) -> tuple[Any, list[str], Any]:
    """Return the model, the names of missing weights (which transformers draws at random), and the tokenizer."""
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


def _read_preprocessing(folder: Path, side: int) -> ClipPreprocessing:
    file = folder / "preprocessor_config.json"
    config = json.loads(file.read_text()) if file.is_file() else {}
    mean, deviation = config.get("image_mean", _MEAN), config.get("image_std", _DEVIATION)
    return ClipPreprocessing(side, tuple(map(float, mean)), tuple(map(float, deviation)))
