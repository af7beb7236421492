"""Smaller files of a tower: weights stored in half precision, or whole-number products.

fp16 halves the file; ONNX Runtime widens the weights when it loads them and computes in fp32, so it is as fast. int8
multiplies in whole numbers, with scales found for each batch: what a model loses by it agreement.py tells. Scales fixed
beforehand on pictures were no faster for transformers (benchmarks/own_encoders.py); for convolutions they are, and
static.py fixes them. What int8 leaves as it is (embeddings, the first convolution) is stored in half precision.
"""

import tempfile
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from snapfind.convert.silence import quiet
from snapfind.core.errors import BadInput

__all__ = ["PRECISIONS", "Precision", "halved", "in_precision"]

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
_SMALL = 4096  # numbers: below, a cast costs more than it saves


def in_precision(model: bytes, precision: str) -> bytes:
    """An fp32 ONNX file in another precision. Raises BadInput for one that is not known."""
    if precision not in PRECISIONS:
        raise BadInput(f"precision {precision!r}: give one of {', '.join(PRECISIONS)}", field="precision")
    if precision == "fp32":
        return model
    return halved(_quantized(model) if precision == "int8" else model)


def halved(model: bytes) -> bytes:
    """Large fp32 constants as float16 and a cast, which ONNX Runtime folds when it loads the file."""
    proto = onnx.load_from_string(model)
    casts = []
    for held in proto.graph.initializer:
        if held.data_type != TensorProto.FLOAT or np.prod(held.dims) < _SMALL:
            continue
        name, value = held.name, numpy_helper.to_array(held)
        if np.abs(value).max() > np.finfo(np.float16).max:
            continue
        held.CopyFrom(numpy_helper.from_array(value.astype(np.float16), f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    content: bytes = proto.SerializeToString()
    return content


def _quantized(model: bytes) -> bytes:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as spare, quiet():
        whole, small = Path(spare) / "whole.onnx", Path(spare) / "small.onnx"
        whole.write_bytes(model)
        quantize_dynamic(
            whole,
            small,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
        return small.read_bytes()
