"""Routes for the flywheel: list the runs, start a run, conclude the interleaving experiment."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from snapfind.flywheel.config import Depth
from snapfind.flywheel.records import Turn, turns
from snapfind.flywheel.run import conclude, folder_of
from snapfind.server.middleware.auth import needs
from snapfind.server.routes.jobs import JobReply, submit
from snapfind.server.routes.models import TrialSchema
from snapfind.server.schemas.products import RequestBody
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Serving

__all__ = ["router"]

router = APIRouter(prefix="/v1/flywheel", tags=["flywheel"], dependencies=[needs("admin")], responses=ERRORS)


class GuardSchema(BaseModel):
    """A quality gate: whether it passed (`holds`), and the reason."""

    name: str
    holds: bool
    told: str


class TurnSchema(BaseModel):
    """A flywheel run: data, metrics, quality gates and decision."""

    number: int
    began: str
    finished: str
    version: str
    model_before: str
    model: str = Field(description="the trained model, empty if there is none")
    data: dict[str, Any] = Field(description="sha256 and number of photos and labels")
    metrics: dict[str, Any] = Field(description="metrics of the old and the new model on each test set")
    guards: list[GuardSchema]
    decision: Literal["stopped", "trial", "switched", "kept"]
    why: str
    verdict: dict[str, Any] = Field(description="votes of the interleaving experiment")


class TurnsReply(Reply):
    """The running interleaving experiment, and the runs, newest first."""

    trial: TrialSchema | None
    turns: list[TurnSchema]


class TurnBody(RequestBody):
    """Options of a run. Defaults are explained in docs/how-to/flywheel.md."""

    least: int = Field(50, ge=2, le=1_000_000)
    depth: Depth = "fit"
    minutes: float = Field(0, ge=0, le=10_000)
    slice_loss: float = Field(0.1, ge=0, le=1)
    gain: float = Field(0, ge=0, le=1)
    share: float = Field(0.1, ge=0, le=1)
    seed: int = Field(0, ge=0, le=2**31)


class ConcludeBody(RequestBody):
    """Minimum number of decided votes. `force` concludes with fewer."""

    votes: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    force: bool = False


class TurnReply(Reply):
    """A flywheel run."""

    turn: TurnSchema


@router.get("", response_model=TurnsReply)
async def list_turns(service: Serving, trace: Now) -> TurnsReply:
    """List all runs, and the running interleaving experiment.

    ```sh
    curl http://127.0.0.1:8000/v1/flywheel
    ```
    """
    records = await service.reading.run(trace, lambda: list(turns(folder_of(service.shop))))
    trial = service.shop.trial
    experiment = TrialSchema(model=trial.model, share=trial.share, began=trial.began) if trial else None
    return reply(trace, TurnsReply, trial=experiment, turns=[_shape(turn) for turn in records[::-1]])


@router.post("/turns", response_model=JobReply, status_code=202)
async def run_turn(body: TurnBody, service: Serving, trace: Now) -> JobReply:
    """Start a run as a job: derive labels from clicks, train a model, evaluate it, and A/B test it if all gates pass.

    It needs stored query photos (`keep_photos`), and the extra `train` for any `depth` but `fit`. Searches continue,
    but are slower.

    ```sh
    curl --json '{"least": 200, "share": 0.1}' http://127.0.0.1:8000/v1/flywheel/turns
    ```
    """
    return reply(trace, JobReply, job=submit(service, "turn", body.model_dump()))


@router.post("/conclude", response_model=TurnReply)
async def conclude_trial(body: ConcludeBody, service: Serving, trace: Now) -> TurnReply:
    """End the experiment: switch if shoppers prefer the new model, else keep the old one. Too few votes: no change.

    ```sh
    curl --json '{"votes": 50}' http://127.0.0.1:8000/v1/flywheel/conclude
    ```
    """
    catalog = service.catalog
    turn = await service.writing.run(trace, lambda: conclude(catalog, votes=body.votes, force=body.force))
    return reply(trace, TurnReply, turn=_shape(turn))


def _shape(turn: Turn) -> TurnSchema:
    fields = {name: getattr(turn, name) for name in TurnSchema.model_fields if name != "guards"}
    guards = [GuardSchema(name=one.name, holds=one.holds, told=one.told) for one in turn.guards]
    return TurnSchema(guards=guards, **fields)
