"""Store a model in fp16 or int8.

fp16 halves the file. ONNX Runtime converts the weights to fp32 when it loads them, so speed is the same. int8 is
dynamic quantization of matrix products, with scales computed for each batch. verify.py measures the loss. Static
quantization was not faster for transformers (benchmarks/own_encoders.py). For convolutions it is: calibration_data.py.
Layers that int8 leaves in float are stored in fp16.
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
    """Convert an ONNX file to another precision.

    Args:
        model: fp32 ONNX file.
        precision: "fp32", "fp16" or "int8".

    Returns:
        The converted file.

    Raises:
        BadInput: The precision is unknown.
    """
    if precision not in PRECISIONS:
        raise BadInput(f"precision {precision!r}: give one of {', '.join(PRECISIONS)}", field="precision")
    if precision == "fp32":
        return model
    return halved(_quantized(model) if precision == "int8" else model)


def halved(model: bytes) -> bytes:
    """Store large fp32 constants as fp16 with a cast, which ONNX Runtime folds when it loads the file.

    Args:
        model: ONNX file.

    Returns:
        The smaller file.
    """
    proto = onnx.load_from_string(model)
    casts = []
    for constant in proto.graph.initializer:
        if constant.data_type != TensorProto.FLOAT or np.prod(constant.dims) < _SMALL:
            continue
        name, value = constant.name, numpy_helper.to_array(constant)
        if np.abs(value).max() > np.finfo(np.float16).max:
            continue
        constant.CopyFrom(numpy_helper.from_array(value.astype(np.float16), f"{name}_half"))
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
