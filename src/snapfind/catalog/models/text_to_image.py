"""A learned bridge from texts to pictures inside a catalog: kept in its folder, built beside ConSE, given up again.

shop.snap/spaces/locked-…/      the artifact of `snapfind train lit`, named by its space
"""

from pathlib import Path

from snapfind.catalog.storage.folder import Folder, copy_draft
from snapfind.core.errors import NotFound
from snapfind.encoders.crossmodal.lit import LitSpace
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.text.e5 import TextEncoder

__all__ = ["copy_text_to_image_space"]

_FILES = ("manifest.json", "weights.safetensors")


def copy_text_to_image_space(folder: Folder, artifact: Path, text: TextEncoder) -> LitSpace:
    """Copy an artifact into the catalog, whole or not at all, and open the copy.

    Raises NotFound where there is none, ModelBroken on a damaged one or one of other encoders, NoRoom.
    """
    if not (artifact / "manifest.json").is_file():
        raise NotFound(f"{artifact} is not the folder of an artifact: it has no manifest.json")
    locked = LitSpace.load(artifact, text, Builtin.load().raw_id)
    target = folder.space(locked.space.id)
    if not target.exists():
        copy_draft(artifact, _FILES, target.parent).rename(target)
    return locked
