"""Converted encoders in the folder of a catalog. Each is copied once and shared by its models.

    shop.snap/encoders/NAME/      the artifact of `snapfind model convert`, named by its raw space

With its own copies, a catalog can be moved, and works if the original is deleted.
"""

import json
import shutil
from collections.abc import Collection
from pathlib import Path

from snapfind.catalog.storage.folder import Folder, copy_draft
from snapfind.encoders.image.onnx_tower import FILES, Tower

__all__ = ["cached_artifact", "copy_encoder", "delete_unused_encoders"]


def copy_encoder(folder: Folder, artifact: Path, threads: int) -> Tower:
    """Copy an artifact into a catalog atomically, and open the copy.

    Args:
        folder: Folder of the catalog.
        artifact: Folder of the artifact.
        threads: Threads for encoding. 0: one per core.

    Returns:
        The encoder.

    Raises:
        ModelBroken: The artifact is damaged.
        NoRoom: The disk is full.
    """
    tower = Tower.load(artifact, threads=threads)
    target = folder.encoder(tower.raw_id)
    if not target.exists():
        copy_draft(artifact, FILES, target.parent).rename(target)
    return tower


def cached_artifact(folder: Folder, source: str, precision: str) -> Path | None:
    """Find the encoder that was converted from given weights.

    Args:
        folder: Folder of the catalog.
        source: SHA-256 of the weights.
        precision: Precision of the encoder.

    Returns:
        Folder of the encoder, or None.
    """
    for manifest in sorted((folder.path / "encoders").glob("*/manifest.json")):
        content = json.loads(manifest.read_bytes())
        if (content["source"]["sha256"], content["precision"]) == (source, precision):
            return manifest.parent
    return None


def delete_unused_encoders(folder: Folder, used: Collection[str]) -> None:
    """Delete the encoders that no model uses.

    Args:
        folder: Folder of the catalog.
        used: Raw ids of the encoders in use.
    """
    for own in (folder.path / "encoders").glob("*"):
        if own.name not in used:
            shutil.rmtree(own, ignore_errors=True)
