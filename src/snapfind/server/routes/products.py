"""Products: list, get, put, change, delete. A write that was answered with 2xx is durable and visible."""

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field, field_validator, model_validator

from snapfind.catalog.ingest.report import AddReport
from snapfind.catalog.ingest.sources import Failure
from snapfind.core.errors import BadPicture, BadRequest, NotFound, TooLarge
from snapfind.core.types import Product
from snapfind.index.payload import RESERVED
from snapfind.media.fetch import fetch
from snapfind.server.middleware.auth import needs
from snapfind.server.schemas.bodies import decode_base64, read_json
from snapfind.server.schemas.cursors import cursor_of, place_of
from snapfind.server.schemas.forms import form_of, is_form
from snapfind.server.schemas.products import Given, Plain, ProductShape, product_shape
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Service, Serving

__all__ = ["router"]

router = APIRouter(prefix="/v1/products", tags=["products"], responses=ERRORS)

Id = Annotated[str, Path(min_length=1, max_length=256, description="the product's id; it may hold slashes")]
_Text = Annotated[str, Field(max_length=20_000)]


class PictureBody(Given):
    """A picture to add: its name within the product (a new content under an old name replaces it) and its file."""

    name: str = Field(min_length=1, max_length=256)
    content: str | None = Field(None, description="a picture file in base64")
    url: str | None = Field(None, max_length=2048, description="address of a picture; only where the shop allows it")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.content is None) == (self.url is None):
            raise ValueError("give exactly one of content, url")
        return self

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError("a name has printable characters only")
        return name


class ProductBody(Given):
    """A product. Without pictures it changes the fields of one that is there."""

    id: str = Field(min_length=1, max_length=256)
    title: _Text = ""
    price: float | None = Field(None, ge=0, allow_inf_nan=False)
    brand: _Text = ""
    category: _Text = ""
    description: _Text = ""
    attributes: dict[str, Plain | None] = Field(default_factory=dict, max_length=200)
    pictures: list[PictureBody] = Field(default_factory=list)


class ProductsBody(Given):
    """One or many products to put."""

    products: list[ProductBody] = Field(min_length=1)


class ChangeBody(Given):
    """Fields to set anew; what is left out stays, null empties."""

    title: _Text | None = None
    price: float | None = Field(None, ge=0, allow_inf_nan=False)
    brand: _Text | None = None
    category: _Text | None = None
    description: _Text | None = None
    attributes: dict[str, Plain | None] = Field(default_factory=dict, max_length=200)


class FailureShape(BaseModel):
    """What could not be stored, and why."""

    id: str
    code: str
    path: str
    reason: str


class PutReply(Reply):
    """Pictures by what became of them; a product that failed is listed, the others are stored."""

    added: int
    changed: int
    updated: int = Field(description="pictures whose product has new fields")
    unchanged: int
    failures: list[FailureShape]
    notes: list[str] = Field(default=[], description="cells that did not fit their attribute and were left out")


class ProductReply(Reply):
    """A product."""

    product: ProductShape


class ProductsReply(Reply):
    """A page of products, in a stable order."""

    products: list[ProductShape]
    next: str | None = Field(description="cursor of the next page, null at the end")


class GoneReply(Reply):
    """How many pictures were deleted."""

    deleted: int


@router.get("", response_model=ProductsReply, dependencies=[needs("search")])
async def list_products(
    service: Serving,
    trace: Now,
    filter: Annotated[str | None, Query(examples=["price < 50"])] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query()] = None,
) -> ProductsReply:
    """All products, or those that fit a filter.

    ```sh
    curl 'http://127.0.0.1:8000/v1/products?filter=brand%20=%20%27Acme%27&limit=20'
    ```
    """
    after = place_of(cursor, filter or "", str) if cursor else None

    def page() -> ProductsReply:
        products, then = service.shop.page(filter=filter or None, after=after, limit=limit)
        shown = [product_shape(product, trace.root) for product in products]
        return reply(trace, ProductsReply, products=shown, next=cursor_of(then, filter or "") if then else None)

    return await service.reading.run(trace, page)


@router.post(
    "",
    response_model=PutReply,
    dependencies=[needs("write")],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/ProductsBody"}},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["product"],
                        "properties": {
                            "product": {"type": "string", "description": "the product as JSON, without pictures"},
                            "picture": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        },
                    }
                },
            },
        }
    },
)
async def put_products(request: Request, service: Serving, trace: Now) -> PutReply:
    """Put one or many products: new ones are added, known ones brought up to date; pictures that are there stay.

    ```sh
    curl -F 'product={"id": "tea-1", "title": "Red tea", "price": 4.5}' -F picture=@a.jpg http://127.0.0.1:8000/v1/products
    curl --json '{"products": [{"id": "tea-1", "price": 4}]}' http://127.0.0.1:8000/v1/products
    ```
    """
    with trace.step("read"):
        given = await _read(request, service)

    def put() -> AddReport:
        with trace.step("fetch"):
            fetched, failures = _fetched(given, service)
        report = service.catalogue.put(fetched)
        report.failures += failures
        return report

    report = await service.writing.run(trace, put)
    return reply(trace, PutReply, **_counts(report))


