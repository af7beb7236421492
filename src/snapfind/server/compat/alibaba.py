"""API of Alibaba Cloud Image Search (2020-12-14), so that a shop can move by changing only the endpoint.

`ProductId` is the id of the product, `PicName` the name of a picture, `CategoryId` the category. The nine attributes
are attributes of the product, so the last write applies to all its pictures. A search returns one hit per product. The
batch operations (IncreaseInstance, DumpMeta) are not supported. Use imports and exports of `/v1`.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse

from snapfind.core.errors import BadInput, BadRequest, Forbidden, NotFound, SnapfindError
from snapfind.core.query import Query, QueryTerm
from snapfind.core.types import Answer, Box, Hit, Picture, Product
from snapfind.index.payload import point_id
from snapfind.media.image.decode import Limits, probe
from snapfind.server.compat.alibaba_signature import Signatures
from snapfind.server.endpoint import limits
from snapfind.server.runtime.trace import Trace, trace_of
from snapfind.server.schemas.bodies import decode_base64
from snapfind.server.schemas.products import picture_named, served_name
from snapfind.server.service import Service

__all__ = ["mount"]

Fields = Mapping[str, str]
Reply = dict[str, Any]
Action = Callable[[Service, Fields], Reply]

_INTS = {f"IntAttr{number}": f"int_attr{mark}" for number, mark in (("", ""), ("2", "_2"), ("3", "_3"), ("4", "_4"))}
_TEXTS = {name.replace("Int", "Str"): own.replace("int", "str") for name, own in _INTS.items()}
_TEXTS["CustomContent"] = "custom_content"
_MAX_NUM, _MAX_START = 100, 499


def mount(app: FastAPI, service: Service) -> None:
    """Add the API at `POST /` to an application.

    Args:
        app: The application.
        service: The service.
    """
    signatures = Signatures()

    @limits(body="max_body")
    async def ask(request: Request) -> JSONResponse:
        trace = trace_of(request)
        try:
            body = await request.body()
            query = parse_qsl(request.url.query, keep_blank_values=True)
            name = request.headers.get("x-acs-action", "")
            if name not in _ACTIONS:
                raise BadRequest(f"unsupported action {name[:40]!r}; supported: {', '.join(_ACTIONS)}")
            scope, action = _ACTIONS[name]
            if service.needs_key or service.keys.keys():
                key = signatures.check(request.method, query, request.headers, body, service.keys.keys())
                trace.caller = key.id
                if not key.may(scope):
                    raise Forbidden(f"key {key.id} lacks the scope {scope}, which {name} needs")
                with service.rate_limiter.one(key.id):
                    return await _run(service, trace, scope, action, query, body)
            return await _run(service, trace, scope, action, query, body)
        except SnapfindError as error:
            message = trace.private(error.message).encode("utf-8", "replace").decode()
            fields = {"RequestId": trace.request_id, "Success": False, "Code": error.code, "Message": message}
            return JSONResponse(fields | {"Msg": message}, error.http_status)

    app.add_route("/", ask, methods=["POST"], include_in_schema=False)


async def _run(
    service: Service, trace: Trace, scope: str, action: Action, query: list[tuple[str, str]], body: bytes
) -> JSONResponse:
    # in a thread, because parsing a form with a picture of some megabytes would block other requests
    form = await run_in_threadpool(parse_qsl, body.decode("utf-8", "replace"), keep_blank_values=True)
    fields = dict(form) | dict(query)
    queue = service.reading if scope == "search" else service.writing
    result = await queue.run(trace, lambda: action(service, fields))
    return JSONResponse({"RequestId": trace.request_id, "Success": True} | result)


# ── writing ──────────────────────────────────────────────────────────────────────


def _add(service: Service, fields: Fields) -> Reply:
    content = decode_base64(_required(fields, "PicContent"), "PicContent")
    product = Product(
        _required(fields, "ProductId"), category=fields.get("CategoryId", ""), attributes=_attributes(fields)
    )
    photo, size = _photo_query(service, fields, content)
    answer = service.shop.search(photo, limit=1)
    name = _required(fields, "PicName")
    report = service.catalog.put([(product, {name: content})])
    if report.failures:
        raise BadInput(report.failures[0].reason, code=report.failures[0].code)
    return {"Code": 0, "Message": "success", "PicInfo": _pic_info(service, answer, size, fields)}


def _update(service: Service, fields: Fields) -> Reply:
    product = _required(fields, "ProductId")
    _picture(service, product, _required(fields, "PicName"))
    service.catalog.update(product, _attributes(fields))
    return {"Code": 0, "Message": "success"}


def _delete(service: Service, fields: Fields) -> Reply:
    if fields.get("IsDeleteByFilter", "").lower() == "true":
        filter = _required(fields, "Filter")
        names = [
            served_name(picture.name)
            for product in service.shop.products(filter=filter)
            for picture in product.pictures
        ]
        service.catalog.delete(filter=filter)
    elif name := fields.get("PicName"):
        product, names = _required(fields, "ProductId"), [name]
        service.catalog.remove(point_id(product, _picture(service, product, name).name))
    else:
        product = service.shop.get(_required(fields, "ProductId")).id
        names = [served_name(picture.name) for picture in service.shop.get(product).pictures]
        service.catalog.delete([product])
    return {"Code": 0, "Message": "success", "Data": {"PicNames": names}}


# ── reading ───────────────────────────────────────────────────────────────────────


def _by_pic(service: Service, fields: Fields) -> Reply:
    content = decode_base64(_required(fields, "PicContent"), "PicContent")
    query, size = _photo_query(service, fields, content)
    return _search(service, query, fields, size)


def _by_name(service: Service, fields: Fields) -> Reply:
    product = _required(fields, "ProductId")
    picture = _picture(service, product, _required(fields, "PicName"))
    copy = service.photo(service.shop.copy(point_id(product, picture.name)))
    return _search(service, Query((QueryTerm(photo=copy),), regions="whole"), fields, (picture.width, picture.height))


def _by_text(service: Service, fields: Fields) -> Reply:
    text = _required(fields, "Text")
    if len(text) > 512:
        raise BadInput(f"Text has {len(text)} characters; the maximum is 512", field="Text")
    return _search(service, Query((QueryTerm(text=text),)), fields, None)


def _by_filter(service: Service, fields: Fields) -> Reply:
    start, num = _page(fields)
    products = list(itertools.islice(service.shop.products(filter=_required(fields, "Filter")), start, start + num))
    auctions = [_auction(product, product.pictures[0], None) for product in products]
    return {"Code": 0, "Msg": "success", "Head": _head(len(auctions)), "Auctions": auctions}


def _exists(service: Service, fields: Fields) -> Reply:
    try:
        product = service.shop.get(_required(fields, "ProductId"))
        picture = _picture(service, product.id, _required(fields, "PicName"))
    except NotFound:
        return {"Code": 0, "Msg": "success", "Exists": False}
    return {"Code": 0, "Msg": "success", "Exists": True, "Auctions": _auction(product, picture, None)}


def _compare(service: Service, fields: Fields) -> Reply:
    names = ("PrimaryPicContent", "SecondaryPicContent")
    first, second = (service.photo(decode_base64(_required(fields, name), name)) for name in names)
    return {"Code": 0, "Msg": "success", "Score": round(service.shop.compare(first, second), 4)}


def _detail(service: Service, fields: Fields) -> Reply:
    instance = {"Name": fields.get("InstanceName", ""), "TotalCount": service.shop.index.count(), "ServiceType": 0}
    return {"Instance": instance | {"Region": "local", "Qps": 0, "Capacity": 0}}


_ACTIONS: dict[str, tuple[str, Action]] = {
    "AddImage": ("write", _add),
    "UpdateImage": ("write", _update),
    "DeleteImage": ("write", _delete),
    "CheckImageExists": ("search", _exists),
    "SearchImageByPic": ("search", _by_pic),
    "SearchImageByName": ("search", _by_name),
    "SearchImageByText": ("search", _by_text),
    "SearchImageByFilter": ("search", _by_filter),
    "CompareSimilarByImage": ("search", _compare),
    "Detail": ("search", _detail),
}


def _search(service: Service, query: Query, fields: Fields, size: tuple[int, int] | None) -> Reply:
    start, num = _page(fields)
    threshold = _number(fields, "ScoreThreshold", 0.0)
    answer = service.shop.search(
        query, limit=num, offset=start, filter=fields.get("Filter") or None, category=fields.get("CategoryId") or None
    )
    hits = [hit for hit in answer if hit.score >= threshold]
    auctions = [_auction(hit.product, hit.picture, hit) for hit in hits]
    head = _head(len(auctions), round(sum(answer.timings.values())))
    return {
        "Code": 0,
        "Msg": "success",
        "Head": head,
        "PicInfo": _pic_info(service, answer, size, fields),
        "Auctions": auctions,
    }


def _photo_query(service: Service, fields: Fields, content: bytes) -> tuple[Query, tuple[int, int]]:
    """Return the photo as a query, and its size in pixels. `Region` has precedence over `Crop` (default: true)."""
    _, width, height = probe(content, Limits.of(service.settings))
    region = fields.get("Region", "").strip()
    box = _box(region, width, height) if region else None
    is_whole = fields.get("Crop", "true").lower() == "false"
    term = QueryTerm(photo=service.photo(content, box), box=box)
    return Query((term,), regions="whole" if is_whole else "auto"), (width, height)


def _box(region: str, width: int, height: int) -> Box:
    """Parse a region `x1,x2,y1,y2` in pixels of the picture."""
    try:
        x1, x2, y1, y2 = (float(side) for side in region.split(","))
    except ValueError:
        raise BadInput(f"invalid Region {region[:40]!r}; write x1,x2,y1,y2 in pixels", field="Region") from None
    return Box(x1 / width, y1 / height, min(x2 / width, 1.0), min(y2 / height, 1.0))


def _region(box: Box, size: tuple[int, int]) -> str:
    left, top, right, bottom = box.pixels(*size)
    return f"{left},{right},{top},{bottom}"


def _pic_info(service: Service, answer: Answer, size: tuple[int, int] | None, fields: Fields) -> Reply:
    categories = [{"Id": name, "Name": name} for name, _ in service.shop.facets("category", limit=100) if name]
    predicted = answer.categories[0].category if answer.categories else ""
    info: Reply = {"CategoryId": fields.get("CategoryId") or predicted, "AllCategories": categories}
    if size is not None:
        whole = Box(0, 0, 1, 1)
        info["Region"] = _region(answer.box or whole, size)
        info["MultiRegion"] = [{"Region": _region(region.box, size)} for region in answer.regions]
    return info


def _auction(product: Product, picture: Picture, hit: Hit | None) -> Reply:
    names = {**_INTS, **_TEXTS}
    fields: Reply = {
        name: product.attributes[own] for name, own in names.items() if product.attributes.get(own) is not None
    }
    fields |= {"ProductId": product.id, "PicName": served_name(picture.name), "CategoryId": product.category}
    return fields | ({"Score": round(hit.score, 4), "SortExprValues": f"{hit.score:.6f};0"} if hit else {})


def _head(count: int, milliseconds: int = 0) -> Reply:
    return {"DocsReturn": count, "DocsFound": count, "SearchTime": milliseconds}


def _picture(service: Service, product: str, name: str) -> Picture:
    return picture_named(service.shop.get(product), name)


def _attributes(fields: Fields) -> dict[str, Any]:
    ints = {own: round(_number(fields, name, 0)) for name, own in _INTS.items() if fields.get(name)}
    return ints | {own: fields[name] for name, own in _TEXTS.items() if name in fields}


def _page(fields: Fields) -> tuple[int, int]:
    start, num = round(_number(fields, "Start", 0)), round(_number(fields, "Num", 10))
    if not (0 <= start <= _MAX_START and 1 <= num <= _MAX_NUM):
        raise BadInput(
            f"Start is {start} and Num is {num}; Start must be 0 to {_MAX_START} and Num 1 to {_MAX_NUM}", field="Num"
        )
    return start, num


def _number(fields: Fields, name: str, default: float) -> float:
    try:
        return float(fields.get(name) or default)
    except ValueError:
        raise BadInput(f"{name} {fields[name][:40]!r} is not a number", field=name) from None


def _required(fields: Fields, name: str) -> str:
    if not fields.get(name):
        raise BadInput(f"{name} is missing", field=name)
    return fields[name]
