"""Routes for search and similar products."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Query as Parameter
from PIL.Image import Image
from pydantic import BaseModel, Field

from snapfind.catalog.models.trial import takes_part
from snapfind.core.errors import BadQuery
from snapfind.core.query import Query
from snapfind.core.types import Answer, Verdict
from snapfind.events.event import Event
from snapfind.search.candidates import DEPTH
from snapfind.server.endpoint import limits
from snapfind.server.middleware.auth import needs
from snapfind.server.runtime.trace import Trace
from snapfind.server.schemas.cursors import cursor_of, place_of
from snapfind.server.schemas.products import BoxSchema, HitSchema, RegionSchema, hit_schema, region_schema
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.schemas.search import ParsedSearch, QueryTermBody, SearchBody, form_schema, read_search
from snapfind.server.service import Now, Service, Serving

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["search"], dependencies=[needs("search")], responses=ERRORS)


class FacetCount(BaseModel):
    """A value of a field, and the number of products with it."""

    value: bool | int | float | str
    count: int


class CategorySchema(BaseModel):
    """A predicted category of the query, and its probability."""

    category: str
    probability: float


class GroupSchema(BaseModel):
    """The hits of one object in a photo."""

    region: RegionSchema
    hits: list[HitSchema]


class SearchReply(Reply):
    """The hits, best first. Events refer to the search by `request_id`."""

    verdict: Verdict = Field(description="verdict of the best hit; `none`: no confident match")
    hits: list[HitSchema]
    box: BoxSchema | None = Field(
        description="region of the photo that was searched; null: the whole photo, or no photo"
    )
    regions: list[RegionSchema] = Field(description="candidate objects in the photo, the searched one first")
    categories: list[CategorySchema] = Field(description="predicted categories, best first")
    groups: list[GroupSchema] = Field(description="hits of each object; only with `regions: all`")
    next: str | None = Field(description="cursor of the next page; null on the last page")
    facets: dict[str, list[FacetCount]] = Field(description="requested facets")
    space: str = Field(description="the model used")


_LOGGED = 50  # hits of an answer that the search event stores


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/SearchBody"}},
            "multipart/form-data": {"schema": form_schema()},
        },
    }
}


@router.post("/search", response_model=SearchReply, openapi_extra=_BODY)
@limits(body="max_body", sheds_load=True, schema=SearchBody)
async def search(request: Request, service: Serving, trace: Now) -> SearchReply:
    """Search by photos, texts, product ids, or a combination.

    ```sh
    curl -F photo=@photo.jpg -F 'filter=price < 50' http://127.0.0.1:8000/v1/search
    curl --json '{"text": "red tea", "limit": 5}' http://127.0.0.1:8000/v1/search
    ```
    """
    with trace.step("read"):
        parsed = await read_search(request, service.settings)
    return await service.reading.run(trace, lambda: _answer(service, trace, parsed))


@router.get("/similar", response_model=SearchReply)
@limits(sheds_load=True)
async def similar(
    service: Serving,
    trace: Now,
    product: Annotated[str, Parameter(max_length=256)],
    filter: Annotated[str | None, Parameter()] = None,
    limit: Annotated[int | None, Parameter(ge=1)] = None,
    cursor: Annotated[str | None, Parameter()] = None,
    session: Annotated[str | None, Parameter(max_length=200)] = None,
) -> SearchReply:
    """Find products similar to a product of the catalog.

    ```sh
    curl 'http://127.0.0.1:8000/v1/similar?product=tea-1&limit=5'
    ```
    """
    fields = {"filter": filter, "limit": limit, "cursor": cursor, "session": session}
    body = SearchBody(terms=[QueryTermBody(product=product)], **fields)
    parsed = ParsedSearch.model_construct(body=body, files=[])
    return await service.reading.run(trace, lambda: _answer(service, trace, parsed))


def _answer(service: Service, trace: Trace, parsed: ParsedSearch) -> SearchReply:
    body, catalog = parsed.body, service.shop
    limit, offset = _slice(service, parsed)
    with trace.step("decode"):
        photos = [service.photo(file, box) for file, box in zip(parsed.files, parsed.boxes)]
    query = parsed.query(service.settings, photos)
    trial, who = catalog.trial, body.session or parsed.digest
    if trial is not None and _is_single_photo(query) and takes_part(trial, who):
        answer, tried = catalog.search_interleaved(query, who + parsed.digest, limit=limit, offset=offset)
        if tried is not None:
            catalog.trial_log.note(replace(tried, search=trace.request_id))
    else:
        answer = catalog.search(query, limit=limit, offset=offset)
    if _is_single_photo(query):
        service.keep(trace.request_id, _crop_searched(photos[0], query, answer))
    trace.add(answer.timings)
    with trace.step("facets"):
        facets = {name: catalog.facets(name, filter=query.filter) for name in body.facets}
    hits = [hit for hit in answer if hit.score >= body.threshold]
    service.note(_event(service, trace, parsed, query, answer, offset))
    more = len(hits) == limit and offset + limit < _max_depth(service, parsed)
    return reply(
        trace,
        SearchReply,
        verdict=answer.verdict if hits else "none",
        hits=[hit_schema(hit, explain=body.explain, root=trace.root) for hit in hits],
        box=answer.box.as_tuple() if answer.box else None,
        regions=[region_schema(region) for region in answer.regions],
        categories=[CategorySchema(category=one.category, probability=one.probability) for one in answer.categories],
        groups=[
            GroupSchema(
                region=region_schema(group.region),
                hits=[hit_schema(hit, explain=body.explain, root=trace.root) for hit in group.hits],
            )
            for group in answer.groups
        ],
        next=cursor_of(offset + limit, parsed.digest) if more else None,
        facets={
            name: [FacetCount(value=value, count=count) for value, count in counted] for name, counted in facets.items()
        },
        space=answer.space,
    )


def _is_single_photo(query: Query) -> bool:
    """Tell whether the query is one photo and nothing else, so that its result depends on the image model only."""
    return len(query.terms) == 1 and query.terms[0].photo is not None and not query.marked and not query.category


def _crop_searched(photo: Image, query: Query, answer: Answer) -> Image:
    """Crop the photo to the region that was searched."""
    box = query.terms[0].box or answer.box
    return photo.crop(box.pixels(*photo.size)) if box else photo


def _event(service: Service, trace: Trace, parsed: ParsedSearch, query: Query, answer: Answer, offset: int) -> Event:
    terms = parsed.body.terms
    return Event(
        "search",
        search=trace.request_id,
        session=parsed.body.session or "",
        product=next((term.product for term in terms if term.product), ""),
        position=offset + 1,
        score=answer[0].score if answer else None,
        verdict=answer.verdict,
        box=answer.box,
        category=query.category or "",
        text=" | ".join(term.text for term in terms if term.text),
        filter=query.filter or "",
        photos=len(parsed.files),
        results=tuple(hit.product.id for hit in answer[:_LOGGED]),
        space=answer.space,
        version=service.version,
    )


def _slice(service: Service, parsed: ParsedSearch) -> tuple[int, int]:
    """Return limit and offset. Raise BadQuery beyond the maximum depth, BadRequest for an invalid cursor."""
    settings = service.settings
    limit = settings.whole("limit") if parsed.body.limit is None else parsed.body.limit
    offset = place_of(parsed.body.cursor, parsed.digest, int) if parsed.body.cursor else 0
    depth = _max_depth(service, parsed)
    if offset + limit > depth and not parsed.body.cursor:
        raise BadQuery(f"this search can be paged to {depth:,} products at most; use a filter", field="limit")
    return min(limit, depth - offset), offset


def _max_depth(service: Service, parsed: ParsedSearch) -> int:
    """Return the maximum paging depth. With text it is limited by the candidates that are fused."""
    most = service.settings.whole("max_depth")
    if not any(term.text for term in parsed.body.terms):
        return most
    return min(most, DEPTH - sum(term.product is not None for term in parsed.body.terms))
