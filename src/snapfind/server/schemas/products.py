"""API schemas of products, pictures, boxes and hits, and conversion from the library's value types."""

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, model_validator

from snapfind.core.errors import BadInput, NotFound
from snapfind.core.types import Attribute, Box, Hit, Picture, Product, Region, check_characters
from snapfind.index.payload import point_id

__all__ = [
    "BoxSchema",
    "HitSchema",
    "PictureSchema",
    "Plain",
    "ProductSchema",
    "RegionSchema",
    "RequestBody",
    "hit_schema",
    "picture_named",
    "product_schema",
    "region_schema",
    "served_name",
]

Side = Annotated[float, Field(ge=0, le=1)]
BoxSchema = Annotated[
    tuple[Side, Side, Side, Side],
    Field(description="x0, y0, x1, y1 in 0..1 of the upright picture", examples=[[0.1, 0.1, 0.9, 0.9]]),
]
Plain = bool | int | float | str | list[str]
_ABSOLUTE = re.compile(r"[/\\~]|[A-Za-z]:[/\\]|file:", re.IGNORECASE)
_FOLDERS = re.compile(r".*[/\\](?=.)", re.DOTALL)


class _InvalidText(BadInput, ValueError):
    """BadInput as a ValueError, so that pydantic reports its message."""


class RequestBody(BaseModel):
    """Base class of request bodies. Unknown fields are rejected, so that misspelled ones are noticed."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _check_texts(self) -> Self:
        """Reject lone surrogates, which Python's JSON parser accepts."""
        for name in self.model_fields_set:
            value = getattr(self, name)
            texts = [*value, *value.values()] if isinstance(value, dict) else [value]
            for text in texts:
                for one in text if isinstance(text, (list, tuple)) else [text]:
                    if isinstance(one, str):
                        check_characters(one, name, _InvalidText)
        return self


class PictureSchema(BaseModel):
    """A media item of a product: an image, or a segment of another media file.

    `url` is the address of the stored copy, a JPEG without metadata.
    """

    id: str = Field(examples=["8c7dd922-ad47-4fc1-9b1c-7f0b0d1f0a3e"])
    name: str
    width: int
    height: int
    url: str
    box: BoxSchema | None = None
    kind: str = Field("image", description="media type, such as `image` or `video`")
    ordinal: int = Field(0, description="position among the items of the file, from 0")
    start: float | None = Field(None, description="start of the segment in seconds; null for images")
    end: float | None = Field(None, description="end of the segment in seconds; null for images")


class ProductSchema(BaseModel):
    """A product. The main picture is first."""

    id: str
    title: str
    price: float | None
    brand: str
    category: str
    description: str
    attributes: dict[str, Plain] = Field(description="the shop's own columns; dates in ISO 8601")
    pictures: list[PictureSchema]


class RegionSchema(BaseModel):
    """A candidate object in a photo, and its saliency score."""

    box: BoxSchema
    score: float = Field(ge=0, le=1)


class HitSchema(BaseModel):
    """A product in the answer. `score` is the probability 0..1 that it is the product in the query."""

    product: ProductSchema
    picture: PictureSchema
    box: BoxSchema | None = None
    score: float = Field(ge=0, le=1)
    verdict: Literal["match", "similar", "none"]
    parts: dict[str, float] = Field(description="score of each signal; only with `explain`")


def served_name(name: str) -> str:
    """Remove local folders from the name of a picture. Older catalogs have absolute paths as names."""
    return _FOLDERS.sub("", name) if _ABSOLUTE.match(name) else name


def picture_named(product: Product, name: str) -> Picture:
    """Find the picture of a product by the name that the API uses.

    Raises:
        NotFound: The product has no such picture.
    """
    for name_of in (lambda one: one.name, lambda one: served_name(one.name)):
        for picture in product.pictures:
            if name_of(picture) == name:
                return picture
    raise NotFound(f"no picture {name[:80]!r} of product {product.id!r}")


def picture_schema(product: str, picture: Picture, root: str) -> PictureSchema:
    """Convert a picture. Its URL has the hash of the content, so that clients may cache it indefinitely."""
    point = point_id(product, picture.name, picture.ordinal)
    return PictureSchema.model_construct(
        id=point,
        name=served_name(picture.name),
        width=picture.width,
        height=picture.height,
        url=f"{root}/v1/pictures/{point}.jpg?v={quote(picture.hash[:12])}",
        box=_sides(picture.box),
        kind=picture.kind,
        ordinal=picture.ordinal,
        start=picture.start,
        end=picture.end,
    )


def product_schema(product: Product, root: str = "") -> ProductSchema:
    """Convert a product. `root` is the path prefix of URLs."""
    return ProductSchema.model_construct(
        id=product.id,
        title=product.title,
        price=product.price,
        brand=product.brand,
        category=product.category,
        description=product.description,
        attributes={name: _plain(value) for name, value in product.attributes.items()},
        pictures=[picture_schema(product.id, picture, root) for picture in product.pictures],
    )


def hit_schema(hit: Hit, *, explain: bool, root: str = "") -> HitSchema:
    """Convert a hit. `root` is the path prefix of URLs. Scores of signals only with `explain`."""
    return HitSchema.model_construct(
        product=product_schema(hit.product, root),
        picture=picture_schema(hit.product.id, hit.picture, root),
        box=_sides(hit.box),
        score=round(hit.score, 4),
        verdict=hit.verdict,
        parts={signal: round(float(value), 4) for signal, value in hit.parts.items()} if explain else {},
    )


def region_schema(region: Region) -> RegionSchema:
    """Convert a region."""
    return RegionSchema.model_construct(box=region.box.as_tuple(), score=round(region.score, 4))


def _sides(box: Box | None) -> Any:
    return None if box is None else box.as_tuple()


def _plain(value: Attribute) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value.isoformat() if hasattr(value, "isoformat") else value
