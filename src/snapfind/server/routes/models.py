"""Models: which stand side by side, fitting and building one beside, switching and going back."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from snapfind.server.jobs.handlers import artifact_of
from snapfind.server.middleware.auth import needs
from snapfind.server.routes.jobs import JobReply, submit
from snapfind.server.schemas.products import Given, served_name
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Service, Serving

__all__ = ["router"]

router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=[needs("admin")], responses=ERRORS)


class ModelShape(BaseModel):
    """A model, named by its photo space."""

    id: str
    encoder: str
    adapted: bool = Field(description="fitted to this catalogue")
    ready: bool = Field(description="every picture has its vector, so it may answer")
    dim: int


class TrialShape(BaseModel):
    """The model on trial and its share of the photo searches."""

    model: str
    share: float = Field(gt=0, le=1)
    began: str


class ModelsReply(Reply):
    """Which model answers, which answered before, and all that are there."""

    active: str
    previous: str
    models: list[ModelShape]
    trial: TrialShape | None = Field(description="the model on trial")


class FitBody(Given):
    """What to fit to besides the catalogue's pictures."""

    kept: bool = Field(default=False, description="photos of searches that were kept, too")


class BuildBody(Given):
    """Which encoder to build beside the active one."""

    encoder: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_-]+$", examples=["lite2"])]


class UseBody(Given):
    """Which artifact to use, by the name of its folder in the server's folder of models."""

    artifact: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", examples=["my-clip"])]


class SwitchBody(Given):
    """Which model is to answer."""

    model: Annotated[str, Field(min_length=1, max_length=128)]


class TrialBody(Given):
    """Which model is to be tried, and on what part of the photo searches."""

    model: Annotated[str, Field(min_length=1, max_length=128)] | None
    share: float = Field(0.1, gt=0, le=1)


@router.get("", response_model=ModelsReply)
async def list_models(service: Serving, trace: Now) -> ModelsReply:
    """The models of the catalogue.

    ```sh
    curl http://127.0.0.1:8000/v1/models
    ```
    """
    return reply(trace, ModelsReply, **_known(service))


@router.post("/fit", response_model=JobReply, status_code=202)
async def fit(service: Serving, trace: Now, body: FitBody | None = None) -> JobReply:
    """Fit the encoder to the catalogue's own pictures, build its space beside the old one, and switch: a job.

    With `kept` also to the photos of searches that the setting `keep_photos` kept, without a label: much better.

    ```sh
    curl -X POST http://127.0.0.1:8000/v1/models/fit
    curl --json '{"kept": true}' http://127.0.0.1:8000/v1/models/fit
    ```
    """
    return reply(trace, JobReply, job=submit(service, "fit", {"kept": body is not None and body.kept}))


@router.post("/build", response_model=JobReply, status_code=202)
async def build(body: BuildBody, service: Serving, trace: Now) -> JobReply:
    """Build the space of another encoder beside the active one: a job. Searches go on.

    ```sh
    curl --json '{"encoder": "lite2"}' http://127.0.0.1:8000/v1/models/build
    ```
    """
    return reply(trace, JobReply, job=submit(service, "build", {"encoder": body.encoder}))


@router.post("/use", response_model=JobReply, status_code=202)
async def use(body: UseBody, service: Serving, trace: Now) -> JobReply:
    """Build the space of a model that was converted or learnt elsewhere, switch to it, fit the scores: a job.

    Its folder lies in that of the setting `models`.

    ```sh
    curl --json '{"artifact": "my-clip"}' http://127.0.0.1:8000/v1/models/use
    ```
    """
    artifact_of(service.settings, body.artifact)
    return reply(trace, JobReply, job=submit(service, "use", {"artifact": body.artifact}))


@router.post("/switch", response_model=ModelsReply)
async def switch(body: SwitchBody, service: Serving, trace: Now) -> ModelsReply:
    """Let another built model answer from now on.

    ```sh
    curl --json '{"model": "lite2-0123abcd"}' http://127.0.0.1:8000/v1/models/switch
    ```
    """
    await service.writing.run(trace, lambda: service.catalogue.switch(body.model))
    return reply(trace, ModelsReply, **_known(service))


@router.post("/trial", response_model=ModelsReply)
async def try_out(body: TrialBody, service: Serving, trace: Now) -> ModelsReply:
    """Let a built model answer a share of the photo searches beside the active one; `null` ends the trial.

    The two answers are interleaved, and clicks say which is better: see `/v1/flywheel/conclude`.

    ```sh
    curl --json '{"model": "lite2-0123abcd", "share": 0.1}' http://127.0.0.1:8000/v1/models/trial
    ```
    """
    await service.writing.run(trace, lambda: service.catalogue.try_out(body.model, body.share))
    return reply(trace, ModelsReply, **_known(service))


@router.delete("", response_model=ModelsReply)
async def drop(service: Serving, trace: Now, model: Annotated[str, Query(min_length=1, max_length=128)]) -> ModelsReply:
    """Remove a model and its vectors; not the one that answers or is on trial.

    ```sh
    curl -X DELETE 'http://127.0.0.1:8000/v1/models?model=lite2-0123abcd'
    ```
    """
    await service.writing.run(trace, lambda: service.catalogue.drop(model))
    return reply(trace, ModelsReply, **_known(service))


@router.post("/rollback", response_model=ModelsReply)
async def rollback(service: Serving, trace: Now) -> ModelsReply:
    """Let the model answer that answered before.

    ```sh
    curl -X POST http://127.0.0.1:8000/v1/models/rollback
    ```
    """
    await service.writing.run(trace, service.catalogue.rollback)
    return reply(trace, ModelsReply, **_known(service))


def _known(service: Service) -> dict[str, object]:
    manifest = service.shop.folder.manifest
    models = [
        ModelShape(
            id=name,
            encoder=served_name(model.encoder),
            adapted=model.adapted,
            ready=model.ready,
            dim=model.dim,
        )
        for name, model in manifest.models.items()
    ]
    trial = service.shop.trial
    shown = TrialShape(model=trial.model, share=trial.share, began=trial.began) if trial else None
    return {"active": manifest.active, "previous": manifest.previous, "models": models, "trial": shown}
