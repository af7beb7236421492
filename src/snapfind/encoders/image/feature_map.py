"""Add an inner tensor of an ONNX model as an output, without the onnx package and without a second file.

Protobuf merges a message field that occurs twice and appends its repeated fields (protobuf.dev, "Encoding"). A second
`graph` that contains only an output, appended to the model, therefore adds this output to the graph.
"""

__all__ = ["CELLS", "with_cells", "with_output"]

# The last layer before the map of 7 by 7 is halved: 14 by 14 cells, ReLU6, named by scripts/export_encoder.py.
CELLS = {"lite0": "_blocks.11._expand_conv", "lite2": "_blocks.15._expand_conv"}

_GRAPH, _OUTPUT, _NAME = 7, 12, 1  # field numbers in ModelProto, GraphProto, ValueInfoProto (onnx.proto)


def with_cells(model: bytes, name: str) -> bytes:
    """Add the cells of an encoder as an output.

    Args:
        model: Content of the ONNX file.
        name: Name of the encoder.

    Returns:
        The model with the output. Unchanged if the network has no such tensor.
    """
    tensor = next((tensor for network, tensor in CELLS.items() if name.startswith(network)), "")
    return with_output(model, tensor) if tensor and tensor.encode() in model else model


def with_output(model: bytes, tensor: str) -> bytes:
    """Add a tensor as an output. ONNX Runtime infers its type.

    Args:
        model: Content of an ONNX file.
        tensor: Name of the tensor.

    Returns:
        Content of the new ONNX file.
    """
    return model + _field(_GRAPH, _field(_OUTPUT, _field(_NAME, tensor.encode())))


def _field(number: int, content: bytes) -> bytes:
    """Encode a length-delimited field."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        encoded.append(low | (0x80 if value else 0))
        if not value:
            return bytes(encoded)
