"""Any encoder of pictures by its name or folder: the shipped one, a learnt one, or a shop's own towers."""

import json
from pathlib import Path

from snapfind.encoders.builtin import Builtin
from snapfind.encoders.photo import PhotoEncoder
from snapfind.encoders.tower import KIND, Tower

__all__ = ["is_tower", "kind_of", "open_encoder"]


def open_encoder(name: str, *, threads: int = 0) -> PhotoEncoder:
    """`lite0`, another that was made, or the path of an artifact's folder.

    Raises NotFound where there is none, ModelBroken where its files or golden vectors do not agree.
    """
    folder = Path(name).expanduser()
    return Tower.load(folder, threads=threads) if is_tower(folder) else Builtin.load(name, threads=threads)


def is_tower(folder: Path) -> bool:
    """Whether the folder holds an artifact of `snapfind model convert`."""
    return kind_of(folder) == KIND


def kind_of(folder: Path) -> str:
    """What an artifact's manifest calls it: "tower", "encoder" (learnt, or in 8 bits), "adapter"; "" of no artifact."""
    try:
        return str(json.loads((folder / "manifest.json").read_bytes())["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
