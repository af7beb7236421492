"""Handing batches to workers that may die: a batch whose worker died is tried again, picture by picture.

At most two batches a worker are under way, and a batch is handed out only when an outcome was taken, so memory is
bounded whatever the speed of the taker. A picture that stopped two workers when each had it alone is set aside: of one
death, or of a batch, it may be innocent.
"""

import itertools
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Any

from snapfind.bulk.worker import Recipe, Refused, Seen, Task, Worker
from snapfind.errors import ExtraMissing, NotReady

__all__ = ["Crew"]

BATCH, _AHEAD, _TRIES = 16, 2, 2
_READING = 1  # cores left to Ray Data: workers that hold all of them would wait for ever for what it reads
_POISON = Refused("picture_poison", "it stopped two workers that had it alone; look at the file, and give a sound one")


class Crew:
    """Workers on a Ray cluster: "local" starts one on this machine, else `ray://HOST:10001`, `HOST:6379` or `auto`.

    Raises ExtraMissing, and NotReady where no cluster answers. `close` sends the workers home.
    """

    def __init__(self, address: str, recipe: Recipe, *, workers: int = 0) -> None:
        if not find_spec("ray"):
            raise ExtraMissing("adding by many workers needs Ray: pip install 'snapfind[ray]'")
        import ray

        self._ray = ray
        joined = {} if address == "local" else {"address": address}
        count = workers or os.cpu_count() or 1
        local = {"num_cpus": count + _READING, "include_dashboard": False} if address == "local" else {}
        try:
            ray.init(**joined, **local, log_to_driver=False, logging_level="ERROR", ignore_reinit_error=True)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise NotReady(
                f"no Ray cluster answers at {address} ({str(error)[:200]}); start one, then again"
            ) from error
        self._actor = ray.remote(num_cpus=1)(Worker)
        self._recipe = ray.put(recipe)
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)) - _READING)
        self.workers: list[Any] = [self._begin() for _ in range(count)]

    def _begin(self) -> Any:
        return self._actor.remote(self._recipe)

    def see(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Seen | Refused | None]]:
        """Each task with its outcome, once, in the order in which they are done."""
        coming, again = iter(tasks), deque[list[Task]]()
        free = deque(list(range(len(self.workers))) * _AHEAD)
        busy: dict[Any, tuple[int, Any, list[Task]]] = {}
        deaths: Counter[str] = Counter()
        while True:
            while free and (batch := again.popleft() if again else list(itertools.islice(coming, BATCH))):
                place = free.popleft()
                busy[self.workers[place].see.remote(batch)] = place, self.workers[place], batch
            if not busy:
                return
            (done, *_), _ = self._ray.wait(list(busy), num_returns=1)
            place, worker, _ = busy[done]
            # a worker does its batches in order: where it died, those before are done and those behind not begun
            own = [ref for ref, (_, by, _) in busy.items() if by is worker]
            for ref in own if self._died(done) else [done]:
                _, _, batch = busy.pop(ref)
                free.append(place)
                if not self._died(ref):
                    yield from zip(batch, self._ray.get(ref))
                elif self.workers[place] is not worker:
                    again.append(batch)
                else:
                    self.workers[place] = self._begin()
                    yield from self._blamed(batch, deaths, again)

    def _died(self, done: Any) -> bool:
        """Whether a batch ended by the death of its worker."""
        try:
            self._ray.get(done)
        except self._ray.exceptions.RayActorError:
            return True
        return False

    @staticmethod
    def _blamed(batch: list[Task], deaths: Counter[str], again: deque[list[Task]]) -> Iterator[tuple[Task, Refused]]:
        again.extend([task] for task in batch)
        if len(batch) == 1:
            deaths[batch[0].point] += 1
            if deaths[batch[0].point] == _TRIES:
                again.pop()
                yield batch[0], _POISON

    def close(self) -> None:
        """Send the workers home, and the cluster with them where it was started here."""
        for worker in self.workers:
            self._ray.kill(worker)
        self._ray.shutdown()
