"""A checkpoint: tensors and numbers in one safetensors file, replaced whole, that says of which run it is.

There is nothing in it to execute: tensors in safetensors, everything else as JSON in its header.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from snapfind.core.errors import BadInput, NoRoom

__all__ = ["file_in", "fingerprint", "read", "write"]

FORMAT = 2  # 1 did not say of which data and of which module it was


def file_in(folder: Path) -> Path:
    """Where the checkpoint of a folder lies."""
    return folder / "checkpoint.safetensors"


def fingerprint(*told: object) -> str:
    """16 hexadecimal digits of bytes (of arrays: `tobytes`), and of whatever has a `repr` that says all of it: numbers,
    texts, plain data classes of them."""
    digest = hashlib.sha256()
    for part in told:
        own = part if isinstance(part, bytes) else repr(part).encode()
        digest.update(len(own).to_bytes(8))
        digest.update(own)
    return digest.hexdigest()[:16]


def write(folder: Path, tensors: Mapping[str, Tensor], told: Mapping[str, object]) -> None:
    """Raises NoRoom where the disk is full; the checkpoint that was there before is then still there."""
    draft = folder / "checkpoint.new"
    header = {"told": json.dumps({"format": FORMAT, **told})}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in tensors.items()}, draft, header)
        draft.replace(file_in(folder))
    except (OSError, SafetensorError) as problem:
        draft.unlink(missing_ok=True)
        raise NoRoom(
            f"{file_in(folder)} cannot be written ({problem}); free some space and start again: it goes on from the"
            " epoch before"
        ) from problem


def read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What was told, and the tensors, on the CPU. Raises BadInput for whatever is no checkpoint of this format."""
    try:
        with safe_open(file, "pt") as opened:
            told = json.loads(opened.metadata()["told"])
        if told["format"] != FORMAT:
            raise BadInput(
                f"{file} is a checkpoint of format {told['format']}, this snapfind reads {FORMAT}; remove it"
            )
        return told, load_file(file)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as problem:
        raise BadInput(f"{file} is no checkpoint ({problem}); remove it to begin anew") from problem
