"""Trace of a request: its id, caller, and milliseconds per step."""

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import Request

__all__ = ["Trace", "new_id", "trace_of"]

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


def new_id(proposed: str = "") -> str:
    """Return the id proposed by a proxy if it is valid, else 16 random hexadecimal digits."""
    return proposed if _ID.fullmatch(proposed) else secrets.token_hex(8)


@dataclass(slots=True)
class Trace:
    """Trace of one request.

    Attributes:
        request_id: Id of the request.
        begin: Start time of `time.perf_counter`.
        steps: Milliseconds per step.
        caller: Id of the API key, or an empty text.
        route: Path template of the route.
        root: Path prefix for links.
        private: Removes local folders from a text.
    """

    request_id: str
    begin: float = field(default_factory=time.perf_counter)
    steps: dict[str, float] = field(default_factory=dict)
    caller: str = ""
    route: str = ""
    root: str = ""
    private: Callable[[str], str] = str

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Record the time of the block as a step."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.steps[name] = self.steps.get(name, 0.0) + (time.perf_counter() - begin) * 1000

    def add(self, steps: Mapping[str, float]) -> None:
        """Add steps that were measured elsewhere, in milliseconds."""
        for name, spent in steps.items():
            self.steps[name] = self.steps.get(name, 0.0) + spent

    @property
    def total(self) -> float:
        """Milliseconds since the start of the request."""
        return (time.perf_counter() - self.begin) * 1000

    def timings(self) -> dict[str, float]:
        """Return milliseconds per step and in total, rounded to 0.01."""
        return {name: round(spent, 2) for name, spent in self.steps.items()} | {"total": round(self.total, 2)}


def trace_of(request: Request) -> Trace:
    """Return the trace that the middleware created."""
    trace: Trace = request.scope["snapfind.trace"]
    return trace
