"""Checkpoints: tensors, counters and the identity of the run in one safetensors file, replaced atomically.

The file contains nothing executable: tensors are safetensors, everything else is JSON in the header.
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

__all__ = ["checkpoint_path", "fingerprint", "read", "write"]

FORMAT = 2  # format 1 did not identify the data and the module


def checkpoint_path(folder: Path) -> Path:
    """Return the path of the checkpoint in `folder`."""
    return folder / "checkpoint.safetensors"


def fingerprint(*parts: object) -> str:
    """Hash values into 16 hexadecimal digits.

    Args:
        parts: Bytes (for arrays: `tobytes()`), or objects whose `repr` is complete: numbers, strings, and plain data
            classes of them.
    """
    digest = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else repr(part).encode()
        digest.update(len(content).to_bytes(8))
        digest.update(content)
    return digest.hexdigest()[:16]


def write(folder: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> None:
    """Write the checkpoint of `folder`, replacing the previous one atomically.

    Raises:
        NoRoom: The file cannot be written, for example because the disk is full. The previous checkpoint remains.
    """
    draft = folder / "checkpoint.new"
    header = {"metadata": json.dumps({"format": FORMAT, **metadata})}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in tensors.items()}, draft, header)
        draft.replace(checkpoint_path(folder))
    except (OSError, SafetensorError) as problem:
        draft.unlink(missing_ok=True)
        raise NoRoom(
            f"{checkpoint_path(folder)} cannot be written ({problem}). Free disk space and start again."
            " The run resumes from the previous epoch."
        ) from problem


def read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a checkpoint.

    Returns:
        The metadata passed to `write`, and the tensors on the CPU.

    Raises:
        BadInput: The file is not a checkpoint of this format.
    """
    try:
        with safe_open(file, "pt") as opened:
            metadata = json.loads(opened.metadata()["metadata"])
        if metadata["format"] != FORMAT:
            raise BadInput(
                f"{file} is a checkpoint of format {metadata['format']}, but this version reads format {FORMAT}."
                " Remove it."
            )
        return metadata, load_file(file)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as problem:
        raise BadInput(f"{file} is not a checkpoint ({problem}). Remove it to start a new run.") from problem
