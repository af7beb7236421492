"""A PyTorch network as a backbone: split at any of its blocks, and exported to ONNX after training.

The split needs only the names of blocks that run one after the other. `front` runs the network and stops at a block.
`body` runs it on blank images, skips the earlier blocks and gives the cached input to the first trained block. So
position embeddings, attention pooling and projections stay those of the network's own library.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from snapfind.convert.onnx_export import SeenByTower, picture_file
from snapfind.convert.precision import halved
from snapfind.convert.preprocessing import check_pixels
from snapfind.convert.source_model import Original
from snapfind.core.artifact import write_artifact
from snapfind.core.atomic import whole
from snapfind.core.errors import BadInput
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Vectors, space_id
from snapfind.encoders.golden import check_golden, golden_pictures
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.preprocess import to_tensor
from snapfind.encoders.onnx_session import open_session
from snapfind.training.data.feature_cache import Front
from snapfind.training.export import check_rounding
from snapfind.training.models.heads import Heads

__all__ = ["SplitNetwork", "TorchBackbone"]

_TOLERANCE = 1e-3  # largest difference of a feature between the split and the whole network, relative to the largest


class _Reached(Exception):
    """Stops a network at a block. `hidden` is the input of the block."""

    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden


class _Skip(nn.Module):
    """Replaces a block that is not run."""

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        """Return the input."""
        return hidden


class SplitNetwork(nn.Module):
    """The part of a network from one block on, as a trainable module.

    Only parameters that the output depends on from that block on are trained. Batch norm statistics stay those of the
    pretrained network, because a batch mixes photos and studio images.

    Args:
        network: Maps (n, side, side, 3) images with levels 0..255 to (n, width) features. It is copied.
        blocks: Names of its blocks in order.
        first: Index of the first block that is trained. 0: the whole network.
        side: Side of the images in pixels.
    """

    def __init__(self, network: nn.Module, blocks: Sequence[str], first: int, side: int) -> None:
        super().__init__()
        self.network, self.first, self.side = copy.deepcopy(network), first, side
        for name in blocks[:first]:
            self.network.set_submodule(name, _Skip())
        self._block = blocks[first]

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images (`first` 0) or cached inputs of block `first` to (n, width) float32 features."""
        if not self.first:
            return self.network(inputs).float()  # type: ignore[no-any-return]

        def replace(module: nn.Module, given: tuple[Any, ...], options: dict[str, Any]) -> Any:
            return (inputs, *given[1:]), options

        blank = inputs.new_zeros((len(inputs), self.side, self.side, 3))
        handle = self.network.get_submodule(self._block).register_forward_pre_hook(replace, with_kwargs=True)
        try:
            return self.network(blank).float()  # type: ignore[no-any-return]
        finally:
            handle.remove()

    def train(self, mode: bool = True) -> "SplitNetwork":
        """Set the mode. Batch norms stay in evaluation mode."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    def mark_trainable(self, inputs: Tensor) -> None:
        """Freeze every parameter that the features of `inputs` do not depend on."""
        self.requires_grad_()
        with torch.enable_grad():
            self(inputs).sum().backward()
        for parameter in self.parameters():
            parameter.requires_grad_(parameter.grad is not None)
            parameter.grad = None


class TorchBackbone:
    """A backbone made of a PyTorch model.

    Args:
        original: The model, with its preprocessing.
        blocks: Names of its blocks within `original.picture`, in the order in which they run.
        source: Entry `source` of the manifest: name and sha256 of the files.

    Raises:
        BadInput: The model has fewer than two blocks, or prepares images in an unknown way.
    """

    def __init__(self, original: Original, blocks: Sequence[str], source: Mapping[str, object]) -> None:
        if len(blocks) < 2:
            raise BadInput(f"{original.name} ({original.kind}) has no sequence of blocks that can be trained.")
        check_pixels(original.pixels)
        self.name, self.preprocessing = original.name, original.pixels.ours
        self.raw_id = space_id(self.name, dict(source), self.preprocessing.as_dict())
        self._original, self._source = original, {"kind": original.kind, **source}
        self._network = SeenByTower(original.picture, original.pixels).eval().requires_grad_(False)
        self._blocks = tuple(f"tower.{name}" for name in blocks)
        self._width = int(self.front(None, 1)(self._blank(1)).shape[1])

    @property
    def width(self) -> int:
        """Length of the pooled features."""
        return self._width

    @property
    def last_stage(self) -> int:
        """Index of the first block of the last third."""
        return len(self._blocks) - max(1, round(len(self._blocks) / 3))

    def stages(self) -> tuple[str, ...]:
        """Return the names of the blocks in order."""
        return tuple(name.removeprefix("tower.") for name in self._blocks)

    def front(self, first: int | None, threads: int) -> Front:
        """Return the frozen blocks before block `first`, None for the whole network. `threads` is that of PyTorch."""

        def stop(module: nn.Module, given: tuple[Any, ...], options: dict[str, Any]) -> None:
            raise _Reached(given[0] if given else next(iter(options.values())))

        def front(images: NDArray[np.uint8]) -> NDArray[np.float32]:
            pixels = torch.from_numpy(images)
            with torch.inference_mode():
                if first is None:
                    return np.asarray(self._network(pixels), np.float32)
                block = self._network.get_submodule(self._blocks[first])
                handle = block.register_forward_pre_hook(stop, with_kwargs=True)
                try:
                    self._network(pixels)
                except _Reached as reached:
                    return np.asarray(reached.hidden, np.float32)
                finally:
                    handle.remove()
            raise BadInput(f"{self.name} does not run its block {self.stages()[first]}.")

        return front

    def body(self, first: int) -> nn.Module:
        """Return the blocks from `first` on and the pooling.

        Raises:
            BadInput: The split network has other features than the whole one.
        """
        body = SplitNetwork(self._network, self._blocks, first, self.preprocessing.side).eval()
        images = to_tensor(golden_pictures(2), self.preprocessing)
        inputs = torch.from_numpy(self.front(first, 1)(images) if first else images)
        try:
            body.mark_trainable(inputs)
            with torch.inference_mode():
                features = body(inputs).numpy()
        except Exception as problem:
            raise BadInput(f"{self.name} cannot be split at {self.stages()[first]} ({problem}).") from problem
        expected = self.front(None, 1)(images)
        if not np.abs(features - expected).max() <= _TOLERANCE * np.abs(expected).max():
            raise BadInput(f"{self.name} cannot be split at {self.stages()[first]}: the features differ.")
        return body

    def save(self, folder: Path, body: nn.Module | None, heads: Heads, metadata: Mapping[str, object]) -> Builtin:
        """Write the network with its heads. The weights are stored in float16."""
        network = copy.deepcopy(self._network)
        if isinstance(body, SplitNetwork):
            network.load_state_dict(body.network.state_dict(), strict=False)
        with whole(folder) as draft:
            self._fill(draft, network.eval().requires_grad_(False), heads, metadata, str(folder))
        return Builtin.load(str(folder))

    def _fill(self, draft: Path, network: SeenByTower, heads: Heads, metadata: Mapping[str, object], name: str) -> None:
        """Write all files of the artifact `name` into `draft`."""
        pixels = self._original.pixels
        model = halved(picture_file(network.tower, pixels))
        images = to_tensor(golden_pictures(), self.preprocessing)
        with torch.inference_mode():
            trained: Vectors = unit(np.asarray(network(torch.from_numpy(images)), np.float32))
        golden = unit(open_session(model, 0).run(["pooled"], {"pictures": images})[0])
        check_rounding(trained, golden, name)
        manifest = {
            "name": f"{self.name}-learned",
            "kind": "encoder",
            "parent": self.name,
            "dim": self.width,
            "preprocessing": self.preprocessing.as_dict(),
            "normalized_in": {"model.onnx": [pixels.mean, pixels.deviation]},
            "source": self._source,
            **metadata,
        }
        write_artifact(draft, manifest, {"model.onnx": model, "golden.safetensors": save({"golden": golden})})
        raw = Builtin.load(str(draft))
        check_golden(unit(raw.extract_features(golden_pictures()).pooled), golden, name)
        heads.adapter(raw.raw_id, {"part_of": manifest["name"]}).save(draft / "heads")

    def _blank(self, count: int) -> NDArray[np.uint8]:
        side = self.preprocessing.side
        return np.zeros((count, side, side, 3), np.uint8)
