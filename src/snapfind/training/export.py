"""A learnt encoder as the shop floor loads it: ONNX in the shipped form, two heads, golden vectors, manifest.

    NAME/
      model.onnx            the shipped graph with the learnt weights, without ImageNet's classes
      golden.safetensors    what it answers to drawn pictures
      heads/                an Adapter: one affine map for photos, one for catalogue pictures
      manifest.json         parent, data hash, seed, metrics, command; written last

What only has new heads is written as the Adapter alone.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.numpy import save

from snapfind.core.atomic import whole
from snapfind.core.errors import ModelBroken
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors
from snapfind.encoders.golden import check_golden, golden_pictures
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor
from snapfind.training.models.efficientnet import Convolution, Network, read_network
from snapfind.training.models.heads import Heads

__all__ = ["SHIPPED", "write_artifact", "write_heads", "write_onnx"]

_SAME = 0.999  # least cosine between what was learnt and what is stored
SHIPPED = Path(__file__).parent.parent / "encoders" / "weights" / "lite0"


def write_onnx(network: Network, parent: Path) -> bytes:
    """The parent's graph up to `map` and `pooled` with the learnt weights; those held as float16 stay float16."""
    proto = onnx.load(parent / "model.onnx")
    graph = proto.graph
    learnt = {
        f"{own.name}.{part}": getattr(own, part).detach().cpu().numpy()
        for own in network.modules()
        if isinstance(own, Convolution)
        for part in ("weight", "bias")
    }
    for held in graph.initializer:
        value = learnt.get(held.name.removesuffix("_half"))
        if value is not None:
            dtype = numpy_helper.to_array(held).dtype
            held.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value, dtype), held.name))
    return _pruned(proto, {"map", "pooled"}).SerializeToString()


def _pruned(proto: onnx.ModelProto, kept: set[str]) -> onnx.ModelProto:
    """The model with these outputs only, and nothing that they do not need."""
    graph, wanted = proto.graph, set(kept)
    nodes = []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            nodes.append(node)
            wanted |= set(node.input)
    outputs = [own for own in graph.output if own.name in kept]
    constants = [own for own in graph.initializer if own.name in wanted]
    body = onnx.helper.make_graph(nodes[::-1], graph.name, graph.input, outputs, constants)
    model = onnx.helper.make_model(body, opset_imports=proto.opset_import, ir_version=proto.ir_version)
    onnx.checker.check_model(model, full_check=True)
    return model


def write_artifact(
    folder: Path, network: Network, heads: Heads, told: Mapping[str, object], *, parent: Path = SHIPPED
) -> Builtin:
    """Writes the artifact into `folder`, whole or not at all, and opens it as the shop floor will.

    `told` goes into the manifest: data hash, seed, metrics, command. Raises ModelBroken when ONNX Runtime and PyTorch
    do not agree on the golden pictures, NoRoom.
    """
    with whole(folder) as draft:
        _fill(draft, network, heads, told, parent, str(folder))
    return Builtin.load(str(folder))


def _fill(draft: Path, network: Network, heads: Heads, told: Mapping[str, object], parent: Path, name: str) -> None:
    """Everything that makes the artifact `name`."""
    model, before = write_onnx(network, parent), json.loads((parent / "manifest.json").read_text())
    (draft / "model.onnx").write_bytes(model)
    pictures = to_tensor(golden_pictures(), Preprocessing.parse(before["preprocessing"]))
    golden = _answers(read_network(draft), pictures)
    _check_rounding(_answers(network, pictures), golden, name)
    (draft / "golden.safetensors").write_bytes(save({"golden": golden}))
    kept = {name: before[name] for name in ("preprocessing", "normalised_in", "pooling", "licence", "source")}
    manifest = {
        "name": f"{before['name']}-learnt",
        "kind": "encoder",
        "parent": before["name"],
        **kept,
        **told,
        "model_sha256": hashlib.sha256(model).hexdigest(),
    }
    (draft / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    raw = Builtin.load(str(draft))
    check_golden(unit(raw.extract_features(golden_pictures()).pooled), golden, name)
    heads.adapter(raw.raw_id, {"part_of": manifest["name"]}).save(draft / "heads")


def _answers(network: Network, pictures: NDArray[np.uint8]) -> Vectors:
    """(n, width) unit rows by PyTorch."""
    with torch.inference_mode():
        return unit(network(torch.from_numpy(pictures).to(next(network.parameters()).device)).cpu().numpy())


def _check_rounding(learnt: Vectors, stored: Vectors, name: str) -> None:
    """Weights are stored as float16: that must not turn a vector. Raises ModelBroken."""
    least = float((learnt * stored).sum(axis=1).min())
    if not least > _SAME:
        raise ModelBroken(f"{name}: float16 turns its vectors (cosine {least:.4f}); learn it anew with a smaller rate")


def write_heads(folder: Path, heads: Heads, told: Mapping[str, object], *, parent: Path = SHIPPED) -> Builtin:
    """New heads on the parent's frozen features: an Adapter in `folder`, whole or not at all. Raises NoRoom."""
    raw = Builtin.load(str(parent))
    with whole(folder) as draft:
        heads.adapter(raw.raw_id, dict(told)).save(draft)
    return Builtin.load(str(parent), adapter=folder)
