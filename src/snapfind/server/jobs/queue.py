"""Long work as jobs: taken at once, done one after another in a thread, on disk, and gone on with after a restart.

A job is a folder of `jobs/` in the catalog: `job.json`, replaced whole, and the files that it reads and makes. Every
kind of work may begin again from its start: what is done already is found done.
"""

import json
import logging
import queue
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from snapfind.catalog.storage.folder import write_whole
from snapfind.core.errors import Conflict, NotFound, ServerFailed, SnapfindError
from snapfind.server.runtime.memory import release_memory

__all__ = ["Cancelled", "Job", "Jobs", "State", "Work"]

log = logging.getLogger("snapfind.server")

State = Literal["queued", "running", "done", "failed", "cancelled"]
_KEPT = 200  # jobs that are over and still listed
_SAVED = 1.0  # seconds between writes of the progress


class Cancelled(Exception):
    """The job was cancelled, or the server stops."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is known of a job; `spec` is what was asked, `report` what came of it."""

    id: str
    kind: str
    state: State = "queued"
    created: str = ""
    finished: str = ""
    done: int = 0
    total: int = 0
    spec: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    error: dict[str, str] | None = None
    key: str = ""
    digest: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in {"done", "failed", "cancelled"}


Progress = Callable[[int, int], None]
Work = Callable[[Job, Path, Progress], dict[str, Any]]  # job, its folder, progress -> report


class Jobs:
    """The jobs of one catalog. `works` says how each kind is done."""

    def __init__(self, folder: Path, works: Mapping[str, Work]) -> None:
        self._folder, self._works = folder, works
        self._lock = threading.Lock()
        self._known: dict[str, Job] = {}
        self._cancelled: set[str] = set()
        self._waiting: queue.Queue[str | None] = queue.Queue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapfind-jobs", daemon=True)

    def start(self) -> None:
        """Read what is on disk, forget what never became a job, go on with what was not over."""
        for place in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            try:
                job = Job(**json.loads((place / "job.json").read_bytes()))
            except (OSError, ValueError, TypeError):
                shutil.rmtree(place, ignore_errors=True)
                continue
            self._known[job.id] = job
            if not job.over:
                self._waiting.put(job.id)
        self._thread.start()

    def room(self) -> Path:
        """A new folder for the files of a job that is to be submitted; removed at the next start if it never is."""
        place = self._folder / f"{int(time.time() * 1000):012x}{secrets.token_hex(3)}"
        place.mkdir(parents=True)
        return place

    def submit(self, place: Path, kind: str, spec: dict[str, Any], *, key: str = "", digest: str = "") -> Job:
        """Take a job; on disk when it returns. The same `key` and `digest` again give the job that is there.

        Raises Conflict for the same key with another digest.
        """
        with self._lock:
            before = next((job for job in self._known.values() if key and job.key == key), None)
            if before is not None:
                shutil.rmtree(place, ignore_errors=True)
                if before.digest != digest:
                    raise Conflict(f"the idempotency key {key[:60]!r} was used with another body; take a new one")
                return before
            job = Job(place.name, kind, created=_now(), spec=spec, key=key, digest=digest)
            self._save(job)
            self._forget_old()
        self._waiting.put(job.id)
        return job

    def get(self, id: str) -> Job:
        """Raises NotFound."""
        with self._lock:
            if id not in self._known:
                raise NotFound(f"no job {id[:40]!r}")
            return self._known[id]

    def all(self) -> list[Job]:
        """The newest first."""
        with self._lock:
            return sorted(self._known.values(), key=lambda job: job.id, reverse=True)

    def file(self, id: str, name: str) -> Path:
        """A file that a job made. Raises NotFound."""
        path = self._folder / self.get(id).id / name
        if not path.is_file():
            raise NotFound(f"job {id} has no such file; it is {self.get(id).state}")
        return path

    def cancel(self, id: str) -> Job:
        """Let a job end at its next step; what it stored stays. Raises NotFound, Conflict when it is over."""
        job = self.get(id)
        if job.over:
            raise Conflict(f"job {id} is over: it is {job.state}")
        self._cancelled.add(id)
        return job

    def _run(self) -> None:
        while (id := self._waiting.get()) is not None and not self._stopping.is_set():
            self._do(self.get(id))

    def _do(self, job: Job) -> None:
        place, saved = self._folder / job.id, time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal saved, job
            if self._stopping.is_set() or job.id in self._cancelled:
                raise Cancelled
            job = replace(job, done=done, total=total)
            self._known[job.id] = job
            if time.monotonic() - saved > _SAVED:
                saved = time.monotonic()
                self._save(job)

        job = replace(job, state="running")
        self._save(job)
        try:
            progress(job.done, job.total)
            report = self._works[job.kind](job, place, progress)
            job = replace(job, state="done", report=report)
        except Cancelled:
            if self._stopping.is_set():
                return  # it goes on at the next start
            job = replace(job, state="cancelled")
        except SnapfindError as error:
            job = replace(job, state="failed", error={"code": error.code, "message": error.message})
        except Exception:
            log.exception("job %s failed: %s", job.id, job.kind)
            said = "the server failed; its log has the reason under the id of the job"
            job = replace(job, state="failed", error={"code": ServerFailed.code, "message": said})
        shutil.rmtree(place / "given", ignore_errors=True)
        release_memory()
        self._save(replace(job, finished=_now()))

    def _save(self, job: Job) -> None:
        write_whole(self._folder / job.id / "job.json", json.dumps(asdict(job), ensure_ascii=False).encode())
        self._known[job.id] = job

    def _forget_old(self) -> None:
        over = sorted(job.id for job in self._known.values() if job.over)
        for id in over[:-_KEPT]:
            shutil.rmtree(self._folder / id, ignore_errors=True)
            self._known.pop(id)

    def close(self) -> None:
        """Stop at the next step of what runs; it goes on at the next start."""
        self._stopping.set()
        self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
