"""A shop's own encoders inside its catalog: copied once, shared by the spaces that stand on them.

    shop.snap/encoders/NAME/      the artifact of `snapfind model convert`, named by its raw space

A catalog keeps its own copy, so that it can be moved, and answers when the original is gone.
"""

import json
import shutil
from collections.abc import Collection
from pathlib import Path

from snapfind.catalog.storage.folder import Folder, copy_draft
from snapfind.encoders.image.onnx_tower import FILES, Tower

__all__ = ["cached_artifact", "copy_encoder", "delete_unused_encoders"]


def copy_encoder(folder: Folder, artifact: Path, threads: int) -> Tower:
    """Copy an artifact into the catalog, whole or not at all, and open the copy. Raises ModelBroken, NoRoom."""
    tower = Tower.load(artifact, threads=threads)
    target = folder.encoder(tower.raw_id)
    if not target.exists():
        copy_draft(artifact, FILES, target.parent).rename(target)
    return tower


def cached_artifact(folder: Folder, source: str, precision: str) -> Path | None:
    """The encoder that was made from the weights of that sha256 in that precision, where the catalog keeps one."""
    for manifest in sorted((folder.path / "encoders").glob("*/manifest.json")):
        told = json.loads(manifest.read_bytes())
        if (told["source"]["sha256"], told["precision"]) == (source, precision):
            return manifest.parent
    return None


def delete_unused_encoders(folder: Folder, used: Collection[str]) -> None:
    """Remove the encoders on which no model stands any more; `used` are raw ids."""
    for own in (folder.path / "encoders").glob("*"):
        if own.name not in used:
            shutil.rmtree(own, ignore_errors=True)
