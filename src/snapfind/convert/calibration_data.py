"""Static int8 quantization of a convolutional network, with activation ranges calibrated on pictures.

ONNX Runtime's static quantization: weights per channel, activations per tensor, between the smallest and largest value
over the pictures (Jacob et al., "Quantization and Training of Neural Networks", arXiv 1712.05877). ReLU6 then equals
the range and costs nothing. Other ranges, and layers left in float, were measured on photos of `train`:
benchmarks/results/own_encoders.md. Weights use all 8 bits: with 7, which cannot overflow on any processor, embeddings
differ twice as much. encoders/onnx_session.py handles processors without VNNI.
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

_KINDS = ["Conv", "Add", "Clip"]  # pooling and the classifier stay in float: they take no time


class _Batches(CalibrationDataReader):
    """Calibration data for ONNX Runtime."""

    def __init__(self, pixels: Iterator[NDArray[np.uint8]]) -> None:
        self._pixels = pixels

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:  # type: ignore[override]
        """Return the next batch, or None after the last."""
        batch = next(self._pixels, None)
        return None if batch is None else {"pictures": batch}


def in_whole_numbers(model: bytes, pixels: Iterable[NDArray[np.uint8]], outputs: Iterable[str]) -> bytes:
    """Quantize an ONNX file to int8. The same pixels give the same file.

    Args:
        model: fp32 or fp16 ONNX file.
        pixels: Batches of the input `pictures`, uint8 of shape (n, side, side, 3).
        outputs: Inner tensors that are read from outside. They keep their names, with quantized values.

    Returns:
        The int8 ONNX file.
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
    for tensor in outputs:
        _rename_output(proto.graph, tensor)
    return halved(proto.SerializeToString())


def _rename_output(graph: onnx.GraphProto, tensor: str) -> None:
    """Give the name of a tensor to its quantized copy. The quantizer leaves it to the value before ReLU6."""
    rounded = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    widened = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    copy = widened.get(rounded.get(tensor, ""))
    if copy is None:
        return
    named = {tensor: f"{tensor}_unrounded", copy: tensor}
    for node in graph.node:
        node.input[:] = [named.get(name, name) for name in node.input]
        node.output[:] = [named.get(name, name) for name in node.output]
    for info in graph.value_info:
        info.name = named.get(info.name, info.name)
