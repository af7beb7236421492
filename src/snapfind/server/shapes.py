"""The values of the library as the API shows them: products, pictures, boxes, hits."""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from snapfind.index.payload import point_id
from snapfind.types import Attribute, Box, Hit, Picture, Product, Region

__all__ = [
    "BoxShape",
    "Given",
    "HitShape",
    "PictureShape",
    "Plain",
    "ProductShape",
    "RegionShape",
    "hit_shape",
    "product_shape",
    "region_shape",
]

Side = Annotated[float, Field(ge=0, le=1)]
BoxShape = Annotated[
    tuple[Side, Side, Side, Side],
    Field(description="x0, y0, x1, y1 in 0..1 of the displayed picture", examples=[[0.1, 0.1, 0.9, 0.9]]),
]
Plain = bool | int | float | str | list[str]


class Given(BaseModel):
    """A body of a request: what is not known is refused, so that a misspelt field is not lost in silence."""

    model_config = ConfigDict(extra="forbid")


class PictureShape(BaseModel):
    """One image of a product. `url` is that of the kept copy: a JPEG without metadata."""

    id: str = Field(examples=["8c7dd922-ad47-4fc1-9b1c-7f0b0d1f0a3e"])
    name: str
    width: int
    height: int
    url: str
    box: BoxShape | None = None


class ProductShape(BaseModel):
    """What the shop sells; its main picture comes first."""

    id: str
    title: str
    price: float | None
    brand: str
    category: str
    description: str
    attributes: dict[str, Plain] = Field(description="the shop's own columns; dates as ISO texts")
    pictures: list[PictureShape]


class RegionShape(BaseModel):
    """A candidate object in a photo and how much it stands out."""

    box: BoxShape
    score: float = Field(ge=0, le=1)


class HitShape(BaseModel):
    """A product that answers. `score` is the probability 0..1 that it is the one asked for."""

    product: ProductShape
    picture: PictureShape
    box: BoxShape | None = None
    score: float = Field(ge=0, le=1)
    verdict: Literal["match", "similar", "none"]
    parts: dict[str, float] = Field(description="raw signals; only with `explain`")


def picture_shape(product: str, picture: Picture) -> PictureShape:
    """A picture with the address of its kept copy; the address changes with the picture, so it may be kept for good."""
    point = point_id(product, picture.name)
    return PictureShape.model_construct(
        id=point,
        name=picture.name,
        width=picture.width,
        height=picture.height,
        url=f"/v1/pictures/{point}.jpg?v={quote(picture.hash[:12])}",
        box=_sides(picture.box),
    )


def product_shape(product: Product) -> ProductShape:
    """A product as JSON shows it."""
    return ProductShape.model_construct(
        id=product.id,
        title=product.title,
        price=product.price,
        brand=product.brand,
        category=product.category,
        description=product.description,
        attributes={name: _plain(value) for name, value in product.attributes.items()},
        pictures=[picture_shape(product.id, picture) for picture in product.pictures],
    )


def hit_shape(hit: Hit, *, explain: bool) -> HitShape:
    """A hit as JSON shows it."""
    return HitShape.model_construct(
        product=product_shape(hit.product),
        picture=picture_shape(hit.product.id, hit.picture),
        box=_sides(hit.box),
        score=round(hit.score, 4),
        verdict=hit.verdict,
        parts={signal: round(float(value), 4) for signal, value in hit.parts.items()} if explain else {},
    )


def region_shape(region: Region) -> RegionShape:
    """A region as JSON shows it."""
    return RegionShape.model_construct(box=region.box.as_tuple(), score=round(region.score, 4))


def _sides(box: Box | None) -> Any:
    return None if box is None else box.as_tuple()


def _plain(value: Attribute) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value.isoformat() if hasattr(value, "isoformat") else value
