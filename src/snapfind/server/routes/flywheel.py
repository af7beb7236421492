"""Routes for the flywheel: list the runs, start a run, conclude the interleaving experiment."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from snapfind.flywheel.config import Depth, FlywheelConfig
from snapfind.flywheel.records import FlywheelRun, read_runs
from snapfind.flywheel.run import conclude_experiment, folder_of
from snapfind.server.middleware.auth import needs
from snapfind.server.routes.jobs import JobReply, submit
from snapfind.server.routes.models import TrialSchema
from snapfind.server.schemas.products import RequestBody
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Serving

__all__ = ["router"]

router = APIRouter(prefix="/v1/flywheel", tags=["flywheel"], dependencies=[needs("admin")], responses=ERRORS)
_DEFAULTS = FlywheelConfig()


class GateSchema(BaseModel):
    """Result of a quality gate, with the numbers behind it."""

    name: str
    passed: bool
    detail: str


class RunSchema(BaseModel):
    """A flywheel run: data, metrics, quality gates and decision."""

    number: int
    started: str
    finished: str
    version: str
    model_before: str
    model: str = Field(description="the trained model, empty if there is none")
    data: dict[str, Any] = Field(description="sha256 and number of photos and labels")
    metrics: dict[str, Any] = Field(description="metrics of the old and the new model on each test set")
    gates: list[GateSchema]
    decision: Literal["stopped", "experiment", "switched", "kept"]
    reason: str
    experiment: dict[str, Any] = Field(description="votes of the interleaving experiment")


class RunsReply(Reply):
    """The running interleaving experiment, and the runs, newest first."""

    trial: TrialSchema | None
    runs: list[RunSchema]


class RunBody(RequestBody):
    """Options of a run. Defaults are explained in docs/how-to/flywheel.md."""

    min_photos: int = Field(_DEFAULTS.min_photos, ge=2, le=1_000_000)
    depth: Depth = _DEFAULTS.depth
    minutes: float = Field(_DEFAULTS.minutes, ge=0, le=10_000)
    max_slice_loss: float = Field(_DEFAULTS.max_slice_loss, ge=0, le=1)
    min_gain: float = Field(_DEFAULTS.min_gain, ge=0, le=1)
    share: float = Field(_DEFAULTS.share, ge=0, le=1)
    seed: int = Field(_DEFAULTS.seed, ge=0, le=2**31)


class ConcludeBody(RequestBody):
    """Minimum number of decided votes. `force` concludes with fewer."""

    votes: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    force: bool = False


class RunReply(Reply):
    """A flywheel run."""

    run: RunSchema


@router.get("", response_model=RunsReply)
async def list_runs(service: Serving, trace: Now) -> RunsReply:
    """List all runs, and the running interleaving experiment.

    ```sh
    curl http://127.0.0.1:8000/v1/flywheel
    ```
    """
    records = await service.reading.run(trace, lambda: list(read_runs(folder_of(service.shop))))
    trial = service.shop.trial
    experiment = TrialSchema(model=trial.model, share=trial.share, began=trial.began) if trial else None
    return reply(trace, RunsReply, trial=experiment, runs=[_schema(record) for record in records[::-1]])


@router.post("/runs", response_model=JobReply, status_code=202)
async def start_run(body: RunBody, service: Serving, trace: Now) -> JobReply:
    """Start a run as a job: derive labels from clicks, train a model, evaluate it, and A/B test it if all gates pass.

    It needs stored query photos (`keep_photos`), and the extra `train` for any `depth` but `fit`. Searches continue,
    but are slower.

    ```sh
    curl --json '{"min_photos": 200, "share": 0.1}' http://127.0.0.1:8000/v1/flywheel/runs
    ```
    """
    return reply(trace, JobReply, job=submit(service, "flywheel", body.model_dump()))


@router.post("/conclude", response_model=RunReply)
async def conclude(body: ConcludeBody, service: Serving, trace: Now) -> RunReply:
    """End the experiment: switch if shoppers prefer the new model, else keep the old one. Too few votes: no change.

    ```sh
    curl --json '{"votes": 50}' http://127.0.0.1:8000/v1/flywheel/conclude
    ```
    """
    catalog = service.catalog
    run = await service.writing.run(trace, lambda: conclude_experiment(catalog, votes=body.votes, force=body.force))
    return reply(trace, RunReply, run=_schema(run))


def _schema(run: FlywheelRun) -> RunSchema:
    fields = {name: getattr(run, name) for name in RunSchema.model_fields if name != "gates"}
    gates = [GateSchema(name=gate.name, passed=gate.passed, detail=gate.detail) for gate in run.gates]
    return RunSchema(gates=gates, **fields)