@router.get("/{product:path}", response_model=ProductReply, dependencies=[needs("search")])
async def get_product(product: Id, service: Serving, trace: Now) -> ProductReply:
    """One product with all its pictures.

    ```sh
    curl http://127.0.0.1:8000/v1/products/tea-1
    ```
    """
    found = await service.reading.run(trace, lambda: service.shop.get(product))
    return reply(trace, ProductReply, product=product_shape(found, trace.root))


@router.patch("/{product:path}", response_model=ProductReply, dependencies=[needs("write")])
async def change_product(product: Id, body: ChangeBody, service: Serving, trace: Now) -> ProductReply:
    """Set some fields anew, without a picture.

    ```sh
    curl -X PATCH --json '{"price": 3.9, "attributes": {"stock": 0}}' http://127.0.0.1:8000/v1/products/tea-1
    ```
    """
    if taken := RESERVED & body.attributes.keys():
        raise BadRequest(f"{min(taken)!r} is a field of every product; give it beside `attributes`", field="attributes")
    changes: dict[str, Any] = {
        name: getattr(body, name) for name in body.model_fields_set if name != "attributes"
    } | body.attributes
    found = await service.writing.run(trace, lambda: service.catalogue.update(product, changes))
    return reply(trace, ProductReply, product=product_shape(found, trace.root))


@router.delete("", response_model=GoneReply, dependencies=[needs("write")])
async def delete_products(
    service: Serving, trace: Now, filter: Annotated[str, Query(min_length=1, examples=["stock = 0"])]
) -> GoneReply:
    """Delete every product that fits a filter, with all its pictures.

    ```sh
    curl -X DELETE 'http://127.0.0.1:8000/v1/products?filter=stock%20=%200'
    ```
    """
    gone = await service.writing.run(trace, lambda: service.catalogue.delete(filter=filter))
    return reply(trace, GoneReply, deleted=gone)


@router.delete("/{product:path}", response_model=GoneReply, dependencies=[needs("write")])
async def delete_product(product: Id, service: Serving, trace: Now) -> GoneReply:
    """Delete a product with all its pictures.

    ```sh
    curl -X DELETE http://127.0.0.1:8000/v1/products/tea-1
    ```
    """
    gone = await service.writing.run(trace, lambda: service.catalogue.delete([product]))
    if not gone:
        raise NotFound(f"no product {product!r} in this catalogue")
    return reply(trace, GoneReply, deleted=gone)


async def _read(request: Request, service: Service) -> list[tuple[Product, dict[str, bytes | str]]]:
    if is_form(request):
        return [await _from_form(request, service)]
    body = await read_json(request, ProductsBody)
    most = service.settings.whole("max_products")
    if len(body.products) > most:
        raise TooLarge(f"{len(body.products)} products in one write; the most is {most}", field="products")
    return [_given(product, service) for product in body.products]


def _given(body: ProductBody, service: Service) -> tuple[Product, dict[str, bytes | str]]:
    _few(len(body.pictures), service)
    pictures: dict[str, bytes | str] = {
        picture.name: picture.url if picture.url is not None else decode_base64(picture.content or "", picture.name)
        for picture in body.pictures
    }
    return _product(body), pictures


def _fetched(
    given: Sequence[tuple[Product, Mapping[str, bytes | str]]], service: Service
) -> tuple[list[tuple[Product, dict[str, bytes]]], list[Failure]]:
    """The same with the bytes of pictures that were given by address, within the time of the request."""
    end, failures, fetched = time.monotonic() + service.settings.number("timeout") / 2, [], []
    for product, pictures in given:
        files: dict[str, bytes] = {}
        for name, file in pictures.items():
            try:
                if isinstance(file, str) and time.monotonic() > end:
                    raise BadPicture("there was no time left to fetch it; send fewer at once", code="picture_url")
                files[name] = fetch(file, service.fetching) if isinstance(file, str) else file
            except BadPicture as error:
                failures.append(Failure(product.id, error.code, name, error.message))
        if files or not pictures:
            fetched.append((product, files))
    return fetched, failures


async def _from_form(request: Request, service: Service) -> tuple[Product, dict[str, bytes | str]]:
    form = await form_of(request, service.settings)
    told = [value for name, value in form if name == "product" and isinstance(value, str)]
    if len(told) != 1:
        raise BadRequest("the form needs one field `product` with the product as JSON", field="product")
    body = ProductBody.model_validate_json(told[0])
    if body.pictures:
        raise BadRequest("in a form pictures come as files in the field `picture`", field="product")
    files = [value for name, value in form if name == "picture" and isinstance(value, bytes)]
    _few(len(files), service)
    # a client's file names say too much (IMG_20261124_080512.jpg): pictures are counted instead
    return _product(body), {f"picture-{number}": file for number, file in enumerate(files, 1)}


def _few(count: int, service: Service) -> None:
    most = service.settings.whole("max_pictures")
    if count > most:
        raise TooLarge(f"{count} pictures of one product; the most is {most}", field="pictures")


def _product(body: ProductBody) -> Product:
    attributes: Any = {name: value for name, value in body.attributes.items() if value is not None}
    return Product(body.id, body.title, body.price, body.brand, body.category, body.description, attributes)


def _counts(report: AddReport) -> dict[str, Any]:
    failures = [
        FailureShape(id=failure.id, code=failure.code, path=failure.path, reason=failure.reason)
        for failure in report.failures
    ]
    return {name: getattr(report, name) for name in ("added", "changed", "updated", "unchanged")} | {
        "failures": failures,
        "notes": report.notes,
    }
