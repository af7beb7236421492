"""A folder that is written whole or not at all; a full disk in one sentence."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from snapfind.core.errors import NoRoom

__all__ = ["room_for", "whole"]


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """What cannot be written in the block is NoRoom; a file that is gone is told as it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise NoRoom(f"{path} cannot be written: {why}; free some space") from error


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """An empty draft beside `folder`, which takes its place when the block ends well and is gone otherwise.

    Raises NoRoom where it cannot be written.
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
