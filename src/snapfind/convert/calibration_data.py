"""A network of convolutions in whole numbers of 8 bits, its scales fixed beforehand on pictures.

ONNX Runtime's static quantization: weights a channel at a time, activations a tensor at a time, from their least and
largest value over the pictures (Jacob et al., "Quantization and Training of Neural Networks", arXiv 1712.05877). ReLU6
then is the range itself and costs nothing. Other ranges, and parts left in float, were measured on photos of `train`:
benchmarks/results/own_encoders.md. Weights keep all 8 bits: with 7, which every processor adds up without overflow,
vectors turn twice as far; encoders/onnx_session.py has processors without VNNI multiply otherwise.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from snapfind.convert.precision import halved
from snapfind.convert.silence import quiet

__all__ = ["in_whole_numbers"]

_KINDS = ["Conv", "Add", "Clip"]  # pooling and classes stay as they are: they take no time


class _Batches(CalibrationDataReader):
    """Pixels as ONNX Runtime asks for them."""

    def __init__(self, pixels: Iterator[NDArray[np.uint8]]) -> None:
        self._pixels = pixels

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:  # type: ignore[override]
        """The next batch, None after the last."""
        batch = next(self._pixels, None)
        return None if batch is None else {"pictures": batch}


def in_whole_numbers(model: bytes, pixels: Iterable[NDArray[np.uint8]], shown: Iterable[str]) -> bytes:
    """An fp32 (or fp16) ONNX file -> one in 8 bits, the same file for the same pixels.

    `pixels` are batches (n, side, side, 3) of the input `pictures`. Tensors named in `shown` are looked at from
    outside: they keep name and meaning, as close as 8 bits tell them.
    """
    with tempfile.TemporaryDirectory() as spare, quiet():
        whole, plain, small = (Path(spare) / name for name in ("whole.onnx", "plain.onnx", "small.onnx"))
        whole.write_bytes(model)
        quant_pre_process(str(whole), str(plain), skip_symbolic_shape=True)
        quantize_static(
            str(plain),
            str(small),
            _Batches(iter(pixels)),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_KINDS,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
        )
        proto = onnx.load(small)
    for tensor in shown:
        _show(proto.graph, tensor)
    return halved(proto.SerializeToString())


def _show(graph: onnx.GraphProto, tensor: str) -> None:
    """Gives the name of a tensor to its rounded copy: the quantizer left it to what comes before ReLU6."""
    rounded = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    widened = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    copy = widened.get(rounded.get(tensor, ""))
    if copy is None:
        return
    named = {tensor: f"{tensor}_unrounded", copy: tensor}
    for node in graph.node:
        node.input[:] = [named.get(name, name) for name in node.input]
        node.output[:] = [named.get(name, name) for name in node.output]
    for held in graph.value_info:
        held.name = named.get(held.name, held.name)
