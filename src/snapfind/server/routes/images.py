"""Routes for photos without a search: detect objects, compare two pictures, heat maps."""

from typing import Annotated, Any, Self

from fastapi import APIRouter, Request
from PIL.Image import Image
from pydantic import Field, model_validator

from snapfind.core.errors import BadRequest
from snapfind.core.types import Box
from snapfind.server.endpoint import limits
from snapfind.server.middleware.auth import needs
from snapfind.server.schemas.bodies import decode_base64, read_json
from snapfind.server.schemas.forms import is_form, parse_form
from snapfind.server.schemas.products import BoxSchema, RegionSchema, RequestBody, picture_named, region_schema
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Service, Serving

__all__ = ["CompareBody", "ExplainBody", "PhotoBody", "router"]

router = APIRouter(prefix="/v1", tags=["photos"], dependencies=[needs("search")], responses=ERRORS)
Part = str | bytes


class PhotoBody(RequestBody):
    """A photo."""

    photo: str = Field(description="picture file, base64-encoded")


class Side(RequestBody):
    """A picture to compare: a photo, or the main picture of a product."""

    photo: str | None = Field(None, description="picture file, base64-encoded")
    product: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.photo is None) == (self.product is None):
            raise ValueError("give exactly one of photo, product")
        return self


class CompareBody(RequestBody):
    """Two pictures to compare."""

    a: Side
    b: Side


class ExplainBody(RequestBody):
    """A query photo, and a picture of a hit."""

    photo: str = Field(description="picture file, base64-encoded")
    product: str = Field(min_length=1, max_length=256)
    picture: str = Field(description="name of the picture within the product", min_length=1, max_length=256)
    box: BoxSchema | None = Field(None, description="region of the photo that was searched")


class RegionsReply(Reply):
    """Candidate objects in a photo, best first. Empty if there is no salient object."""

    regions: list[RegionSchema]


class CompareReply(Reply):
    """Probability 0..1 that both pictures show the same product."""

    score: float = Field(ge=0, le=1)


Heat = list[list[Annotated[float, Field(ge=0, le=1)]]]


class ExplainReply(Reply):
    """Heat maps of the matching regions: rows of values 0..1, over the searched region of the photo and the picture."""

    photo: Heat
    picture: Heat


def _request_body(body: str, fields: dict[str, Any]) -> dict[str, Any]:
    form = {"type": "object", "properties": fields}
    content = {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{body}"}},
        "multipart/form-data": {"schema": form},
    }
    return {"requestBody": {"required": True, "content": content}}


_FILE = {"type": "string", "format": "binary"}


@router.post("/regions", response_model=RegionsReply, openapi_extra=_request_body("PhotoBody", {"photo": _FILE}))
@limits(body="max_body", sheds_load=True, schema=PhotoBody)
async def regions(request: Request, service: Serving, trace: Now) -> RegionsReply:
    """Detect the objects in a photo.

    ```sh
    curl -F photo=@photo.jpg http://127.0.0.1:8000/v1/regions
    ```
    """
    if is_form(request):
        file = _file(dict(await parse_form(request, service.settings)), "photo")
    else:
        file = decode_base64((await read_json(request, PhotoBody)).photo, "photo")

    def find() -> RegionsReply:
        with trace.step("decode"):
            photo = service.photo(file)
        with trace.step("encode"):
            regions = service.shop.regions(photo)
        return reply(trace, RegionsReply, regions=[region_schema(region) for region in regions])

    return await service.reading.run(trace, find)


@router.post(
    "/compare", response_model=CompareReply, openapi_extra=_request_body("CompareBody", {"a": _FILE, "b": _FILE})
)
@limits(body="max_body", sheds_load=True, schema=CompareBody)
async def compare(request: Request, service: Serving, trace: Now) -> CompareReply:
    """Compare two pictures: do they show the same product? In JSON, a side can be a product id.

    ```sh
    curl -F a=@photo.jpg -F b=@other.jpg http://127.0.0.1:8000/v1/compare
    ```
    """
    if is_form(request):
        form = dict(await parse_form(request, service.settings))
        sides: list[bytes | str] = [_file(form, name) for name in ("a", "b")]
    else:
        body = await read_json(request, CompareBody)
        sides = [
            decode_base64(side.photo, name) if side.photo is not None else side.product or ""
            for name, side in (("a", body.a), ("b", body.b))
        ]

    def score() -> CompareReply:
        with trace.step("decode"):
            first, second = (_picture(side, service) for side in sides)
        with trace.step("encode"):
            probability = service.shop.compare(first, second)
        return reply(trace, CompareReply, score=round(min(max(probability, 0.0), 1.0), 4))

    return await service.reading.run(trace, score)


_EXPLAIN = {"photo": _FILE, **{name: {"type": "string"} for name in ("product", "picture", "box")}}


@router.post("/explain", response_model=ExplainReply, openapi_extra=_request_body("ExplainBody", _EXPLAIN))
@limits(body="max_body", sheds_load=True, schema=ExplainBody)
async def explain(request: Request, service: Serving, trace: Now) -> ExplainReply:
    """Get heat maps of the regions that match in a photo and in a product's picture.

    ```sh
    curl -F photo=@photo.jpg -F product=tea-1 -F picture=a.jpg http://127.0.0.1:8000/v1/explain
    ```
    """
    if is_form(request):
        form = dict(await parse_form(request, service.settings))
        file = _file(form, "photo")
        fields: dict[str, Any] = {name: value for name, value in form.items() if name != "photo"}
        if isinstance(fields.get("box"), str):
            fields["box"] = Box.parse(fields["box"]).as_tuple()
        body = ExplainBody.model_validate({"photo": "", **fields})
    else:
        body = await read_json(request, ExplainBody)
        file = decode_base64(body.photo, "photo")
    box = Box(*body.box) if body.box else None

    def heat() -> ExplainReply:
        with trace.step("decode"):
            photo = service.photo(file)
        with trace.step("encode"):
            picture = picture_named(service.shop.get(body.product), body.picture)
            heat_maps = service.shop.explain(photo, body.product, picture.name, box)
        return reply(trace, ExplainReply, photo=heat_maps.photo.tolist(), picture=heat_maps.picture.tolist())

    return await service.reading.run(trace, heat)


def _picture(side: bytes | str, service: Service) -> Image:
    if isinstance(side, bytes):
        return service.photo(side)
    product = service.shop.get(side)
    return service.photo(service.shop.picture(product.id, product.pictures[0].name))


def _file(form: dict[str, Part], name: str) -> bytes:
    file = form.get(name)
    if not isinstance(file, bytes):
        raise BadRequest(f"the form has no file {name!r}; with curl use -F {name}=@photo.jpg", field=name)
    return file
