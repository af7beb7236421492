"""Backbones: image networks that training can adapt, behind one protocol, and the table of their kinds.

A network is split at a block. The frozen blocks before it run once for each view (`front`), and their outputs are
cached. The blocks from there on are trained (`body`). docs/contributing/extending-backbone.md shows how to add a kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from torch import nn

from snapfind.convert.detect import library_of
from snapfind.core.errors import BadInput, NotFound
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.preprocess import Preprocessing
from snapfind.training.data.feature_cache import Front
from snapfind.training.models.heads import Heads

__all__ = ["BACKBONES", "Backbone", "BackboneKind", "Depth", "first_stage", "open_backbone"]

Depth = Literal["heads", "layer", "blocks", "network"]


class Backbone(Protocol):
    """An image network that training can adapt.

    Attributes:
        name: Name of the network, the `parent` of the trained artifact.
        raw_id: Identifies weights and preprocessing.
        preprocessing: How images become the (n, side, side, 3) uint8 input.
    """

    name: str
    raw_id: str
    preprocessing: Preprocessing

    @property
    def width(self) -> int:
        """Length of the pooled features."""
        ...

    @property
    def last_stage(self) -> int:
        """Index of the first block that depth "blocks" trains."""
        ...

    def stages(self) -> tuple[str, ...]:
        """Return the names of the blocks in order. Any of them can be the first that is trained."""
        ...

    def front(self, first: int | None, threads: int) -> Front:
        """Return the frozen blocks before block `first`.

        Args:
            first: Index of a block, at least 1. None: the whole network.
            threads: Number of threads.

        Returns:
            A function from (n, side, side, 3) uint8 images to the (n, …) float32 input of block `first`, or to (n,
            width) pooled features.
        """
        ...

    def body(self, first: int) -> nn.Module:
        """Return the blocks from `first` on and the pooling as a trainable module.

        Args:
            first: Index of a block.

        Returns:
            A module from outputs of `front(first)` to (n, width) float32 features. With `first` 0 the input is (n,
            side, side, 3) images with levels 0..255.
        """
        ...

    def save(self, folder: Path, body: nn.Module | None, heads: Heads, metadata: Mapping[str, object]) -> Builtin:
        """Write the artifact that serving loads.

        Args:
            folder: Folder of the new artifact.
            body: A trained result of `body`. None if only the heads were trained.
            heads: The trained heads.
            metadata: Further entries of the manifest.

        Returns:
            The encoder, loaded from `folder`.

        Raises:
            ModelBroken: The written model does not reproduce the trained one.
            NoRoom: The disk is full.
        """
        ...


@dataclass(frozen=True, slots=True)
class BackboneKind:
    """A kind of backbone.

    Attributes:
        matches: Whether a source is of this kind.
        load: Opens a source.
    """

    matches: Callable[[str], bool]
    load: Callable[[str], Backbone]


def _load_bundled(source: str) -> Backbone:
    from snapfind.training.models.bundled_backbone import BundledBackbone

    return BundledBackbone(Path(source))


def _load_timm(source: str) -> Backbone:
    from snapfind.training.models.timm_backbone import read_timm_backbone

    return read_timm_backbone(source)


def _load_transformers(source: str) -> Backbone:
    from snapfind.training.models.transformers_backbone import read_transformers_backbone

    return read_transformers_backbone(source)


BACKBONES: dict[str, BackboneKind] = {
    "bundled": BackboneKind(lambda source: (Path(source) / "manifest.json").is_file(), _load_bundled),
    "timm": BackboneKind(lambda source: "@" in source or library_of(Path(source)) == "timm", _load_timm),
    "transformers": BackboneKind(lambda source: library_of(Path(source)) == "transformers", _load_transformers),
}


def open_backbone(source: str | Path) -> Backbone:
    """Open a backbone.

    Args:
        source: Artifact folder of the bundled network, folder of a timm or transformers model, or
            `ARCHITECTURE@FILE` with a timm architecture and its safetensors file.

    Returns:
        The backbone, in float32 on the CPU.

    Raises:
        NotFound: There is no such folder or file.
        BadInput: The folder holds no model of a known kind, or a model that cannot be split into blocks.
        ModelBroken: Weights are missing or damaged.
        ExtraMissing: The library of the model is not installed.
    """
    name = str(source)
    for kind in BACKBONES.values():
        if kind.matches(name):
            return kind.load(name)
    if not Path(name).is_dir():
        raise NotFound(
            f"There is no folder {name}. Give the folder of a timm or transformers model, or ARCHITECTURE@FILE."
        )
    raise BadInput(f"{name} holds no model that can be trained. Supported: {', '.join(BACKBONES)}.")


def first_stage(depth: Depth, backbone: Backbone) -> int | None:
    """Return the index of the first block that is trained at `depth`, None if only the heads are trained."""
    last = len(backbone.stages()) - 1
    return {"heads": None, "layer": last, "blocks": backbone.last_stage, "network": 0}[depth]
