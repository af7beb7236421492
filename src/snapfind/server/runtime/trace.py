"""What is known about one request while it runs: its id, who asks, and the milliseconds of each step."""

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import Request

__all__ = ["Trace", "new_id", "trace_of"]

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


def new_id(given: str = "") -> str:
    """The id that a proxy gave the request when it is a plain one, else 16 random hexadecimal digits."""
    return given if _ID.fullmatch(given) else secrets.token_hex(8)


@dataclass(slots=True)
class Trace:
    """Grows while the request runs; `caller` is the id of the key, "" without one.

    `root` is the path below which the server answers, to begin links with; `private` takes the folders of this machine
    out of a text.
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
        """Counts the time inside the block as that step."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.steps[name] = self.steps.get(name, 0.0) + (time.perf_counter() - begin) * 1000

    def add(self, steps: Mapping[str, float]) -> None:
        """Steps that were timed elsewhere."""
        for name, spent in steps.items():
            self.steps[name] = self.steps.get(name, 0.0) + spent

    @property
    def total(self) -> float:
        """Milliseconds since the request came."""
        return (time.perf_counter() - self.begin) * 1000

    def timings(self) -> dict[str, float]:
        """Milliseconds per step and in all, to a hundredth."""
        return {name: round(spent, 2) for name, spent in self.steps.items()} | {"total": round(self.total, 2)}


def trace_of(request: Request) -> Trace:
    """The trace that the outermost layer laid down."""
    trace: Trace = request.scope["snapfind.trace"]
    return trace
