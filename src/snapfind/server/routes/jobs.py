"""Routes for jobs: progress, result, error file and output file; snapshots and exports."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import FileResponse

from snapfind.catalog.storage.export import FORMATS
from snapfind.server.jobs.handlers import ERROR_FILE
from snapfind.server.jobs.queue import Job, State
from snapfind.server.middleware.auth import needs
from snapfind.server.schemas.products import RequestBody
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Service, Serving

__all__ = ["JobReply", "job_schema", "router", "submit"]

router = APIRouter(prefix="/v1", tags=["jobs"], responses=ERRORS)
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{18}$")]


class JobSchema(BaseModel):
    """A long-running job. `report` is its result, `error` the reason of a failure."""

    id: str
    kind: Literal["import", "fit", "build", "use", "snapshot", "export", "curate", "flywheel"]
    state: State
    created: str
    finished: str
    done: int
    total: int
    report: dict[str, Any]
    error: dict[str, str] | None


class JobReply(Reply):
    """A job."""

    job: JobSchema


class JobsReply(Reply):
    """The jobs, newest first."""

    jobs: list[JobSchema]


class ExportBody(RequestBody):
    """Format and filter of an export."""

    format: Literal["csv", "jsonl", "parquet"] = "jsonl"
    filter: str | None = None
    vectors: bool = Field(False, description="include the embeddings of every space")


assert {f".{name}" for name in ("csv", "jsonl", "parquet")} == set(FORMATS)


def job_schema(job: Job, service: Service) -> JobSchema:
    """Convert a job. Local folders are removed from its texts."""
    schema = JobSchema(**{name: getattr(job, name) for name in JobSchema.model_fields})
    schema.error = job.error and {name: service.private(text) for name, text in job.error.items()}
    notes = [service.private(str(note)) for note in job.report.get("notes", ())]
    schema.report = job.report | ({"notes": notes} if notes else {})
    return schema


def submit(service: Service, kind: str, spec: dict[str, Any]) -> JobSchema:
    """Submit a job that has no input files."""
    return job_schema(service.jobs.submit(service.jobs.create_folder(), kind, spec), service)


@router.get("/jobs", response_model=JobsReply, dependencies=[needs("write")])
async def list_jobs(service: Serving, trace: Now) -> JobsReply:
    """List all stored jobs, newest first.

    ```sh
    curl http://127.0.0.1:8000/v1/jobs
    ```
    """
    return reply(trace, JobsReply, jobs=[job_schema(job, service) for job in service.jobs.all()])


@router.get("/jobs/{job}", response_model=JobReply, dependencies=[needs("write")])
async def get_job(job: Id, service: Serving, trace: Now) -> JobReply:
    """Get the progress and the result of a job.

    ```sh
    curl http://127.0.0.1:8000/v1/jobs/019a0b1c2d3e4f5a6b
    ```
    """
    return reply(trace, JobReply, job=job_schema(service.jobs.get(job), service))


@router.delete("/jobs/{job}", response_model=JobReply, status_code=202, dependencies=[needs("write")])
async def cancel_job(job: Id, service: Serving, trace: Now) -> JobReply:
    """Cancel a job. It stops at its next step. Stored results are kept.

    ```sh
    curl -X DELETE http://127.0.0.1:8000/v1/jobs/019a0b1c2d3e4f5a6b
    ```
    """
    return reply(trace, JobReply, job=job_schema(service.jobs.cancel(job), service))


@router.get(
    "/jobs/{job}/errors",
    response_class=FileResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    dependencies=[needs("write")],
)
async def job_errors(job: Id, service: Serving, trace: Now) -> FileResponse:
    """Download the failures of an import as CSV: id, code, path, reason.

    ```sh
    curl -O http://127.0.0.1:8000/v1/jobs/019a0b1c2d3e4f5a6b/errors
    ```
    """
    return FileResponse(service.jobs.file(job, ERROR_FILE), media_type="text/csv", filename=f"{job}-{ERROR_FILE}")


@router.get(
    "/jobs/{job}/file",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
    dependencies=[needs("admin")],
)
async def job_file(job: Id, service: Serving, trace: Now) -> FileResponse:
    """Download the snapshot or the export of a job.

    ```sh
    curl -O -J http://127.0.0.1:8000/v1/jobs/019a0b1c2d3e4f5a6b/file
    ```
    """
    name = str(service.jobs.get(job).report.get("file", ""))
    path = service.jobs.file(job, name or "none")
    return FileResponse(path, media_type="application/octet-stream", filename=name)


@router.post("/snapshots", response_model=JobReply, status_code=202, dependencies=[needs("admin")])
async def start_snapshot(service: Serving, trace: Now) -> JobReply:
    """Start a job that writes a snapshot of the catalog with checksums, for `snapfind restore`.

    ```sh
    curl -X POST http://127.0.0.1:8000/v1/snapshots
    ```
    """
    return reply(trace, JobReply, job=submit(service, "snapshot", {}))


@router.post("/exports", response_model=JobReply, status_code=202, dependencies=[needs("admin")])
async def start_export(body: ExportBody, service: Serving, trace: Now) -> JobReply:
    """Start a job that exports the catalog as a table that `snapfind add` can read.

    ```sh
    curl --json '{"format": "parquet"}' http://127.0.0.1:8000/v1/exports
    ```
    """
    spec = {"format": body.format, "filter": body.filter or None, "vectors": body.vectors}
    return reply(trace, JobReply, job=submit(service, "export", spec))
