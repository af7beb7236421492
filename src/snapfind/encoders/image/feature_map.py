"""An inner tensor of an ONNX file as one more output, without the onnx package and without a second file.

A protobuf message that is given twice is merged (protobuf.dev, "Encoding", last one wins; repeated fields are
appended), so a second `graph` with nothing but an output, written behind the model, adds that output to the first.
"""

__all__ = ["CELLS", "with_cells", "with_output"]

# The last layer before the map of 7 by 7 is halved: 14 by 14 cells, ReLU6, named by scripts/export_encoder.py.
CELLS = {"lite0": "_blocks.11._expand_conv", "lite2": "_blocks.15._expand_conv"}

_GRAPH, _OUTPUT, _NAME = 7, 12, 1  # field numbers in ModelProto, GraphProto, ValueInfoProto (onnx.proto)


def with_cells(model: bytes, name: str) -> bytes:
    """The ONNX file of an encoder with its cells as a further output; as it is where the network has no such tensor."""
    tensor = next((tensor for network, tensor in CELLS.items() if name.startswith(network)), "")
    return with_output(model, tensor) if tensor and tensor.encode() in model else model


def with_output(model: bytes, tensor: str) -> bytes:
    """The model with that tensor as a further output, whose type ONNX Runtime infers."""
    return model + _field(_GRAPH, _field(_OUTPUT, _field(_NAME, tensor.encode())))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        written.append(low | (0x80 if value else 0))
        if not value:
            return bytes(written)
