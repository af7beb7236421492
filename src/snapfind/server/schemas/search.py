"""The body of a search as a Query: JSON with photos in base64, or a form with photos as files."""

import hashlib
from typing import Annotated, Any

from pydantic import BaseModel, Field, model_validator
from starlette.requests import Request

from snapfind.core.config import Settings
from snapfind.core.errors import BadQuery, BadRequest, TooLarge
from snapfind.core.types import Box, Like, Order, Query, Regions
from snapfind.server.schemas.bodies import decode_base64, read_json
from snapfind.server.schemas.forms import form_of, is_form
from snapfind.server.schemas.products import BoxShape, Given

__all__ = ["LikeBody", "SearchBody", "read_search"]


_Id = Annotated[str, Field(min_length=1, max_length=256)]


class LikeBody(Given):
    """One ingredient: exactly one of a photo, a text or a product id; a weight below 0 means less like this."""

    photo: str | None = Field(None, description="a picture file in base64")
    url: str | None = Field(None, max_length=2048, description="address of a picture; only where the shop allows it")
    text: str | None = None
    product: str | None = None
    weight: float = Field(1.0, ge=-100, le=100)
    box: BoxShape | None = Field(None, description="limits the photo to a region")

    @model_validator(mode="after")
    def _one(self) -> "LikeBody":
        if sum(part is not None for part in (self.photo, self.url, self.text, self.product)) != 1:
            raise ValueError("give exactly one of photo, url, text, product")
        return self

    @property
    def seen(self) -> bool:
        """Whether it is a photo."""
        return self.photo is not None or self.url is not None


class SearchBody(Given):
    """What to look for, among what, and how much of the answer to give."""

    likes: list[LikeBody] = Field(default_factory=list, description="photos, texts and products, any mix")
    photo: str | None = Field(None, description="short for one like: a picture file in base64")
    text: str | None = Field(None, description="short for one like")
    product: str | None = Field(None, description="short for one like: a product id")
    box: BoxShape | None = Field(None, description="region of the only photo")
    regions: Regions = Field("subject", description="what of a photo without a box is searched; `all`: each object")
    category: str | None = Field(None, max_length=256, description="its products come first, the others stay")
    right: list[_Id] = Field(
        default_factory=list, max_length=50, description="products marked right in an answer before"
    )
    wrong: list[_Id] = Field(
        default_factory=list, max_length=50, description="products marked wrong in an answer before"
    )
    order: Order = Field("clicks", description="whether a click ranker, where the shop has one, orders the answer")
    recent: list[_Id] = Field(
        default_factory=list, max_length=50, description="products that the shopper opened before, for the ranker"
    )
    filter: str | None = Field(None, examples=["price < 50 and brand = 'Acme'"])
    limit: int | None = Field(None, ge=1)
    cursor: str | None = Field(None, description="`next` of the page before; send the same query again with it")
    threshold: float = Field(0.0, ge=0, le=1, description="leave out hits below this score")
    facets: list[str] = Field(
        default_factory=list, max_length=16, description="fields to count among what the filter lets through"
    )
    explain: bool = Field(False, description="with the raw signals of each hit")
    session: str | None = Field(
        None, max_length=200, description="whose search it is, for the events; kept as a keyed hash"
    )


_PHOTOS: Any = {"__all__": {"photo"}}


class Asked(BaseModel):
    """A search that was read: the body and the files of its photos, in the order of the photo likes."""

    body: SearchBody
    files: list[bytes | str]  # the bytes of a file, or its address

    def query(self, settings: Settings, photos: list[Any]) -> Query:
        """The Query, with what `photos` were decoded to. Raises BadQuery, TooLarge."""
        body, waiting = self.body, iter(photos)
        likes = [
            Like(
                photo=next(waiting) if like.seen else None,
                text=like.text,
                product=like.product,
                weight=like.weight,
                box=Box(*like.box) if like.box else None,
            )
            for like in body.likes
        ]
        most = settings.whole("max_likes")
        if len(likes) > most:
            raise TooLarge(f"{len(likes)} likes in one search; the most is {most}", field="likes")
        marked = [*(Like(product=one) for one in body.right), *(Like(product=one, weight=-1) for one in body.wrong)]
        return Query(
            tuple(likes),
            body.filter or None,
            body.regions,
            body.category or None,
            tuple(marked),
            body.order,
            tuple(body.recent),
        )

    @property
    def boxes(self) -> list[Box | None]:
        """The box of each photo, or None."""
        return [Box(*like.box) if like.box else None for like in self.body.likes if like.seen]

    @property
    def digest(self) -> str:
        """The same for the same query, whatever page of it is asked for."""
        told = self.body.model_dump_json(exclude={"cursor": True, "limit": True, "session": True, "likes": _PHOTOS})
        found = hashlib.sha256(told.encode())
        for file in self.files:
            found.update(hashlib.sha256(file if isinstance(file, bytes) else file.encode()).digest())
        return found.hexdigest()[:16]


async def read_search(request: Request, settings: Settings) -> Asked:
    """The search in a request's body. Raises BadRequest, BadPicture, BadQuery, TooLarge, pydantic's ValidationError."""
    if is_form(request):
        return _from_form(await form_of(request, settings))
    body = await read_json(request, SearchBody, empty=b"{}")
    body = _spelt_out(body)
    files = [
        like.url if like.url is not None else decode_base64(like.photo or "", "photo")
        for like in body.likes
        if like.seen
    ]
    return Asked.model_construct(body=body, files=files)


def _from_form(form: list[tuple[str, str | bytes]]) -> Asked:
    fields: dict[str, Any] = {}
    likes: list[dict[str, Any]] = []
    files: list[bytes | str] = []
    for name, value in form:
        if isinstance(value, bytes):
            if name != "photo":
                raise BadRequest(f"{name[:60]!r} is a file; only `photo` may be one", field=name[:60])
            files.append(value)
            likes.append({"photo": ""})
        elif name in {"text", "product"}:
            likes.append({name: value})
        elif name in {"facets", "right", "wrong", "recent"}:
            fields.setdefault(name, []).append(value)
        elif name == "box":
            fields[name] = Box.parse(value).as_tuple()
        elif name == "photo":
            raise BadRequest("photo must be a file; in curl write -F photo=@photo.jpg", field="photo")
        else:
            fields[name] = value
    body = SearchBody.model_validate({**fields, "likes": likes})
    return Asked.model_construct(body=_spelt_out(body), files=files)


def _spelt_out(body: SearchBody) -> SearchBody:
    """The short forms as likes, and the box on the only photo."""
    given = {name: value for name in ("photo", "text", "product") if (value := getattr(body, name)) is not None}
    # a page may send every field of its form; alone an empty one is said to be empty
    short = {name: value for name, value in given.items() if value} or ({} if body.likes else given)
    likes = [*body.likes, *(LikeBody(**{name: value}) for name, value in short.items())]
    if not likes:
        raise BadQuery("the query is empty: give a photo, a text or a product", field="likes")
    if body.box is not None:
        photos = [like for like in likes if like.seen]
        if len(photos) != 1:
            raise BadQuery("`box` needs exactly one photo; in `likes` each photo may have its own", field="box")
        likes = [like.model_copy(update={"box": body.box}) if like is photos[0] else like for like in likes]
    return body.model_copy(update={"likes": likes, "photo": None, "text": None, "product": None, "box": None})
