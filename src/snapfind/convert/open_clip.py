"""Read models of open_clip from a folder, including EVA and timm image encoders."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, normalizers
from torch import Tensor, nn

from snapfind.convert.preprocessing import of_transform
from snapfind.convert.requirements import need_package
from snapfind.convert.silence import quiet
from snapfind.convert.source_model import Original, Pixels, Words
from snapfind.convert.tokenizer import canonical, collapsed, cut_and_pad, of_bpe, of_library
from snapfind.core.errors import BadInput, ModelBroken

__all__ = ["read_open_clip"]

_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


class _Picture(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, planes: Tensor) -> Tensor:
        """(n, 3, side, side) -> (n, width)."""
        rows: Tensor = self.model.encode_image(planes)
        return rows


class _Text(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        """(n, length) -> (n, width)."""
        rows: Tensor = self.model.encode_text(ids)
        return rows


def read_open_clip(folder: Path, name: str, config: dict[str, Any]) -> Original:
    """Read a model of open_clip.

    Args:
        folder: Folder of the model.
        name: Name of the model.
        config: Content of open_clip_config.json.

    Returns:
        The model.

    Raises:
        BadInput: The model cannot be converted.
        ModelBroken: A file is missing, or the weights are a pickle with code.
    """
    need_package("open_clip", "an open_clip model")
    import open_clip

    if not any((folder / file).is_file() for file in _WEIGHTS):
        raise ModelBroken(f"{folder} has neither {' nor '.join(_WEIGHTS)}; copy the weights too")
    if config.get("model_cfg", {}).get("text_cfg", {}).get("hf_model_name"):
        raise BadInput(
            f"{folder}: its text tower is one of transformers by name, which is on a hub; take the model in the format"
            " of transformers"
        )
    try:
        with quiet():
            model = open_clip.create_model(f"local-dir:{folder}", precision="fp32", device="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        raise ModelBroken(
            f"{folder}: its weights are a pickle with code in it, which is not run; save them as"
            " open_clip_model.safetensors"
        ) from problem
    model = model.eval().requires_grad_(False)
    return Original(name, "open_clip", _Picture(model).eval(), _pixels(model), _words(folder, model, config))


def _pixels(model: Any) -> Pixels:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    config = PreprocessCfg(**model.visual.preprocess_cfg)
    size = config.size if isinstance(config.size, (tuple, list)) else (config.size, config.size)
    if size[0] != size[1]:
        raise BadInput(f"the model takes pictures of {size[1]} x {size[0]}; only square ones can be converted")
    return of_transform(
        image_transform_v2(config, is_train=False),
        config.resize_mode,
        int(size[0]),
        scaled=int(size[0]),
        pad=int(config.fill_color),
        interpolation=config.interpolation,
        mean=config.mean,
        deviation=config.std,
    )


def _words(folder: Path, model: Any, config: dict[str, Any]) -> Words:
    import open_clip

    library = open_clip.get_tokenizer(f"local-dir:{folder}")
    length = int(library.context_length)

    def own(texts: Sequence[str]) -> NDArray[np.int64]:
        return np.asarray(library(list(texts)).numpy(), np.int64)

    fast = cut_and_pad(*_tokenizer(library, config["model_cfg"]["text_cfg"]), length)
    return Words(_Text(model).eval(), fast, own, length, padded=True, masked=False)


def _tokenizer(library: Any, config: dict[str, Any]) -> tuple[Tokenizer, int]:
    """Return the tokenizer with its text cleaning, and the id of its padding."""
    from open_clip.tokenizer import SimpleTokenizer

    if isinstance(library, SimpleTokenizer):
        first, end = ("<start_of_text>", "<end_of_text>")
        return of_bpe(library.encoder, list(library.bpe_ranks), first, end), 0
    fast = of_library(library.tokenizer)
    clean = config.get("tokenizer_kwargs", {}).get("clean", "whitespace")
    cleaning = (
        canonical() if clean == "canonicalize" else [*collapsed(), *([normalizers.Lowercase()] * (clean == "lower"))]
    )
    fast.normalizer = normalizers.Sequence([*cleaning, *([fast.normalizer] if fast.normalizer else [])])
    return fast, int(library.tokenizer.pad_token_id or 0)
