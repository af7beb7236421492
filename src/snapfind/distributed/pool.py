"""Pool of Ray workers with fault tolerance: the batch of a dead worker is retried picture by picture.

At most two batches per worker are in flight, and a new one is submitted only after a result was consumed, so memory is
bounded for slow consumers. A picture is rejected if two workers died while encoding it alone.
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
from snapfind.distributed.worker import EncoderBundle, Outcome, Rejected, Task, Worker

__all__ = ["WorkerPool"]

BATCH, _AHEAD, _TRIES = 16, 2, 2
_MAX_DEATHS = 20  # deaths in a row without a result: the cause is the cluster, not a picture
_READING = 1  # cores reserved for Ray Data: if workers took all cores, it could never read
_CONNECT_SECONDS, _START_SECONDS = 5, 300  # time limits to connect to a cluster, and to start workers
_POISON = Rejected("picture_poison", "two workers crashed on this picture; check the file, and replace it")


class WorkerPool:
    """Workers on a Ray cluster.

    Args:
        address: `local` starts Ray on this machine. Otherwise `ray://HOST:10001`, `HOST:6379` or `auto`.
        bundle: Encoders for the workers.
        workers: Number of workers. 0: one per core.

    Raises:
        ExtraMissing: Ray is not installed.
        NotReady: The cluster does not respond, or its workers do not start.
        BadInput: The address is invalid, or the cluster has too few cores.
    """

    def __init__(self, address: str, bundle: EncoderBundle, *, workers: int = 0) -> None:
        if not find_spec("ray") or not find_spec("pyarrow"):
            raise ExtraMissing.of("adding with --ray needs Ray", "ray")
        _check_address(address)
        if address == "local":
            _require_token()
        import ray

        self._ray, self._started_ray = ray, not ray.is_initialized()
        self.workers: list[Any] = []
        try:
            self._connect(address, workers)
            self._actor, self._bundle = ray.remote(num_cpus=1)(Worker), ray.put(bundle)
            self.workers = [self._start_worker() for _ in range(self._count(workers))]
            self._wait_until_started()
        except BaseException:
            self.close()
            raise

    def _connect(self, address: str, workers: int) -> None:
        options: dict[str, Any] = {"address": address}
        if address == "local":
            # one core more than workers, for Ray Data
            options = {"num_cpus": (workers or os.cpu_count() or 1) + _READING, "include_dashboard": False}
        try:
            self._ray.init(**options, log_to_driver=False, logging_level="ERROR", ignore_reinit_error=True)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise NotReady(f"no Ray cluster at {address} ({str(error)[:200]}); check it with `ray status`") from error

    def _count(self, workers: int) -> int:
        available = int(self._ray.cluster_resources().get("CPU", 1)) - _READING
        if workers > max(1, available):
            raise BadInput(
                f"{workers} workers requested, but the cluster has cores for {max(1, available)}", field="workers"
            )
        return workers or max(1, available)

    def _start_worker(self) -> Any:
        return self._actor.remote(self._bundle)

    def _wait_until_started(self) -> None:
        """Wait until all workers have started. Raise NotReady if one cannot, e.g. without snapfind on its machine."""
        starting = [worker.spaces.remote() for worker in self.workers]
        started, _ = self._ray.wait(starting, num_returns=len(starting), timeout=_START_SECONDS)
        try:
            self._ray.get(started)
        except self._ray.exceptions.RayError as error:
            raise NotReady(
                f"a worker could not start ({_last_line(error)}); check memory and the version of snapfind there"
            ) from error
        if len(started) < len(starting):
            raise NotReady(
                f"{len(started)} of {len(starting)} workers started in {_START_SECONDS} s; free cores, or use fewer"
            )

    def encode(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Encode pictures.

        Args:
            tasks: Pictures to encode. Consumed as results are taken.

        Yields:
            Each task once, with its outcome, in order of completion.

        Raises:
            NotReady: Workers keep dying without a result.
        """
        remaining, retries = iter(tasks), deque[list[Task]]()
        free = deque(list(range(len(self.workers))) * _AHEAD)
        busy: dict[Any, tuple[int, Any, list[Task]]] = {}
        deaths, fruitless = Counter[str](), 0
        while True:
            while free and (batch := retries.popleft() if retries else list(itertools.islice(remaining, BATCH))):
                place = free.popleft()
                busy[self.workers[place].encode.remote(batch)] = place, self.workers[place], batch
            if not busy:
                return
            (done, *_), _ = self._ray.wait(list(busy), num_returns=1)
            place, worker, _ = busy[done]
            # a worker runs its batches in order: if it died, earlier ones are done and later ones not started
            outcomes = self._outcomes(done)
            own = [ref for ref, (_, by, _) in busy.items() if by is worker]
            for ref in own if outcomes is None else [done]:
                _, _, batch = busy.pop(ref)
                free.append(place)
                of_batch = outcomes if ref is done else self._outcomes(ref)
                if of_batch is not None:
                    fruitless = 0
                    yield from zip(batch, of_batch)
                elif self.workers[place] is not worker:
                    retries.append(batch)
                else:
                    self._ray.kill(worker)  # a worker that is only unreachable would keep its core
                    self.workers[place] = self._start_worker()
                    fruitless += 1
                    if fruitless > _MAX_DEATHS:
                        raise NotReady(
                            f"workers died {fruitless} times in a row without a result; check their machines"
                        )
                    yield from self._retry_singly(batch, deaths, retries)

    def _outcomes(self, done: Any) -> list[Outcome] | None:
        """Return the outcomes of a batch, or None if its worker or the machine with its results died."""
        try:
            outcomes: list[Outcome] = self._ray.get(done)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError):
            return None
        return outcomes

    @staticmethod
    def _retry_singly(
        batch: list[Task], deaths: Counter[str], retries: deque[list[Task]]
    ) -> Iterator[tuple[Task, Rejected]]:
        retries.extend([task] for task in batch)
        if len(batch) == 1:
            deaths[batch[0].point] += 1
            if deaths[batch[0].point] == _TRIES:
                retries.pop()
                yield batch[0], _POISON

    def close(self) -> None:
        """Stop the workers, and Ray if it was started here."""
        if not self._ray.is_initialized():
            return
        for worker in self.workers:
            self._ray.kill(worker)
        if self._started_ray:
            self._ray.shutdown()


def _check_address(address: str) -> None:
    """Raise NotReady at once if nobody listens at the address. Ray itself retries for more than a minute."""
    if address in {"local", "auto"}:
        return
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise BadInput(
            f"invalid Ray address: {address[:80]!r}; use local, auto, HOST:6379 or ray://HOST:10001", field="address"
        )
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise NotReady(f"no Ray cluster at {address} ({error.strerror or error}); start one") from error


def _require_token() -> None:
    """Protect local Ray by a random token, because it listens on all interfaces and runs any code it receives.

    Ray reads the variables on import, so a program that imported it before keeps its own configuration.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1][:200]
