"""Parse search requests: JSON with base64-encoded photos, or a form with photos as files."""

import hashlib
from typing import Annotated, Any, get_origin

from pydantic import BaseModel, Field, create_model, model_validator
from starlette.requests import Request

from snapfind.core.config import Settings
from snapfind.core.errors import BadQuery, BadRequest, TooLarge
from snapfind.core.query import OPTIONS, Option, Query, QueryTerm
from snapfind.core.types import Box
from snapfind.server.schemas.bodies import decode_base64, read_json
from snapfind.server.schemas.forms import is_form, parse_form
from snapfind.server.schemas.products import BoxSchema, RequestBody

__all__ = ["ParsedSearch", "QueryTermBody", "SearchBody", "form_schema", "read_search"]


_Id = Annotated[str, Field(min_length=1, max_length=256)]


class QueryTermBody(RequestBody):
    """A query term: exactly one of photo, url, text, product. A weight below 0 means less like this."""

    photo: str | None = Field(None, description="picture file, base64-encoded")
    url: str | None = Field(None, max_length=2048, description="URL of a picture, if the setting `fetch` allows it")
    text: str | None = None
    product: str | None = None
    weight: float = Field(1.0, ge=-100, le=100)
    box: BoxSchema | None = Field(None, description="region of the photo to search")

    @model_validator(mode="after")
    def _one(self) -> "QueryTermBody":
        if sum(part is not None for part in (self.photo, self.url, self.text, self.product)) != 1:
            raise ValueError("give exactly one of photo, url, text, product")
        return self

    @property
    def is_photo(self) -> bool:
        """Tell whether the term is a photo."""
        return self.photo is not None or self.url is not None


class _SearchBody(RequestBody):
    terms: list[QueryTermBody] = Field(default_factory=list, description="query terms: photos, texts and products")
    photo: str | None = Field(None, description="shorthand for one query term: picture file, base64-encoded")
    text: str | None = Field(None, description="shorthand for one query term")
    product: str | None = Field(None, description="shorthand for one query term: product id")
    box: BoxSchema | None = Field(None, description="region of the photo, if there is exactly one")
    right: list[_Id] = Field(
        default_factory=list,
        max_length=50,
        description="relevance feedback: products marked relevant in an earlier answer",
    )
    wrong: list[_Id] = Field(
        default_factory=list,
        max_length=50,
        description="relevance feedback: products marked not relevant in an earlier answer",
    )
    limit: int | None = Field(None, ge=1)
    cursor: str | None = Field(None, description="`next` of the previous page; the query must be the same")
    threshold: float = Field(0.0, ge=0, le=1, description="minimum score of hits")
    facets: list[str] = Field(
        default_factory=list, max_length=16, description="fields to count values of, within the filter"
    )
    explain: bool = Field(False, description="include the score of each signal")
    session: str | None = Field(
        None, max_length=200, description="session id for the event log; stored as a keyed hash"
    )

    def options(self) -> dict[str, Any]:
        """Return the options of the query by name."""
        return {name: getattr(self, name) for name in OPTIONS}


def _field_of(option: Option) -> Any:
    """Describe an option of `Query` for pydantic."""
    described: dict[str, Any] = {"description": option.help, "max_length": option.max_length}
    if option.is_list:
        return list[_Id], Field(default_factory=list, **described)
    return option.type, Field(option.default, examples=[option.example] if option.example else None, **described)


SearchBody: type[_SearchBody] = create_model(
    "SearchBody",
    __base__=_SearchBody,
    __doc__="A search: query terms, filter, options and paging.",
    **{name: _field_of(option) for name, option in OPTIONS.items()},
)
_LISTS = {name for name, field in SearchBody.model_fields.items() if get_origin(field.annotation) is list}
_FORM_ONLY: dict[str, Any] = {  # fields that a form writes in another way
    "photo": {"type": "array", "items": {"type": "string", "format": "binary"}, "description": "picture files"},
    "text": {"type": "array", "items": {"type": "string"}},
    "product": {"type": "array", "items": {"type": "string"}},
    "box": {"type": "string", "description": "x0,y0,x1,y1 in 0..1 of the upright picture"},
}


def form_schema() -> dict[str, Any]:
    """Return the JSON schema of a search as a form."""
    properties = SearchBody.model_json_schema()["properties"]
    plain = {name: schema for name, schema in properties.items() if name != "terms"}
    return {"type": "object", "properties": plain | _FORM_ONLY}


_PHOTOS: Any = {"__all__": {"photo"}}


