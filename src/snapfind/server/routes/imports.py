"""Route for bulk imports: store an uploaded table and its pictures, and add them as a job."""

import asyncio
import hashlib
import shutil
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from starlette.datastructures import FormData, UploadFile

from snapfind.catalog.ingest.columns import parse_columns
from snapfind.catalog.ingest.folders import is_system_file
from snapfind.catalog.ingest.tables import TABLES, table_suffix
from snapfind.core.errors import BadRequest
from snapfind.media.handlers import is_media
from snapfind.server.endpoint import limits
from snapfind.server.middleware.auth import needs
from snapfind.server.routes.jobs import JobReply, job_schema
from snapfind.server.schemas.forms import media_type, read_form
from snapfind.server.schemas.responses import ERRORS, reply
from snapfind.server.service import Now, Service, Serving

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["jobs"], dependencies=[needs("write")], responses=ERRORS)

_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "table": {
            "type": "string",
            "format": "binary",
            "description": "CSV, TSV, JSON, JSONL (optionally .gz) or Parquet; the file name sets the format",
        },
        "pictures": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "description": "zip files, or picture files named as in the table",
        },
        "sync": {"type": "boolean", "description": "delete products and pictures that the source no longer has"},
        "column": {
            "type": "array",
            "items": {"type": "string"},
            "description": "map a column to a field (id=Handle), or set its type (size:text)",
        },
    },
}


@router.post(
    "/imports",
    response_model=JobReply,
    status_code=202,
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
@limits(body="max_import", timed=False)
async def start_import(
    request: Request,
    service: Serving,
    trace: Now,
    idempotency_key: Annotated[
        str, Header(max_length=200, description="a repeated request with the same key returns the existing job")
    ] = "",
) -> JobReply:
    """Start a job that adds a table with its pictures, or pictures alone (one folder per product).

    ```sh
    curl -F table=@products.csv -F pictures=@pictures.zip -H 'Idempotency-Key: monday' http://127.0.0.1:8000/v1/imports
    ```
    """
    if media_type(request) != "multipart/form-data":
        raise BadRequest("an import must be multipart/form-data", code="media_type_wrong")
    form = await read_form(request, files=10_000, fields=20)
    try:
        job = await asyncio.to_thread(_submit, service, form, idempotency_key)
    finally:
        await form.close()
    return reply(trace, JobReply, job=job_schema(job, service))


def _submit(service: Service, form: FormData, key: str) -> Any:
    tables, pictures = (_uploaded_files(form, name) for name in ("table", "pictures"))
    sync = str(form.get("sync") or "false").lower()
    if sync not in {"true", "false"}:
        raise BadRequest("sync must be true or false", field="sync")
    if len(tables) > 1 or not (tables or pictures):
        raise BadRequest("send one file `table`, files `pictures`, or both", field="table")
    columns, kinds = parse_columns(text for each in form.getlist("column") if (text := str(each)).strip())
    place = service.jobs.create_folder()
    try:
        mapping = sorted({**columns, **{f"{name}:": kind for name, kind in kinds.items()}}.items())
        digest = hashlib.sha256(sync.encode() + repr(mapping).encode() * bool(mapping))
        table = _store_table(tables[0], place / "input", digest) if tables else ""
        (place / "input" / "pictures").mkdir(parents=True)
        for number, file in enumerate(pictures):
            _store_picture(file, number, place / "input", digest)
        spec = {"table": table, "sync": sync == "true", "columns": columns, "kinds": kinds}
        return service.jobs.submit(place, "import", spec, key=key, digest=digest.hexdigest())
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _uploaded_files(form: FormData, name: str) -> list[UploadFile]:
    """Return the files of a field. Browsers send an empty file without a name if none is chosen."""
    files = [file for file in form.getlist(name) if isinstance(file, UploadFile)]
    return [file for file in files if file.filename or file.size]


def _store_table(file: UploadFile, folder: Path, digest: Any) -> str:
    suffix = table_suffix(file.filename or "")
    if not suffix:
        supported = ", ".join(TABLES)
        raise BadRequest(
            f"the table's file name must end in {supported}; save a spreadsheet as CSV UTF-8", field="table"
        )
    folder.mkdir(parents=True)
    _copy(file, folder / f"table{suffix}", digest)
    return f"table{suffix}"


def _store_picture(file: UploadFile, number: int, folder: Path, digest: Any) -> None:
    name = (file.filename or "").replace("\\", "/").rsplit("/", 1)[-1]
    file.file.seek(0)
    head = file.file.read(32)
    if name.lower().endswith(".zip") or head.startswith(b"PK\3\4"):
        _copy(file, folder / f"archive-{number:05}.zip", digest)
    elif is_system_file(name):
        return  # browsers that upload a folder include system files
    elif is_media(name, head) and name.isprintable():
        digest.update(name.encode())
        _copy(file, folder / "pictures" / name, digest)
    else:
        raise BadRequest(f"unsupported file: {name[:80]!r}; send zip or picture files", field="pictures")


def _copy(file: UploadFile, target: Path, digest: Any) -> None:
    file.file.seek(0)
    with target.open("wb") as file_copy:
        while piece := file.file.read(1 << 20):
            digest.update(piece)
            file_copy.write(piece)
