"""Atomic writes of folders, and conversion of write errors to NoRoom."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from snapfind.core.errors import NoRoom

__all__ = ["room_for", "whole"]


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Convert write errors in the block to NoRoom.

    Args:
        path: The file or folder that is written, for the message.

    Raises:
        NoRoom: CatalogWriter failed. FileNotFoundError passes unchanged.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NoRoom(f"{path} cannot be written: {reason}; free some space") from error


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Write a folder atomically.

    Args:
        folder: The folder to write. An existing one is replaced.

    Yields:
        An empty temporary folder beside it. It replaces `folder` if the block succeeds, and is deleted otherwise.

    Raises:
        NoRoom: CatalogWriter failed.
    """
    draft = folder.with_name(folder.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        with room_for(folder):
            draft.mkdir(parents=True)
            yield draft
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
