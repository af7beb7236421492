"""Pictures of several threads through one network: what came while it was busy is its next batch.

No one waits for a batch to fill: a picture that comes alone runs alone. One batch runs at a time, with all threads of
the network, which is faster on few cores than several that take them from each other (benchmarks/server_load.py).
"""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["Together"]

F32 = NDArray[np.float32]


@dataclass(slots=True, eq=False)
class _Asked:
    """Pictures of one caller, and what became of them."""

    names: tuple[str, ...]
    pictures: NDArray[Any]
    found: list[F32] = field(default_factory=list)
    error: Exception | None = None

    @property
    def done(self) -> bool:
        """Whether its batch has run."""
        return bool(self.found) or self.error is not None


class Together:
    """An ONNX session with one input `pictures` (n, …) and outputs of n rows; `run` as that of the session."""

    def __init__(self, session: "InferenceSession", most: int) -> None:
        self._session, self._most = session, most
        self.outputs = tuple(output.name for output in session.get_outputs())
        self._waiting: deque[_Asked] = deque()
        self._busy = threading.Lock()

    def run(self, names: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[F32]:
        """The named outputs, row by row; raises what the session raises, to every caller of that batch."""
        mine = _Asked(tuple(names), feeds["pictures"])
        self._waiting.append(mine)
        while not mine.done:
            with self._busy:  # whoever comes in runs for all who wait
                if not mine.done:
                    self._run(self._batch())
        if mine.error is not None:
            raise mine.error
        return mine.found

    def _batch(self) -> list[_Asked]:
        """Those who waited longest for the same outputs, up to the most pictures; at least one."""
        batch = [self._waiting.popleft()]
        room = self._most - len(batch[0].pictures)
        while self._waiting:
            after = self._waiting[0]
            if after.names != batch[0].names or len(after.pictures) > room:
                break
            batch.append(self._waiting.popleft())
            room -= len(after.pictures)
        return batch

    def _run(self, batch: Sequence[_Asked]) -> None:
        try:
            pictures = batch[0].pictures if len(batch) == 1 else np.concatenate([asked.pictures for asked in batch])
            outputs = self._session.run(list(batch[0].names), {"pictures": pictures})
        except Exception as error:  # noqa: BLE001  (given to each caller)
            for asked in batch:
                asked.error = error
            return
        start = 0
        for asked in batch:
            end = start + len(asked.pictures)
            asked.found = [output[start:end] for output in outputs]
            start = end
