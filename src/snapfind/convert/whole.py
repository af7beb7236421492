"""A folder that is written whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snapfind.errors import NoRoom

__all__ = ["whole"]


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """An empty draft beside `folder`, which takes its place when the block ends well and is gone otherwise.

    Raises NoRoom where it cannot be written.
    """
    draft = folder.with_name(folder.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        yield draft
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    except OSError as error:
        raise NoRoom(f"{folder} cannot be written: {error.strerror}; free some space") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
