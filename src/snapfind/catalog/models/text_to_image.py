"""Trained text-to-image space (LiT) in the folder of a catalog, which replaces ConSE.

shop.snap/spaces/locked-…/      the artifact of `snapfind train lit`, named by its space
"""

from pathlib import Path

from snapfind.catalog.storage.folder import Folder, copy_draft
from snapfind.encoders.crossmodal.lit import LitSpace
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.text.e5 import TextEncoder

__all__ = ["copy_text_to_image_space"]

_FILES = ("manifest.json", "weights.safetensors")


def copy_text_to_image_space(folder: Folder, artifact: Path, text: TextEncoder) -> LitSpace:
    """Copy an artifact into a catalog atomically, and open the copy.

    Args:
        folder: Folder of the catalog.
        artifact: Folder of the artifact.
        text: Text encoder of the catalog.

    Returns:
        The space.

    Raises:
        NotFound: There is no artifact.
        ModelBroken: The artifact is damaged, or of other encoders.
        NoRoom: The disk is full.
    """
    locked = LitSpace.load(artifact, text, Builtin.load().raw_id)
    target = folder.space(locked.space.id)
    if not target.exists():
        copy_draft(artifact, _FILES, target.parent).rename(target)
    return locked
