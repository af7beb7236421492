"""Write a trained encoder as the artifact that serving loads: an ONNX model, two heads, golden vectors, a manifest.

    NAME/
      model.onnx            graph of the parent with the trained weights, without the ImageNet classifier
      golden.safetensors    output vectors for synthetic test images
      heads/                an Adapter: one affine map for photos, one for catalog images
      manifest.json         parent, data hash, seed, metrics, command; written last

An encoder that differs from its parent only in the heads is written as an Adapter alone.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.numpy import save

from snapfind.core.artifact import write_artifact as write_files
from snapfind.core.atomic import whole
from snapfind.core.errors import ModelBroken
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.encoders.golden import check_golden, golden_pictures
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor
from snapfind.training.models.efficientnet import Convolution, Network, read_network
from snapfind.training.models.heads import Heads

__all__ = ["SHIPPED", "check_rounding", "write_artifact", "write_heads", "write_onnx"]

_MIN_COSINE = 0.999  # lowest accepted cosine between vectors of the trained and of the stored weights
SHIPPED = Path(__file__).parent.parent / "encoders" / "weights" / "lite0"


def write_onnx(network: Network, parent: Path) -> bytes:
    """Serialize the trained network as ONNX.

    Args:
        network: The trained network.
        parent: Artifact folder of the parent, whose graph is reused. Weights stored there as float16 stay float16.

    Returns:
        The ONNX model with the outputs `map` and `pooled`.
    """
    proto = onnx.load(parent / "model.onnx")
    graph = proto.graph
    trained = {
        f"{module.name}.{attribute}": getattr(module, attribute).detach().cpu().numpy()
        for module in network.modules()
        if isinstance(module, Convolution)
        for attribute in ("weight", "bias")
    }
    for tensor in graph.initializer:
        value = trained.get(tensor.name.removesuffix("_half"))
        if value is not None:
            dtype = numpy_helper.to_array(tensor).dtype
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value, dtype), tensor.name))
    return _prune(proto, {"map", "pooled"}).SerializeToString()


def _prune(proto: onnx.ModelProto, output_names: set[str]) -> onnx.ModelProto:
    """Return the model with these outputs only, without nodes and constants that they do not need."""
    graph, required = proto.graph, set(output_names)
    nodes = []
    for node in reversed(graph.node):
        if required & set(node.output):
            nodes.append(node)
            required |= set(node.input)
    outputs = [output for output in graph.output if output.name in output_names]
    constants = [tensor for tensor in graph.initializer if tensor.name in required]
    body = onnx.helper.make_graph(nodes[::-1], graph.name, graph.input, outputs, constants)
    model = onnx.helper.make_model(body, opset_imports=proto.opset_import, ir_version=proto.ir_version)
    onnx.checker.check_model(model, full_check=True)
    return model


def write_artifact(
    folder: Path, network: Network, heads: Heads, metadata: Mapping[str, object], *, parent: Path = SHIPPED
) -> Builtin:
    """Write the artifact atomically and load it as serving does.

    Args:
        folder: Folder of the new artifact.
        network: The trained network.
        heads: The trained heads.
        metadata: Additional entries of the manifest: data hash, seed, metrics, command.
        parent: Artifact folder of the parent.

    Returns:
        The encoder, loaded from `folder`.

    Raises:
        ModelBroken: ONNX Runtime and PyTorch disagree on the golden images, or float16 changes the vectors.
        NoRoom: The disk is full.
    """
    with whole(folder) as draft:
        _fill(draft, network, heads, metadata, parent, str(folder))
    return Builtin.load(str(folder))


def _fill(draft: Path, network: Network, heads: Heads, metadata: Mapping[str, object], parent: Path, name: str) -> None:
    """Write all files of the artifact `name` into `draft`."""
    model, base = write_onnx(network, parent), json.loads((parent / "manifest.json").read_text())
    (draft / "model.onnx").write_bytes(model)
    pictures = to_tensor(golden_pictures(), Preprocessing.parse(base["preprocessing"]))
    golden = _encode(read_network(draft), pictures)
    check_rounding(_encode(network, pictures), golden, name)
    inherited = {name: base[name] for name in ("preprocessing", "normalized_in", "pooling", "license", "source")}
    manifest = {
        "name": f"{base['name']}-learned",
        "kind": "encoder",
        "parent": base["name"],
        **inherited,
        **metadata,
    }
    write_files(draft, manifest, {"model.onnx": model, "golden.safetensors": save({"golden": golden})})
    raw = Builtin.load(str(draft))
    check_golden(unit(raw.extract_features(golden_pictures()).pooled), golden, name)
    heads.adapter(raw.raw_id, {"part_of": manifest["name"]}).save(draft / "heads")


def _encode(network: Network, pictures: NDArray[np.uint8]) -> Vectors:
    """Return (n, width) unit rows computed with PyTorch."""
    with torch.inference_mode():
        return unit(network(torch.from_numpy(pictures).to(next(network.parameters()).device)).cpu().numpy())


def check_rounding(trained: Vectors, stored: Vectors, name: str) -> None:
    """Check that rounding the weights to float16 changes no vector.

    Args:
        trained: (n, width) unit rows of the trained weights.
        stored: (n, width) unit rows of the stored weights.
        name: Name of the artifact in the message.

    Raises:
        ModelBroken: A cosine is below 0.999.
    """
    lowest = float((trained * stored).sum(axis=1).min())
    if not lowest > _MIN_COSINE:
        raise ModelBroken(
            f"{name}: rounding to float16 changes the vectors (cosine {lowest:.4f}). Train again with a lower rate."
        )


def write_heads(folder: Path, heads: Heads, metadata: Mapping[str, object], *, parent: Path = SHIPPED) -> Builtin:
    """Write heads on the frozen features of the parent atomically, as an Adapter.

    Args:
        folder: Folder of the new adapter.
        heads: The trained heads.
        metadata: Entries of the manifest.
        parent: Artifact folder of the encoder that makes the features.

    Returns:
        The parent encoder with the new adapter.

    Raises:
        NoRoom: The disk is full.
    """
    raw = Builtin.load(str(parent))
    with whole(folder) as draft:
        heads.adapter(raw.raw_id, dict(metadata)).save(draft)
    return Builtin.load(str(parent), adapter=folder)
