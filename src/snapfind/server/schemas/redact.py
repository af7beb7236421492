"""Keep the folders of this machine out of what is served: messages of errors name files by their place in them."""

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["without_folders"]


def without_folders(text: str, folders: Iterable[Path]) -> str:
    """A text in which paths below these folders begin with the name of the folder.

    Args:
        text: Such as the message of an error.
        folders: Those of the server that a message may name.

    Returns:
        The text without absolute paths below the folders.
    """
    spelt = {str(each): each.name for folder in folders for each in (folder, folder.absolute(), folder.resolve())}
    for path in sorted(spelt, key=len, reverse=True):
        if path.startswith(os.sep) and len(path) > 1:
            text = text.replace(path, spelt[path])
    return text
