"""Durable job queue: jobs run one after another in a thread, and resume after a restart.

A job is a folder in `jobs/` of the catalog, with `job.json`, which is replaced atomically, and its input and output
files. Handlers are idempotent, so an interrupted job starts again from the beginning.
"""

import json
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from typing import Any, Literal

from snapfind.catalog.storage.folder import write_whole
from snapfind.core.errors import Conflict, NotFound, ServerFailed, SnapfindError
from snapfind.server.runtime.memory import release_memory

__all__ = ["Cancelled", "Handler", "Job", "Jobs", "State"]

log = logging.getLogger("snapfind.server")

State = Literal["queued", "running", "done", "failed", "cancelled"]
_MAX_FINISHED = 200  # finished jobs that are listed
_SAVE_INTERVAL = 1.0  # seconds between writes of the progress


class Cancelled(Exception):
    """Raised by `progress` if the job was cancelled or the server stops."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job.

    Args:
        id: Name of its folder.
        kind: Kind, which selects the handler.
        state: State.
        created: Time of creation, ISO 8601.
        finished: Time of the end, "" before.
        done: Number of finished steps.
        total: Number of steps.
        spec: Options of the job.
        report: Result.
        error: Code and message of a failure.
        key: Idempotency key.
        digest: Hash of the request, to detect another request with the same key.
    """

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
    def is_finished(self) -> bool:
        """Whether the job is done, failed or cancelled."""
        return self.state in {"done", "failed", "cancelled"}


Progress = Callable[[int, int], None]
Handler = Callable[[Job, Path, Progress], dict[str, Any]]  # job, its folder, progress -> report


class Jobs:
    """Job queue of a catalog.

    Args:
        folder: Folder of the jobs.
        handlers: Handler of each kind of job.
    """

    def __init__(self, folder: Path, handlers: Mapping[str, Handler]) -> None:
        self._folder, self._handlers = folder, handlers
        self._lock = threading.Lock()
        self._known: dict[str, Job] = {}
        self._cancelled: set[str] = set()
        self._queue: Queue[str | None] = Queue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapfind-jobs", daemon=True)

    def start(self) -> None:
        """Load the jobs on disk, delete folders without a job, and resume unfinished jobs."""
        for place in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            try:
                job = Job(**json.loads((place / "job.json").read_bytes()))
            except (OSError, ValueError, TypeError):
                shutil.rmtree(place, ignore_errors=True)
                continue
            self._known[job.id] = job
            if not job.is_finished:
                self._queue.put(job.id)
        self._thread.start()

    def create_folder(self) -> Path:
        """Create the folder of a new job. It is deleted at the next start if the job is not submitted."""
        place = self._folder / f"{int(time.time() * 1000):012x}{secrets.token_hex(3)}"
        place.mkdir(parents=True)
        return place

    def submit(self, place: Path, kind: str, spec: dict[str, Any], *, key: str = "", digest: str = "") -> Job:
        """Submit a job. It is durable when this returns.

        Args:
            place: Folder of `create_folder`, with the input files.
            kind: Kind of the job.
            spec: Options of the job.
            key: Idempotency key. With the same key and digest the existing job is returned.
            digest: Hash of the request.

        Returns:
            The job.

        Raises:
            Conflict: The key was used with another digest.
        """
        with self._lock:
            before = next((job for job in self._known.values() if key and job.key == key), None)
            if before is not None:
                shutil.rmtree(place, ignore_errors=True)
                if before.digest != digest:
                    raise Conflict(f"the idempotency key {key[:60]!r} was used with another request; use a new key")
                return before
            job = Job(place.name, kind, created=_now(), spec=spec, key=key, digest=digest)
            self._save(job)
            self._delete_old()
        self._queue.put(job.id)
        return job

    def get(self, id: str) -> Job:
        """Return a job.

        Args:
            id: Id of the job.

        Raises:
            NotFound: There is no such job.
        """
        with self._lock:
            if id not in self._known:
                raise NotFound(f"no job {id[:40]!r}")
            return self._known[id]

    def all(self) -> list[Job]:
        """Return all jobs, newest first."""
        with self._lock:
            return sorted(self._known.values(), key=lambda job: job.id, reverse=True)

    def file(self, id: str, name: str) -> Path:
        """Return an output file of a job.

        Args:
            id: Id of the job.
            name: Name of the file.

        Raises:
            NotFound: There is no such job or file.
        """
        path = self._folder / self.get(id).id / name
        if not path.is_file():
            raise NotFound(f"job {id} has no such file; it is {self.get(id).state}")
        return path

    def cancel(self, id: str) -> Job:
        """Cancel a job. It stops at its next step. Stored results are kept.

        Args:
            id: Id of the job.

        Raises:
            NotFound: There is no such job.
            Conflict: The job is finished.
        """
        job = self.get(id)
        if job.is_finished:
            raise Conflict(f"job {id} is finished: {job.state}")
        self._cancelled.add(id)
        return job

    def _run(self) -> None:
        while (id := self._queue.get()) is not None and not self._stopping.is_set():
            self._execute(self.get(id))

    def _execute(self, job: Job) -> None:
        place, saved = self._folder / job.id, time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal saved, job
            if self._stopping.is_set() or job.id in self._cancelled:
                raise Cancelled
            job = replace(job, done=done, total=total)
            self._known[job.id] = job
            if time.monotonic() - saved > _SAVE_INTERVAL:
                saved = time.monotonic()
                self._save(job)

        job = replace(job, state="running")
        self._save(job)
        try:
            progress(job.done, job.total)
            report = self._handlers[job.kind](job, place, progress)
            job = replace(job, state="done", report=report)
        except Cancelled:
            if self._stopping.is_set():
                return  # it resumes at the next start
            job = replace(job, state="cancelled")
        except SnapfindError as error:
            job = replace(job, state="failed", error={"code": error.code, "message": error.message})
        except Exception:
            log.exception("job %s failed: %s", job.id, job.kind)
            message = "internal error; the log of the server has the reason under the id of the job"
            job = replace(job, state="failed", error={"code": ServerFailed.code, "message": message})
        shutil.rmtree(place / "input", ignore_errors=True)
        release_memory()
        self._save(replace(job, finished=_now()))

    def _save(self, job: Job) -> None:
        write_whole(self._folder / job.id / "job.json", json.dumps(asdict(job), ensure_ascii=False).encode())
        self._known[job.id] = job

    def _delete_old(self) -> None:
        finished = sorted(job.id for job in self._known.values() if job.is_finished)
        for id in finished[:-_MAX_FINISHED]:
            shutil.rmtree(self._folder / id, ignore_errors=True)
            self._known.pop(id)

    def close(self) -> None:
        """Stop the running job at its next step. It resumes at the next start."""
        self._stopping.set()
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
