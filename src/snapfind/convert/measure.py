"""What an encoder costs: milliseconds of a call, bytes of an artifact."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

__all__ = ["milliseconds", "size_of"]

_RUNS = 5


def milliseconds(run: Callable[[], object]) -> float:
    """The median of five runs, after one to warm up."""
    run()
    taken = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        run()
        taken.append((time.perf_counter() - begin) * 1000)
    return float(np.median(taken))


def size_of(folder: Path) -> int:
    """Bytes of the files right inside an artifact's folder."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
