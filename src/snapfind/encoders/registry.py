"""Opens image encoders by name, by folder, or by the entry of a model in the manifest of a catalog.

`KINDS` is the table of encoder kinds. A new kind needs a file with its loader and a line here, or a call of
`register_kind` from outside the package.
"""

from collections.abc import Callable, MutableMapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from snapfind.core.artifact import artifact_kind
from snapfind.core.errors import BadInput, ModelBroken
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.image.base import PhotoEncoder
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.image.onnx_tower import KIND, Tower

__all__ = [
    "KINDS",
    "EncoderKind",
    "ModelEntry",
    "ModelFolders",
    "is_kind_name",
    "is_tower",
    "open_encoder",
    "open_model_entry",
    "open_network",
    "register_kind",
]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model in the manifest of a catalog.

    Attributes:
        kind: Key of `KINDS`: "bundled", "trained" or "converted" unless others are registered.
        encoder: Name of the encoder that people know, such as "lite0".
        base: What the loader of the kind opens: a bundled encoder's name, or the name of a folder in the catalog.
        precision: Of the network's weights: "fp32", "fp16" or "int8".
        adapted: Whether the encoder was fitted to this catalog.
        state: "building" until every picture has its vector, then "ready".
        dim: Dimensions of the embeddings.
    """

    kind: str
    encoder: str
    base: str
    dim: int
    adapted: bool = False
    precision: str = "fp32"
    state: Literal["building", "ready"] = "building"

    @property
    def ready(self) -> bool:
        """Whether the model can answer."""
        return self.state == "ready"

    def as_ready(self) -> Self:
        """Return the entry of the completed model."""
        return replace(self, state="ready")

    def as_dict(self) -> dict[str, Any]:
        """Return the values for the manifest."""
        return asdict(self)


class ModelFolders(Protocol):
    """Folders of a catalog's models."""

    def space(self, model: str) -> Path:
        """Return the folder of what was fitted or trained for a model."""
        ...

    def encoder(self, raw: str) -> Path:
        """Return the folder of a converted encoder, named by its raw space."""
        ...


@dataclass(frozen=True, slots=True)
class EncoderKind:
    """How models of a kind are opened.

    Attributes:
        load: (base, folders, threads) -> the network. Models of one kind and base share it.
        own_heads: Whether `load` reads the adapter too. Otherwise it is in the model's own folder.
    """

    load: Callable[[str, ModelFolders, int], PhotoEncoder]
    own_heads: bool = False


KINDS: dict[str, EncoderKind] = {
    "bundled": EncoderKind(lambda base, folders, threads: Builtin.load(base, threads=threads)),
    "trained": EncoderKind(
        lambda base, folders, threads: Builtin.load(str(folders.space(base)), threads=threads), own_heads=True
    ),
    "converted": EncoderKind(lambda base, folders, threads: Tower.load(folders.encoder(base), threads=threads)),
}


def register_kind(name: str, kind: EncoderKind) -> None:
    """Add a kind of encoder.

    Raises:
        BadInput: If the name is taken.
    """
    if name in KINDS:
        raise BadInput(f"encoder kind {name!r} is taken; there are: {', '.join(KINDS)}")
    KINDS[name] = kind


def is_kind_name(name: str) -> bool:
    """Tell whether a name is `KIND:BASE` with a registered kind, such as "toy:folder"."""
    kind, _, base = name.partition(":")
    return kind in KINDS and bool(base)


def open_network(entry: ModelEntry, folders: ModelFolders, threads: int) -> PhotoEncoder:
    """Open the network of a model without the adapter in the model's folder.

    Raises:
        ModelBroken: If the kind is not known here, or files or golden vectors do not agree.
        NotFound: If there is no such encoder.
    """
    if entry.kind not in KINDS:
        known = ", ".join(KINDS)
        raise ModelBroken(f"encoder kind {entry.kind!r} is not known; there are: {known}; register it, or upgrade")
    return KINDS[entry.kind].load(entry.base, folders, threads)


def open_model_entry(
    name: str,
    entry: ModelEntry,
    folders: ModelFolders,
    threads: int,
    networks: MutableMapping[tuple[str, str], PhotoEncoder] | None = None,
) -> PhotoEncoder:
    """Open a model of a catalog.

    Args:
        name: Name of the model, that of its space.
        entry: Its entry in the manifest.
        folders: Where the catalog keeps its parts.
        threads: Number of threads. 0 uses one for each core.
        networks: Open networks by kind and base. Models that share a network share its memory.

    Returns:
        The encoder, with the adapter where there is one.

    Raises:
        ModelBroken: If files or golden vectors do not agree.
        NotFound: If there is no such encoder.
    """
    networks = {} if networks is None else networks
    key = (entry.kind, entry.base)
    if key not in networks:
        networks[key] = open_network(entry, folders, threads)
    if not entry.adapted or KINDS[entry.kind].own_heads:
        return networks[key]
    return networks[key].adapted(Adapter.load(folders.space(name)))


def open_encoder(name: str, *, threads: int = 0) -> PhotoEncoder:
    """Open `lite0`, another that was made, or the path of an artifact's folder.

    Raises:
        NotFound: If there is no such encoder.
        ModelBroken: If files or golden vectors do not agree.
    """
    folder = Path(name).expanduser()
    return Tower.load(folder, threads=threads) if is_tower(folder) else Builtin.load(name, threads=threads)


def is_tower(folder: Path) -> bool:
    """Tell whether a folder is an artifact of `snapfind model convert`."""
    return artifact_kind(folder) == KIND
