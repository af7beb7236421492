"""Waiting for what will be so, not for a length of time: a busy machine takes longer and nothing else."""

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["PATIENCE", "until"]

T = TypeVar("T")

PATIENCE = 120.0  # seconds after which a test gives up; no test takes them unless what it waits for never comes


def until(condition: Callable[[], T], what: str, within: float = PATIENCE) -> T:
    """What `condition` says once it is true. Raises AssertionError with `what` was waited for."""
    end = time.monotonic() + within
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s: {what}")
        time.sleep(0.01)
    return found
