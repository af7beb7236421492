"""Routes for products: list, get, upsert, update, delete. A write answered with 2xx is durable and visible."""

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
from snapfind.media.fetch import fetch_url
from snapfind.server.endpoint import limits
from snapfind.server.middleware.auth import needs
from snapfind.server.schemas.bodies import decode_base64, read_json
from snapfind.server.schemas.cursors import cursor_of, place_of
from snapfind.server.schemas.forms import is_form, parse_form
from snapfind.server.schemas.products import Plain, ProductSchema, RequestBody, product_schema
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Service, Serving

__all__ = ["router"]

router = APIRouter(prefix="/v1/products", tags=["products"], responses=ERRORS)

Id = Annotated[str, Path(min_length=1, max_length=256, description="product id; may contain slashes")]
_Text = Annotated[str, Field(max_length=20_000)]


class PictureBody(RequestBody):
    """A picture to add. A picture with the same name in the product is replaced."""

    name: str = Field(min_length=1, max_length=256)
    content: str | None = Field(None, description="picture file, base64-encoded")
    url: str | None = Field(None, max_length=2048, description="URL of a picture, if the setting `fetch` allows it")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.content is None) == (self.url is None):
            raise ValueError("give exactly one of content, url")
        return self

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError("a name must have printable characters only")
        return name


class ProductBody(RequestBody):
    """A product. Without pictures, it updates the fields of an existing product."""

    id: str = Field(min_length=1, max_length=256)
    title: _Text = ""
    price: float | None = Field(None, ge=0, allow_inf_nan=False)
    brand: _Text = ""
    category: _Text = ""
    description: _Text = ""
    attributes: dict[str, Plain | None] = Field(default_factory=dict, max_length=200)
    pictures: list[PictureBody] = Field(default_factory=list)


class ProductsBody(RequestBody):
    """Products to add or update."""

    products: list[ProductBody] = Field(min_length=1)


class ChangeBody(RequestBody):
    """Fields to update. Omitted fields stay unchanged, null clears a field."""

    title: _Text | None = None
    price: float | None = Field(None, ge=0, allow_inf_nan=False)
    brand: _Text | None = None
    category: _Text | None = None
    description: _Text | None = None
    attributes: dict[str, Plain | None] = Field(default_factory=dict, max_length=200)


class FailureSchema(BaseModel):
    """A product or picture that was not stored, and the reason."""

    id: str
    code: str
    path: str
    reason: str


class PutReply(Reply):
    """Counts of pictures by result. Failed products are listed, the others are stored."""

    added: int
    changed: int
    updated: int = Field(description="pictures of products with updated fields")
    unchanged: int
    failures: list[FailureSchema]
    notes: list[str] = Field(
        default=[], description="values that did not match the type of their attribute and were ignored"
    )


class ProductReply(Reply):
    """A product."""

    product: ProductSchema


class ProductsReply(Reply):
    """A page of products, in a stable order."""

    products: list[ProductSchema]
    next: str | None = Field(description="cursor of the next page; null on the last page")


class GoneReply(Reply):
    """Number of deleted pictures."""

    deleted: int


@router.get("", response_model=ProductsReply, dependencies=[needs("search")])
async def list_products(
    service: Serving,
    trace: Now,
    filter: Annotated[str | None, Query(examples=["price < 50"])] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query()] = None,
) -> ProductsReply:
    """List products, optionally those that match a filter.

    ```sh
    curl 'http://127.0.0.1:8000/v1/products?filter=brand%20=%20%27Acme%27&limit=20'
    ```
    """
    after = place_of(cursor, filter or "", str) if cursor else None

    def page() -> ProductsReply:
        products, last = service.shop.page(filter=filter or None, after=after, limit=limit)
        shapes = [product_schema(product, trace.root) for product in products]
        return reply(trace, ProductsReply, products=shapes, next=cursor_of(last, filter or "") if last else None)

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
                            "product": {"type": "string", "description": "product as JSON, without pictures"},
                            "picture": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        },
                    }
                },
            },
        }
    },
)
@limits(body="max_body", schema=ProductsBody)
async def put_products(request: Request, service: Serving, trace: Now) -> PutReply:
    """Add or update products. Existing pictures are kept.

    ```sh
    curl -F 'product={"id": "tea-1", "title": "Red tea", "price": 4.5}' -F picture=@a.jpg http://127.0.0.1:8000/v1/products
    curl --json '{"products": [{"id": "tea-1", "price": 4}]}' http://127.0.0.1:8000/v1/products
    ```
    """
    with trace.step("read"):
        items = await _read(request, service)

    def put() -> AddReport:
        with trace.step("fetch"):
            fetched, failures = _fetch_pictures(items, service)
        report = service.catalog.put(fetched)
        report.failures += failures
        return report

    report = await service.writing.run(trace, put)
    return reply(trace, PutReply, **_counts(report))


@router.get("/{product:path}", response_model=ProductReply, dependencies=[needs("search")])
async def get_product(product: Id, service: Serving, trace: Now) -> ProductReply:
    """Get a product with all its pictures.

    ```sh
    curl http://127.0.0.1:8000/v1/products/tea-1
    ```
    """
    result = await service.reading.run(trace, lambda: service.shop.get(product))
    return reply(trace, ProductReply, product=product_schema(result, trace.root))


