"""Write a model as an artifact for encoders/image/onnx_tower.py, completely or not at all.

Pixels and token ids are compared with the library's own, then the embeddings of the written files with PyTorch.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from snapfind.convert.onnx_export import OPSET, picture_file, text_file
from snapfind.convert.precision import in_precision
from snapfind.convert.preprocessing import check_pixels
from snapfind.convert.source_model import Original
from snapfind.convert.tokenizer import check_ids
from snapfind.convert.verify import Agreement, agreement
from snapfind.core.artifact import write_artifact
from snapfind.core.atomic import whole
from snapfind.core.errors import ModelBroken
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Space
from snapfind.encoders.golden import golden_pictures
from snapfind.encoders.image.onnx_tower import GOLDEN_TEXTS, KIND, Tower
from snapfind.encoders.image.preprocess import to_tensor
from snapfind.encoders.onnx_session import open_session
from snapfind.encoders.text.onnx_tower import WordTower

__all__ = ["LEAST", "write_tower"]

LEAST = {"fp32": 0.9999, "fp16": 0.999, "int8": 0.9}  # smallest allowed cosine with PyTorch
_GIB = 2**30


def write_tower(
    original: Original,
    folder: Path,
    *,
    precision: str = "fp32",
    source: Mapping[str, object],
    on_step: Callable[[str], None] = lambda _: None,
) -> tuple[Tower, Agreement]:
    """Write the artifact, load it as serving does, and compare it with PyTorch.

    Args:
        original: The model.
        folder: New folder of the artifact.
        precision: "fp32", "fp16" or "int8".
        source: Entries of the manifest about the origin.
        on_step: Called with the name of each step.

    Returns:
        The loaded artifact and its agreement with PyTorch.

    Raises:
        BadInput: The model cannot be converted.
        ModelBroken: The embeddings differ from PyTorch's.
    """
    on_step("comparing pixels and ids with the library's own")
    pixels_off = check_pixels(original.pixels)
    if original.words is not None:
        check_ids(original.words)
    on_step("writing ONNX")
    files = {"picture.onnx": in_precision(picture_file(original.picture, original.pixels), precision)}
    if original.words is not None:
        files["text.onnx"] = in_precision(text_file(original.words), precision)
        files["tokenizer.json"] = original.words.tokenizer.to_str().encode()
    on_step("comparing the answers with PyTorch's")
    files["golden.safetensors"], dim = _golden(original, files)
    manifest = {
        "name": f"{original.name}-{precision}",
        "kind": KIND,
        "dim": dim,
        "precision": precision,
        "preprocessing": original.pixels.ours.as_dict(),
        "normalized_in": {"picture.onnx": [original.pixels.mean, original.pixels.deviation]},
        "opset": OPSET,
        "source": {"kind": original.kind, **source},
    }
    with whole(folder) as draft:
        write_artifact(draft, manifest, files)
        tower = Tower.load(draft, checked=len(golden_pictures()))
        found = agreement(original, tower, pixels_off=pixels_off)
        if not min(found.pictures, found.texts) >= LEAST[precision]:
            raise ModelBroken(
                f"{original.name} answers otherwise in {precision} than in PyTorch (cosine {found.pictures:.4f} of"
                f" pictures, {found.texts:.4f} of texts, at least {LEAST[precision]}); take another precision"
            )
    return tower, found


def _golden(original: Original, files: Mapping[str, bytes]) -> tuple[bytes, int]:
    """Return the content of golden.safetensors and the dimension of the embeddings."""
    pixels = to_tensor(golden_pictures(), original.pixels.ours)
    session = open_session(files["picture.onnx"], 0)
    rows = unit(np.concatenate([session.run(None, {"pictures": one[None]})[0] for one in pixels]))
    golden: dict[str, NDArray[Any]] = {"pictures": rows, "pixels": pixels[:1]}
    if "text.onnx" in files:
        words = WordTower.load(files, Space("draft", rows.shape[1], original.name), 0)
        golden["texts"] = words.texts(GOLDEN_TEXTS, "query")
        if golden["texts"].shape[1] != rows.shape[1]:
            raise ModelBroken(
                f"{original.name}: its towers meet in no space ({rows.shape[1]} and {golden['texts'].shape[1]} numbers)"
            )
    return save(golden), rows.shape[1]
