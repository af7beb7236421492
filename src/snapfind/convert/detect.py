"""Detect which library wrote the folder of a model, and read the model with it.

    config.json with "model_type", model.safetensors     transformers
    open_clip_config.json, open_clip_model.safetensors   open_clip (its EVA and timm towers too)
    config.json with "architecture", model.safetensors   timm

Weights are read from safetensors. Those of open_clip may be pickles, of which only tensors are loaded. Code from the
folder never runs, and no hub is contacted.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snapfind.convert.requirements import need_convert
from snapfind.core.errors import ModelBroken, NotFound, SnapfindError

if TYPE_CHECKING:
    from snapfind.convert.source_model import Original

__all__ = ["fingerprint", "library_of", "plain_name", "read_original"]

_CONTENT = {".json", ".safetensors", ".bin", ".txt", ".model", ".pt", ".pth"}


def read_original(folder: Path, name: str = "") -> "Original":
    """Read the model of a folder.

    Args:
        folder: Folder of the model.
        name: Name of the model. Default: the name of the folder.

    Returns:
        The model.

    Raises:
        NotFound: There is no such folder.
        ModelBroken: A file is missing or damaged.
        ExtraMissing: The library is not installed.
    """
    need_convert()
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}; give the folder of a model")
    name = plain_name(name or folder.resolve().name)
    try:
        return _read(folder, name)
    except SnapfindError:
        raise
    except Exception as problem:
        said = " ".join(str(problem).split())[:200]
        raise ModelBroken(f"{folder} holds no whole model ({type(problem).__name__}: {said})") from problem


def library_of(folder: Path) -> str:
    """Tell which library wrote a folder.

    Args:
        folder: Folder of a model.

    Returns:
        "transformers", "open_clip" or "timm". Empty if it is none of them.

    Raises:
        ModelBroken: config.json or open_clip_config.json is not a JSON object.
    """
    config, by_open_clip = _config(folder / "config.json"), (folder / "open_clip_config.json").is_file()
    if "model_type" in config and (any(folder.glob("model*.safetensors")) or not by_open_clip):
        return "transformers"
    if by_open_clip:
        return "open_clip"
    return "timm" if "architecture" in config else ""


def fingerprint(folder: Path) -> str:
    """Compute the sha256 of the files of a model. It does not depend on the place of the folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in _CONTENT and path.is_file():
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _read(folder: Path, name: str) -> "Original":
    config, library = _config(folder / "config.json"), library_of(folder)
    if library == "transformers":
        from snapfind.convert.transformers import read_transformers

        return read_transformers(folder, name, config)
    if library == "open_clip":
        from snapfind.convert.open_clip import read_open_clip

        return read_open_clip(folder, name, _config(folder / "open_clip_config.json"))
    if library == "timm":
        from snapfind.convert.timm import read_timm

        return read_timm(folder, name, config)
    raise ModelBroken(
        f"{folder} is no folder of a model: it needs config.json (transformers, timm) or open_clip_config.json"
    )


def _config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        config = json.loads(path.read_bytes())
        if not isinstance(config, dict):
            raise ValueError("it is no object")
    except ValueError as problem:
        raise ModelBroken(f"{path} cannot be read ({problem}); copy the model again") from problem
    return config


def plain_name(name: str) -> str:
    """Turn a name into one that a space and a folder can have: 1 to 40 lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "model"
