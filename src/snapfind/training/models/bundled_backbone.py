"""The bundled EfficientNet as a backbone. Its frozen blocks run in ONNX Runtime."""

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from snapfind.encoders.image.efficientnet import Builtin
from snapfind.training.data.feature_cache import Front, load_frozen_front
from snapfind.training.export import write_artifact, write_heads
from snapfind.training.models.adaptation import Tail
from snapfind.training.models.efficientnet import read_network
from snapfind.training.models.heads import Heads

__all__ = ["BundledBackbone"]


class BundledBackbone:
    """A backbone read from an ONNX artifact of the bundled network.

    Args:
        folder: Artifact folder.

    Raises:
        NotFound: There is no such artifact.
        ModelBroken: It is damaged, or its graph is of another network.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._network = folder, read_network(folder)
        encoder = Builtin.load(str(folder))
        self.name, self.raw_id, self.preprocessing = encoder.name, encoder.raw_id, encoder.preprocessing

    @property
    def width(self) -> int:
        """Length of the pooled features."""
        return self._network.width

    @property
    def last_stage(self) -> int:
        """Index of the first of the last five blocks, at which the feature map is halved for the last time."""
        return self.stages().index(self._network.last_stage)

    def stages(self) -> tuple[str, ...]:
        """Return the names of the blocks in order."""
        return self._network.names

    def front(self, first: int | None, threads: int) -> Front:
        """Return the frozen blocks before block `first`, None for the whole network."""
        block = "" if first is None else self.stages()[first]
        return load_frozen_front(self.folder / "model.onnx", block, threads)

    def body(self, first: int) -> nn.Module:
        """Return the blocks from `first` on and the pooling. Depthwise kernels stay frozen."""
        return Tail(self._network, first)

    def save(self, folder: Path, body: nn.Module | None, heads: Heads, metadata: Mapping[str, object]) -> Builtin:
        """Write the network with its heads, or the heads alone if `body` is None."""
        if isinstance(body, Tail):
            return write_artifact(folder, body.network, heads, metadata, parent=self.folder)
        return write_heads(folder, heads, metadata, parent=self.folder)
