"""Search a catalog from an existing FastAPI application, without a second server.

python examples/draw_shop.py && snapfind add shop.snap products.csv
uvicorn --app-dir examples fastapi_integration:app
curl -F photo=@photo.jpg http://127.0.0.1:8000/find
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, UploadFile
from fastapi.concurrency import run_in_threadpool

import snapfind
from snapfind.core.errors import SnapfindError


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the catalog once. Any thread may search it."""
    with snapfind.open("shop.snap", create=False) as catalog:
        app.state.catalog = catalog
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/find")
async def find(photo: UploadFile, most: Annotated[int, "number of products"] = 3) -> list[dict[str, Any]]:
    """Find the products of a photo."""
    content = await photo.read()
    try:
        answer = await run_in_threadpool(app.state.catalog.search, content, limit=most)
    except SnapfindError as error:  # a damaged photo, a bad option: one sentence and its HTTP status
        raise HTTPException(error.http_status, error.message) from error
    return [{"id": hit.product.id, "title": hit.product.title, "score": round(hit.score, 3)} for hit in answer]
