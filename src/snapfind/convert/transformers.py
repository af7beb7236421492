"""Folders that transformers' `save_pretrained` writes: CLIP, SigLIP, Chinese-CLIP, DINOv2, DINOv3, ViT."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn

from snapfind.convert.preprocessing import of_processor
from snapfind.convert.requirements import need_package
from snapfind.convert.silence import quiet
from snapfind.convert.source_model import Original, Pixels, Words
from snapfind.convert.tokenizer import cut_and_pad, of_library
from snapfind.core.errors import BadInput, ModelBroken

__all__ = ["KINDS", "read_transformers"]

_BOTH = ("clip", "siglip", "chinese_clip")
_PICTURES: dict[str, Callable[[Any], Tensor]] = {
    "dinov2": lambda answer: answer.pooler_output,
    "dinov2_with_registers": lambda answer: answer.pooler_output,
    "dinov3_vit": lambda answer: answer.pooler_output,
    "vit": lambda answer: answer.last_hidden_state[:, 0],  # its pooler belongs to a classifier that is not there
}
KINDS = (*_BOTH, *_PICTURES)


class _Picture(nn.Module):
    def __init__(self, model: Any, kind: str) -> None:
        super().__init__()
        self.model, self.kind = model, kind

    def forward(self, planes: Tensor) -> Tensor:
        """(n, 3, side, side) -> (n, width)."""
        if self.kind in _BOTH:
            return _rows(self.model.get_image_features(pixel_values=planes))
        return _PICTURES[self.kind](self.model(pixel_values=planes))


class _Text(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, length) -> (n, width)."""
        more = {} if mask is None else {"attention_mask": mask}
        return _rows(self.model.get_text_features(input_ids=ids, **more))


def read_transformers(folder: Path, name: str, config: dict[str, Any]) -> Original:
    """Read a model of transformers.

    Args:
        folder: Folder of the model.
        name: Name of the model.
        config: Content of config.json.

    Returns:
        The model.

    Raises:
        BadInput: The model cannot be converted.
        ModelBroken: A file is missing, or its weights are of another model.
    """
    kind = str(config["model_type"])
    if kind == "siglip2":
        raise BadInput(
            f"{folder} is a SigLIP 2 of any resolution (NaFlex), whose pictures have no fixed size; take its sister of"
            " a fixed one, such as siglip2-base-patch16-224"
        )
    if kind not in KINDS:
        raise BadInput(f"{folder} holds a model of type {kind!r}; those that can be converted are {', '.join(KINDS)}")
    _need(folder, "preprocessor_config.json")
    if not any(folder.glob("model*.safetensors")):
        raise ModelBroken(f"{folder} has no model.safetensors; save it again with safe_serialization=True")
    model = _model(folder, kind)
    words = _words(folder, model, kind) if kind in _BOTH else None
    return Original(name, f"transformers {kind}", _Picture(model, kind).eval(), _pixels(folder), words)


def _model(folder: Path, kind: str) -> Any:
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()  # the commands have their own
    with quiet():  # loading errors are checked below
        model, found = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True, dtype=torch.float32
        )
    missing = [key for key in found["missing_keys"] if not (kind == "vit" and key.startswith("pooler."))]
    if missing or found["mismatched_keys"]:
        wrong = [*missing, *(str(key) for key in found["mismatched_keys"])]
        raise ModelBroken(
            f"{folder}: model.safetensors lacks {len(wrong)} weights of its config.json, such as {wrong[0]}"
        )
    return model.eval().requires_grad_(False)


def _pixels(folder: Path) -> Pixels:
    from transformers import AutoImageProcessor

    # In Pillow, as the models were trained: torchvision's filter of bytes is up to 9 levels away from it.
    with quiet():  # DINOv3 has no other than torchvision's, which scales floats and is near
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil")

    def own(images: Sequence[Image]) -> Tensor:
        found: Tensor = processor(images=list(images), return_tensors="pt")["pixel_values"]
        return found

    return of_processor(processor, own, folder)


def _words(folder: Path, model: Any, kind: str) -> Words:
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model")):
        raise ModelBroken(
            f"{folder} has no tokenizer.json, vocab.json, vocab.txt or spiece.model; copy the tokenizer too"
        )
    if (folder / "spiece.model").is_file() and not (folder / "tokenizer.json").is_file():
        need_package("sentencepiece", "a tokenizer of sentencepiece")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    config = model.config.text_config
    if len(tokenizer) > config.vocab_size:
        raise ModelBroken(
            f"{folder}: its tokenizer has {len(tokenizer):,} pieces, the text tower {config.vocab_size:,}: one of the"
            " two is another model's"
        )
    length = min(int(config.max_position_embeddings), int(tokenizer.model_max_length))
    # SigLIP was trained with texts filled up to the end and no mask; the others ignore what stands behind the end
    padded, masked = kind == "siglip", kind == "chinese_clip"

    def own(texts: Sequence[str]) -> NDArray[np.int64]:
        found = tokenizer(list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="np")
        return np.asarray(found["input_ids"], np.int64)

    fast = cut_and_pad(
        of_library(tokenizer), tokenizer.pad_token_id, length, padded=padded, side=tokenizer.padding_side
    )
    return Words(_Text(model).eval(), fast, own, length, padded, masked)


def _need(folder: Path, name: str) -> None:
    if not (folder / name).is_file():
        raise ModelBroken(f"{folder} has no {name}, which says how pictures are prepared; copy it from the model")


def _rows(answer: Any) -> Tensor:
    """Return the embeddings. Version 5 of transformers returns them in an object, version 4 as a tensor."""
    found: Tensor = answer if isinstance(answer, Tensor) else answer.pooler_output
    return found
