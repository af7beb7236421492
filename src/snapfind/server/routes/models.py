"""Routes for models: list, fit, build, use an artifact, switch, roll back, interleaving experiment, delete."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from snapfind.server.jobs.handlers import artifact_of
from snapfind.server.middleware.auth import needs
from snapfind.server.routes.jobs import JobReply, submit
from snapfind.server.schemas.products import RequestBody, served_name
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Service, Serving

__all__ = ["router"]

router = APIRouter(prefix="/v1/models", tags=["models"], dependencies=[needs("admin")], responses=ERRORS)


class ModelSchema(BaseModel):
    """A model. Its id is the name of its image space."""

    id: str
    encoder: str
    adapted: bool = Field(description="fitted to this catalog")
    ready: bool = Field(description="every picture is encoded, so the model can be used")
    dim: int


class TrialSchema(BaseModel):
    """The running interleaving experiment: its model and its fraction of the photo searches."""

    model: str
    share: float = Field(gt=0, le=1)
    began: str


class ModelsReply(Reply):
    """The active model, the previous one, and all models."""

    active: str
    previous: str
    models: list[ModelSchema]
    trial: TrialSchema | None = Field(description="the running interleaving experiment")


class FitBody(RequestBody):
    """Training data in addition to the catalog's pictures."""

    stored_photos: bool = Field(default=False, description="also use stored query photos")


class BuildBody(RequestBody):
    """The encoder to build."""

    encoder: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_-]+$", examples=["lite2"])]


class UseBody(RequestBody):
    """The artifact to use: name of a folder inside the folder of the setting `models`."""

    artifact: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", examples=["my-clip"])]


class SwitchBody(RequestBody):
    """The model to activate."""

    model: Annotated[str, Field(min_length=1, max_length=128)]


class TrialBody(RequestBody):
    """The model of an interleaving experiment, and its fraction of the photo searches."""

    model: Annotated[str, Field(min_length=1, max_length=128)] | None
    share: float = Field(0.1, gt=0, le=1)


@router.get("", response_model=ModelsReply)
async def list_models(service: Serving, trace: Now) -> ModelsReply:
    """List the models of the catalog.

    ```sh
    curl http://127.0.0.1:8000/v1/models
    ```
    """
    return reply(trace, ModelsReply, **_model_fields(service))


@router.post("/fit", response_model=JobReply, status_code=202)
async def fit(service: Serving, trace: Now, body: FitBody | None = None) -> JobReply:
    """Start a job that fits an adapter to the catalog's pictures, builds its space, and switches.

    With `kept`, unlabeled query photos stored by the setting `keep_photos` are used too, which improves the result.

    ```sh
    curl -X POST http://127.0.0.1:8000/v1/models/fit
    curl --json '{"stored_photos": true}' http://127.0.0.1:8000/v1/models/fit
    ```
    """
    return reply(
        trace, JobReply, job=submit(service, "fit", {"stored_photos": body is not None and body.stored_photos})
    )


@router.post("/build", response_model=JobReply, status_code=202)
async def build(body: BuildBody, service: Serving, trace: Now) -> JobReply:
    """Start a job that builds the space of another encoder beside the active one. Searches continue.

    ```sh
    curl --json '{"encoder": "lite2"}' http://127.0.0.1:8000/v1/models/build
    ```
    """
    return reply(trace, JobReply, job=submit(service, "build", {"encoder": body.encoder}))


@router.post("/use", response_model=JobReply, status_code=202)
async def use(body: UseBody, service: Serving, trace: Now) -> JobReply:
    """Start a job that builds the space of a converted or trained model, switches to it, and calibrates its scores.

    The artifact must be in the folder of the setting `models`.

    ```sh
    curl --json '{"artifact": "my-clip"}' http://127.0.0.1:8000/v1/models/use
    ```
    """
    artifact_of(service.settings, body.artifact)
    return reply(trace, JobReply, job=submit(service, "use", {"artifact": body.artifact}))


@router.post("/switch", response_model=ModelsReply)
async def switch(body: SwitchBody, service: Serving, trace: Now) -> ModelsReply:
    """Make another built model the active one.

    ```sh
    curl --json '{"model": "lite2-0123abcd"}' http://127.0.0.1:8000/v1/models/switch
    ```
    """
    await service.writing.run(trace, lambda: service.catalog.models.switch(body.model))
    return reply(trace, ModelsReply, **_model_fields(service))


@router.post("/trial", response_model=ModelsReply)
async def try_out(body: TrialBody, service: Serving, trace: Now) -> ModelsReply:
    """Start an interleaving experiment of a built model against the active one. `null` stops it.

    Results of both models are interleaved in a fraction `share` of the photo searches. Clicks decide which one is
    better: see `/v1/flywheel/conclude`.

    ```sh
    curl --json '{"model": "lite2-0123abcd", "share": 0.1}' http://127.0.0.1:8000/v1/models/trial
    ```
    """
    await service.writing.run(trace, lambda: service.catalog.models.try_out(body.model, body.share))
    return reply(trace, ModelsReply, **_model_fields(service))


@router.delete("", response_model=ModelsReply)
async def drop(service: Serving, trace: Now, model: Annotated[str, Query(min_length=1, max_length=128)]) -> ModelsReply:
    """Delete a model and its vectors. The active model and one in an experiment cannot be deleted.

    ```sh
    curl -X DELETE 'http://127.0.0.1:8000/v1/models?model=lite2-0123abcd'
    ```
    """
    await service.writing.run(trace, lambda: service.catalog.models.delete(model))
    return reply(trace, ModelsReply, **_model_fields(service))


@router.post("/rollback", response_model=ModelsReply)
async def rollback(service: Serving, trace: Now) -> ModelsReply:
    """Switch back to the previous model.

    ```sh
    curl -X POST http://127.0.0.1:8000/v1/models/rollback
    ```
    """
    await service.writing.run(trace, service.catalog.models.rollback)
    return reply(trace, ModelsReply, **_model_fields(service))


def _model_fields(service: Service) -> dict[str, object]:
    manifest = service.shop.folder.manifest
    models = [
        ModelSchema(
            id=name,
            encoder=served_name(model.encoder),
            adapted=model.adapted,
            ready=model.ready,
            dim=model.dim,
        )
        for name, model in manifest.models.items()
    ]
    trial = service.shop.trial
    experiment = TrialSchema(model=trial.model, share=trial.share, began=trial.began) if trial else None
    return {"active": manifest.active, "previous": manifest.previous, "models": models, "trial": experiment}
