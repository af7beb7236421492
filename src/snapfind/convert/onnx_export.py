"""Export image and text encoders of PyTorch to ONNX with torch.export."""

from typing import Any

import torch
from torch import Tensor, nn

from snapfind.convert.silence import quiet
from snapfind.convert.source_model import Pixels, Words
from snapfind.core.errors import BadInput

__all__ = ["OPSET", "SeenByTower", "picture_file", "text_file"]

OPSET = 18
_FREE = torch.export.Dim.DYNAMIC


class SeenByTower(nn.Module):
    """Image encoder with normalization as its first step: uint8 RGB of shape (n, side, side, 3) -> (n, width).

    Args:
        tower: Encoder of normalized pixels of shape (n, 3, side, side).
        pixels: Preprocessing.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, tower: nn.Module, pixels: Pixels) -> None:
        super().__init__()
        self.tower = tower
        self.register_buffer("mean", 255 * torch.tensor(pixels.mean))
        self.register_buffer("deviation", 255 * torch.tensor(pixels.deviation))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the embeddings before normalization."""
        levels = (pictures.float() - self.mean) / self.deviation
        rows: Tensor = self.tower(levels.permute(0, 3, 1, 2))
        return rows


def picture_file(tower: nn.Module, pixels: Pixels) -> bytes:
    """Export an image encoder.

    Args:
        tower: Encoder of normalized pixels.
        pixels: Preprocessing.

    Returns:
        ONNX file with the input `pictures` and the output `pooled`.

    Raises:
        BadInput: It cannot be exported, or is larger than 2 GiB.
    """
    side = pixels.ours.side
    drawn = torch.randint(0, 255, (2, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return _export(SeenByTower(tower, pixels).eval(), (drawn,), ["pictures"], ({0: _FREE},))


def text_file(words: Words) -> bytes:
    """Export a text encoder.

    Args:
        words: Text encoder.

    Returns:
        ONNX file with the inputs `ids` and, if the encoder takes one, `mask`, and the output `pooled`.

    Raises:
        BadInput: It cannot be exported, or is larger than 2 GiB.
    """
    encoded = words.tokenizer.encode_batch(["a red mug", "a very blue one"])
    ids = torch.tensor([one.ids for one in encoded])
    mask = torch.tensor([one.attention_mask for one in encoded])
    shape = {0: _FREE} if words.padded else {0: _FREE, 1: _FREE}
    given, names = ((ids, mask), ["ids", "mask"]) if words.masked else ((ids,), ["ids"])
    return _export(words.module, given, names, tuple(dict(shape) for _ in names))


def _first(problem: BaseException) -> BaseException:
    """Return the root cause. The exporter wraps it in a page of advice."""
    return problem if problem.__cause__ is None else _first(problem.__cause__)


def _export(module: nn.Module, given: tuple[Tensor, ...], names: list[str], shapes: tuple[Any, ...]) -> bytes:
    try:
        with torch.no_grad(), quiet():
            program = torch.onnx.export(
                module,
                given,
                input_names=names,
                output_names=["pooled"],
                dynamic_shapes=shapes,
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        assert program is not None
        content: bytes = program.model_proto.SerializeToString()
    except Exception as problem:
        said = " ".join(str(_first(problem)).split())[:160]
        raise BadInput(f"the model cannot be written as ONNX ({said})") from problem
    return content