class ParsedSearch(BaseModel):
    """A parsed search request: the body, and the files of its photos in the order of the photo terms."""

    body: _SearchBody
    files: list[bytes | str]  # bytes of a file, or its URL

    def query(self, settings: Settings, photos: list[Any]) -> Query:
        """Build the Query.

        Args:
            settings: `max_terms` limits the number of terms.
            photos: Decoded photos, in the order of the photo terms.

        Raises:
            BadQuery: The query is empty or contradictory.
            TooLarge: The query has too many terms.
        """
        body, remaining = self.body, iter(photos)
        terms = [
            QueryTerm(
                photo=next(remaining) if term.is_photo else None,
                text=term.text,
                product=term.product,
                weight=term.weight,
                box=Box(*term.box) if term.box else None,
            )
            for term in body.terms
        ]
        most = settings.whole("max_terms")
        if len(terms) > most:
            raise TooLarge(f"{len(terms)} query terms in one search; the maximum is {most}", field="terms")
        marked = [
            *(QueryTerm(product=one) for one in body.right),
            *(QueryTerm(product=one, weight=-1) for one in body.wrong),
        ]
        return Query(tuple(terms)).with_options(body.options(), marked)

    @property
    def boxes(self) -> list[Box | None]:
        """Box of each photo, or None."""
        return [Box(*term.box) if term.box else None for term in self.body.terms if term.is_photo]

    @property
    def digest(self) -> str:
        """Hash of the query without paging, to validate cursors."""
        query = self.body.model_dump_json(exclude={"cursor": True, "limit": True, "session": True, "terms": _PHOTOS})
        digest = hashlib.sha256(query.encode())
        for file in self.files:
            digest.update(hashlib.sha256(file if isinstance(file, bytes) else file.encode()).digest())
        return digest.hexdigest()[:16]


async def read_search(request: Request, settings: Settings) -> ParsedSearch:
    """Parse the body of a search request.

    Raises:
        BadRequest: The body is neither valid JSON nor a valid form.
        BadPicture: A photo is not valid base64.
        BadQuery: The query is empty or contradictory.
        TooLarge: The body is too large.
        ValidationError: A field is invalid (pydantic).
    """
    if is_form(request):
        return _from_form(await parse_form(request, settings))
    body = _expand(await read_json(request, SearchBody, empty=b"{}"))
    files = [
        term.url if term.url is not None else decode_base64(term.photo or "", "photo")
        for term in body.terms
        if term.is_photo
    ]
    return ParsedSearch.model_construct(body=body, files=files)


def _from_form(form: list[tuple[str, str | bytes]]) -> ParsedSearch:
    fields: dict[str, Any] = {}
    terms: list[dict[str, Any]] = []
    files: list[bytes | str] = []
    for name, value in form:
        if isinstance(value, bytes):
            if name != "photo":
                raise BadRequest(f"{name[:60]!r} is a file; only `photo` may be one", field=name[:60])
            files.append(value)
            terms.append({"photo": ""})
        elif name in {"text", "product"}:
            terms.append({name: value})
        elif name in _LISTS - {"terms"}:
            fields.setdefault(name, []).append(value)
        elif name == "box":
            fields[name] = Box.parse(value).as_tuple()
        elif name == "photo":
            raise BadRequest("photo must be a file; with curl use -F photo=@photo.jpg", field="photo")
        else:
            fields[name] = value
    body = SearchBody.model_validate({**fields, "terms": terms})
    return ParsedSearch.model_construct(body=_expand(body), files=files)


def _expand(body: _SearchBody) -> _SearchBody:
    """Convert shorthand fields to query terms, and assign the box to the only photo."""
    shorthand = {name: value for name in ("photo", "text", "product") if (value := getattr(body, name)) is not None}
    # forms send empty fields too: ignore them, unless the query has nothing else
    short = {name: value for name, value in shorthand.items() if value} or ({} if body.terms else shorthand)
    terms = [*body.terms, *(QueryTermBody(**{name: value}) for name, value in short.items())]
    if not terms:
        raise BadQuery("the query is empty; give a photo, a text or a product", field="terms")
    if body.box is not None:
        photos = [term for term in terms if term.is_photo]
        if len(photos) != 1:
            raise BadQuery("`box` needs exactly one photo; in `terms` each photo may have its own", field="box")
        terms = [term.model_copy(update={"box": body.box}) if term is photos[0] else term for term in terms]
    return body.model_copy(update={"terms": terms, "photo": None, "text": None, "product": None, "box": None})