@router.patch("/{product:path}", response_model=ProductReply, dependencies=[needs("write")])
async def change_product(product: Id, body: ChangeBody, service: Serving, trace: Now) -> ProductReply:
    """Update some fields of a product.

    ```sh
    curl -X PATCH --json '{"price": 3.9, "attributes": {"stock": 0}}' http://127.0.0.1:8000/v1/products/tea-1
    ```
    """
    if reserved := RESERVED & body.attributes.keys():
        raise BadRequest(
            f"{min(reserved)!r} is a built-in field; put it beside `attributes`, not inside", field="attributes"
        )
    changes: dict[str, Any] = {
        name: getattr(body, name) for name in body.model_fields_set if name != "attributes"
    } | body.attributes
    result = await service.writing.run(trace, lambda: service.catalog.update(product, changes))
    return reply(trace, ProductReply, product=product_schema(result, trace.root))


@router.delete("", response_model=GoneReply, dependencies=[needs("write")])
async def delete_products(
    service: Serving, trace: Now, filter: Annotated[str, Query(min_length=1, examples=["stock = 0"])]
) -> GoneReply:
    """Delete all products that match a filter, with all their pictures.

    ```sh
    curl -X DELETE 'http://127.0.0.1:8000/v1/products?filter=stock%20=%200'
    ```
    """
    deleted = await service.writing.run(trace, lambda: service.catalog.delete(filter=filter))
    return reply(trace, GoneReply, deleted=deleted)


@router.delete("/{product:path}", response_model=GoneReply, dependencies=[needs("write")])
async def delete_product(product: Id, service: Serving, trace: Now) -> GoneReply:
    """Delete a product with all its pictures.

    ```sh
    curl -X DELETE http://127.0.0.1:8000/v1/products/tea-1
    ```
    """
    deleted = await service.writing.run(trace, lambda: service.catalog.delete([product]))
    if not deleted:
        raise NotFound(f"no product {product!r} in this catalog")
    return reply(trace, GoneReply, deleted=deleted)


async def _read(request: Request, service: Service) -> list[tuple[Product, dict[str, bytes | str]]]:
    if is_form(request):
        return [await _from_form(request, service)]
    body = await read_json(request, ProductsBody)
    most = service.settings.whole("max_products")
    if len(body.products) > most:
        raise TooLarge(f"{len(body.products)} products in one request; the maximum is {most}", field="products")
    return [_parse_product(product, service) for product in body.products]


def _parse_product(body: ProductBody, service: Service) -> tuple[Product, dict[str, bytes | str]]:
    _check_picture_count(len(body.pictures), service)
    pictures: dict[str, bytes | str] = {
        picture.name: picture.url if picture.url is not None else decode_base64(picture.content or "", picture.name)
        for picture in body.pictures
    }
    return _product(body), pictures


def _fetch_pictures(
    items: Sequence[tuple[Product, Mapping[str, bytes | str]]], service: Service
) -> tuple[list[tuple[Product, dict[str, bytes]]], list[Failure]]:
    """Replace the URLs of pictures by their bytes, within the time limit of the request."""
    end, failures, fetched = time.monotonic() + service.settings.number("timeout") / 2, [], []
    for product, pictures in items:
        files: dict[str, bytes] = {}
        for name, file in pictures.items():
            try:
                if isinstance(file, str) and time.monotonic() > end:
                    raise BadPicture(
                        "the time limit was reached before it was fetched; send fewer pictures per request",
                        code="picture_url",
                    )
                files[name] = fetch_url(file, service.fetching) if isinstance(file, str) else file
            except BadPicture as error:
                failures.append(Failure(product.id, error.code, name, error.message))
        if files or not pictures:
            fetched.append((product, files))
    return fetched, failures


async def _from_form(request: Request, service: Service) -> tuple[Product, dict[str, bytes | str]]:
    form = await parse_form(request, service.settings)
    products = [value for name, value in form if name == "product" and isinstance(value, str)]
    if len(products) != 1:
        raise BadRequest("the form needs one field `product` with the product as JSON", field="product")
    body = ProductBody.model_validate_json(products[0])
    if body.pictures:
        raise BadRequest("in a form, send pictures as files in the field `picture`", field="product")
    files = [value for name, value in form if name == "picture" and isinstance(value, bytes)]
    _check_picture_count(len(files), service)
    # file names of clients may be private (IMG_20261124_080512.jpg), so pictures are numbered
    return _product(body), {f"picture-{number}": file for number, file in enumerate(files, 1)}


def _check_picture_count(count: int, service: Service) -> None:
    most = service.settings.whole("max_pictures")
    if count > most:
        raise TooLarge(f"{count} pictures of one product; the maximum is {most}", field="pictures")


def _product(body: ProductBody) -> Product:
    attributes: Any = {name: value for name, value in body.attributes.items() if value is not None}
    return Product(body.id, body.title, body.price, body.brand, body.category, body.description, attributes)


def _counts(report: AddReport) -> dict[str, Any]:
    failures = [
        FailureSchema(id=failure.id, code=failure.code, path=failure.path, reason=failure.reason)
        for failure in report.failures
    ]
    return {name: getattr(report, name) for name in ("added", "changed", "updated", "unchanged")} | {
        "failures": failures,
        "notes": report.notes,
    }
