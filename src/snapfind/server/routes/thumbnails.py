"""Routes for stored pictures: JPEG, at most 384 pixels, without metadata. Original files are never served."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from snapfind.server.middleware.auth import needs
from snapfind.server.routes.products import GoneReply
from snapfind.server.schemas.conditional import conditional_response
from snapfind.server.schemas.responses import ERRORS, reply
from snapfind.server.service import Now, Serving

__all__ = ["router"]

router = APIRouter(prefix="/v1/pictures", tags=["pictures"], responses=ERRORS)


@router.get(
    "/{picture}.jpg",
    response_class=Response,
    dependencies=[needs("search")],
    responses={
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
        206: {
            "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
            "description": "the requested range",
        },
        304: {"description": "not modified: the ETag matches If-None-Match"},
        416: {"description": "the range is not satisfiable"},
    },
)
async def get_picture(
    picture: Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")], request: Request, service: Serving, trace: Now
) -> Response:
    """Get the stored copy of a picture. Use the `url` of a reply, which changes when the picture changes.

    `If-None-Match` and `Range` are supported.

    ```sh
    curl -O http://127.0.0.1:8000/v1/pictures/8c7dd922-ad47-4fc1-9b1c-7f0b0d1f0a3e.jpg
    ```
    """
    content = await service.reading.run(trace, lambda: service.shop.copy(picture))
    caching = "private, max-age=31536000, immutable" if "v" in request.query_params else "private, no-cache"
    return conditional_response(content, "image/jpeg", request.headers, {"Cache-Control": caching})


@router.delete("/{picture}.jpg", response_model=GoneReply, dependencies=[needs("write")])
async def delete_picture(
    picture: Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")], service: Serving, trace: Now
) -> GoneReply:
    """Delete a picture. A product without pictures is deleted too.

    ```sh
    curl -X DELETE http://127.0.0.1:8000/v1/pictures/8c7dd922-ad47-4fc1-9b1c-7f0b0d1f0a3e.jpg
    ```
    """
    await service.writing.run(trace, lambda: service.catalog.remove(picture))
    return reply(trace, GoneReply, deleted=1)
