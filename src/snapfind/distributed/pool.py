"""Handing batches to workers that may die: a batch whose worker died is tried again, picture by picture.

At most two batches a worker are under way, and a batch is handed out only when an outcome was taken, so memory is
bounded whatever the speed of the taker. A picture that stopped two workers when each had it alone is set aside: of one
death, or of a batch, it may be innocent.
"""

import itertools
import os
import secrets
import socket
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from snapfind.core.errors import BadInput, ExtraMissing, NotReady
from snapfind.distributed.worker import Outcome, Recipe, Refused, Task, Worker

__all__ = ["Crew"]

BATCH, _AHEAD, _TRIES = 16, 2, 2
_BARREN = 20  # deaths in a row without one outcome: that is no picture's doing, and every picture would be blamed
_READING = 1  # cores left to Ray Data: workers that hold all of them would wait for ever for what it reads
_REACHED, _BEGUN = 5, 300  # seconds for a cluster to answer, for its workers to stand: they load their encoders
_POISON = Refused("picture_poison", "it stopped two workers that had it alone; look at the file, and give a sound one")


class Crew:
    """Workers on a Ray cluster: "local" starts one on this machine, else `ray://HOST:10001`, `HOST:6379` or `auto`.

    Raises ExtraMissing; NotReady where no cluster answers or its workers do not come up; BadInput for more workers than
    it has cores. `close` sends the workers home, and ends Ray where it was begun here.
    """

    def __init__(self, address: str, recipe: Recipe, *, workers: int = 0) -> None:
        if not find_spec("ray") or not find_spec("pyarrow"):
            raise ExtraMissing.of("adding by many workers needs Ray", "ray")
        _answers(address)
        if address == "local":
            _lock()
        import ray

        self._ray, self._own = ray, not ray.is_initialized()
        self.workers: list[Any] = []
        try:
            self._join(address, workers)
            self._actor, self._recipe = ray.remote(num_cpus=1)(Worker), ray.put(recipe)
            self.workers = [self._begin() for _ in range(self._count(workers))]
            self._stand()
        except BaseException:
            self.close()
            raise

    def _join(self, address: str, workers: int) -> None:
        joined: dict[str, Any] = {"address": address}
        if address == "local":
            # one more than workers, in name: Ray Data reads beside them
            joined = {"num_cpus": (workers or os.cpu_count() or 1) + _READING, "include_dashboard": False}
        try:
            self._ray.init(**joined, log_to_driver=False, logging_level="ERROR", ignore_reinit_error=True)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise NotReady(f"no Ray cluster answers at {address} ({str(error)[:200]}); see `ray status`") from error

    def _count(self, workers: int) -> int:
        most = int(self._ray.cluster_resources().get("CPU", 1)) - _READING
        if workers > max(1, most):
            raise BadInput(
                f"{workers} workers asked for, and the cluster has cores for {max(1, most)}", field="workers"
            )
        return workers or max(1, most)

    def _begin(self) -> Any:
        return self._actor.remote(self._recipe)

    def _stand(self) -> None:
        """Wait for all workers: one that cannot begin, as without snapfind on its machine, is no picture's fault."""
        begun = [worker.spaces.remote() for worker in self.workers]
        standing, _ = self._ray.wait(begun, num_returns=len(begun), timeout=_BEGUN)
        try:
            self._ray.get(standing)
        except self._ray.exceptions.RayError as error:
            raise NotReady(
                f"a worker could not begin ({_last_line(error)}); give it this snapfind and memory"
            ) from error
        if len(standing) < len(begun):
            raise NotReady(
                f"{len(standing)} of {len(begun)} workers began in {_BEGUN} s; free cores there, or ask for fewer"
            )

    def see(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Each task with its outcome, once, in the order in which they are done. Raises NotReady."""
        coming, again = iter(tasks), deque[list[Task]]()
        free = deque(list(range(len(self.workers))) * _AHEAD)
        busy: dict[Any, tuple[int, Any, list[Task]]] = {}
        deaths, barren = Counter[str](), 0
        while True:
            while free and (batch := again.popleft() if again else list(itertools.islice(coming, BATCH))):
                place = free.popleft()
                busy[self.workers[place].see.remote(batch)] = place, self.workers[place], batch
            if not busy:
                return
            (done, *_), _ = self._ray.wait(list(busy), num_returns=1)
            place, worker, _ = busy[done]
            # a worker does its batches in order: where it died, those before are done and those behind not begun
            outcomes = self._outcomes(done)
            own = [ref for ref, (_, by, _) in busy.items() if by is worker]
            for ref in own if outcomes is None else [done]:
                _, _, batch = busy.pop(ref)
                free.append(place)
                of_batch = outcomes if ref is done else self._outcomes(ref)
                if of_batch is not None:
                    barren = 0
                    yield from zip(batch, of_batch)
                elif self.workers[place] is not worker:
                    again.append(batch)
                else:
                    self._ray.kill(worker)  # one that is only out of reach would keep its core
                    self.workers[place] = self._begin()
                    barren += 1
                    if barren > _BARREN:
                        raise NotReady(f"workers died {barren} times in a row and gave nothing; look at their machines")
                    yield from self._blamed(batch, deaths, again)

    def _outcomes(self, done: Any) -> list[Outcome] | None:
        """Those of a batch; None where its worker died, or the machine on which they lay."""
        try:
            outcomes: list[Outcome] = self._ray.get(done)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError):
            return None
        return outcomes

    @staticmethod
    def _blamed(batch: list[Task], deaths: Counter[str], again: deque[list[Task]]) -> Iterator[tuple[Task, Refused]]:
        again.extend([task] for task in batch)
        if len(batch) == 1:
            deaths[batch[0].point] += 1
            if deaths[batch[0].point] == _TRIES:
                again.pop()
                yield batch[0], _POISON

    def close(self) -> None:
        """Send the workers home, and end Ray where it was begun here."""
        if not self._ray.is_initialized():
            return
        for worker in self.workers:
            self._ray.kill(worker)
        if self._own:
            self._ray.shutdown()


def _answers(address: str) -> None:
    """Raise NotReady at once where nobody listens: Ray itself tries for more than a minute."""
    if address in {"local", "auto"}:
        return
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise BadInput(f"{address[:80]!r}: write local, auto, HOST:6379 or ray://HOST:10001", field="address")
    try:
        socket.create_connection((host, port), timeout=_REACHED).close()
    except OSError as error:
        raise NotReady(f"no Ray cluster answers at {address} ({error.strerror or error}); start one") from error


def _lock() -> None:
    """Ray listens to the whole network and runs what it is sent, so a token that only this process knows.

    Ray reads it when it is imported: a program that imported it before chooses for itself.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1][:200]
