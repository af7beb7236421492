"""Read tables and pictures from object storage: S3 and compatible servers (MinIO, Ceph, Alibaba OSS).

Endpoint and credentials come from environment variables: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION. Rows of a table can name objects inside one root only. Other
addresses (gs://, hdfs://) are opened by pyarrow.
"""

import os
import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from snapfind.catalog.ingest.picture_names import spellings
from snapfind.core.errors import BadInput, BadPicture, BadRow, ExtraMissing, NotFound, NotReady, SnapfindError

__all__ = ["Store", "open_store", "storage_error"]

_UNREACHABLE = re.compile(
    r"NETWORK_CONNECTION|SLOW_DOWN|INTERNAL_FAILURE|SERVICE_UNAVAILABLE|HTTP status 5\d\d|curlCode"
)
_DENIED = re.compile(r"ACCESS_DENIED|ACCESS_KEY|SIGNATURE|TOKEN|HTTP status 40[13]|credentials", re.IGNORECASE)
_MISSING = re.compile(r"NO_SUCH|HTTP status 404|does not exist|not found", re.IGNORECASE)
_VIRTUAL = re.compile(r"\.aliyuncs\.com(:\d+)?/?$")  # OSS supports virtual-hosted buckets only


@dataclass(frozen=True, slots=True)
class Store:
    """An address: a filesystem of pyarrow, and the path in it (`s3://shop/new`: `shop/new`).

    It can be pickled and sent to workers. Endpoint and credentials from the environment are included.
    """

    address: str
    files: Any
    path: str

    def key(self, name: str) -> str:
        """Return the key of the object that a row names, relative to this root or by its full address.

        Raises:
            BadRow: The object is outside of the root.
        """
        if "://" in name:
            if not name.startswith(self.address.rstrip("/") + "/"):
                raise BadRow(f"the address is outside of {self.address}; use another --root", code="picture_outside")
            name = name[len(self.address.rstrip("/")) + 1 :]
        name = name.replace("\\", "/").lstrip("/")
        key = posixpath.normpath(posixpath.join(self.path, name))
        if not key.startswith(self.path + "/"):
            raise BadRow(f"the name is outside of {self.address}; use another --root", code="picture_outside")
        return key

    def read(self, key: str, limit: int) -> bytes:
        """Read an object. Other spellings of its name are tried too.

        Args:
            key: Key of the object.
            limit: Maximum size in bytes.

        Raises:
            BadPicture: The object is missing, too large or unreadable.
            NotReady: The storage does not respond.
        """
        keys = [own for other in spellings(key) if (own := posixpath.normpath(other)).startswith(self.path + "/")]
        for other in keys[:-1]:
            try:
                return self._read(other, limit)
            except BadPicture as error:
                if error.code != "picture_missing":
                    raise
        return self._read(keys[-1] if keys else key, limit)

    def _read(self, key: str, limit: int) -> bytes:
        try:
            with self.files.open_input_file(key) as file:
                if file.size() > limit:
                    raise BadPicture(
                        f"the object has {file.size():,} bytes; the maximum is {limit:,}", code="picture_too_large"
                    )
                return bytes(file.read())
        except FileNotFoundError:
            raise BadPicture("no such object", code="picture_missing") from None
        except (OSError, ValueError) as error:
            problem = storage_error(error, self.address)
            if isinstance(problem, NotReady):
                raise problem from error
            raise BadPicture(f"the object cannot be read: {_reason(error)}", code="picture_missing") from error

    def list_objects(self) -> list[Any]:
        """List everything below the path as pyarrow.fs.FileInfo, sorted by path. Raises as `storage_error`."""
        from pyarrow.fs import FileSelector

        with _storage_errors(self.address):
            return sorted(self.files.get_file_info(FileSelector(self.path, recursive=True)), key=lambda one: one.path)

    def is_file(self) -> bool:
        """Tell whether the path is an object (True) or a folder (False).

        Raises:
            NotFound: There is neither.
        """
        with _storage_errors(self.address):
            info = self.files.get_file_info(self.path)
        if info.type.name == "NotFound":
            raise NotFound(f"{self.address} does not exist; check the name, and the bucket in {_endpoint()}")
        return bool(info.is_file)

    def suffixes(self) -> set[str]:
        """Return the file name suffixes of the objects directly below the path, in lower case."""
        from pyarrow.fs import FileSelector

        with _storage_errors(self.address):
            children = self.files.get_file_info(FileSelector(self.path))
        return {posixpath.splitext(info.path)[1].lower() for info in children}

    def columns(self) -> list[str]:
        """Return the column names of the Parquet file at the path."""
        from pyarrow.parquet import read_schema

        with _storage_errors(self.address):
            return list(read_schema(self.path, filesystem=self.files).names)

    def fetch(self, folder: Path) -> Path:
        """Download the object at the path into `folder`, and return the file."""
        target = folder / posixpath.basename(self.path)
        with (
            _storage_errors(self.address),
            self.files.open_input_stream(self.path) as source,
            target.open("wb") as file,
        ):
            while part := source.read(2**20):
                file.write(part)
        return target

    def parent(self) -> "Store":
        """Return the folder that contains the path."""
        address = self.address.rstrip("/")
        return Store(address[: address.rindex("/")], self.files, posixpath.dirname(self.path))


def open_store(address: str) -> Store:
    """Open an address in object storage.

    Args:
        address: `s3://BUCKET/…`, or another address that pyarrow supports.

    Raises:
        BadInput: The address is invalid, or access is denied.
        NotFound: The bucket does not exist.
        NotReady: The storage does not respond.
        ExtraMissing: pyarrow is not installed.
    """
    if not find_spec("pyarrow"):
        raise ExtraMissing.of("reading object storage needs Ray and pyarrow", "ray")
    from pyarrow.fs import FileSystem

    parts = urlsplit(address)
    with _storage_errors(address):
        if parts.scheme != "s3":
            files, path = FileSystem.from_uri(address)
            return Store(address, files, str(path).rstrip("/"))
        if not parts.netloc or "@" in parts.netloc:
            raise BadInput(
                "use s3://BUCKET/FOLDER; credentials are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only"
            )
        return Store(address, _s3(parts.netloc), address.removeprefix("s3://").strip("/"))


@contextmanager
def _storage_errors(address: str) -> Iterator[None]:
    """What pyarrow raises, as `storage_error` it."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise storage_error(error, address) from error


def _s3(bucket: str) -> Any:
    from pyarrow.fs import S3FileSystem, resolve_s3_region

    server, region = _server(), os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return S3FileSystem(
        access_key=os.environ.get("AWS_ACCESS_KEY_ID") or None,
        secret_key=os.environ.get("AWS_SECRET_ACCESS_KEY") or None,
        session_token=os.environ.get("AWS_SESSION_TOKEN") or None,
        region=region or ("us-east-1" if server else resolve_s3_region(bucket)),
        endpoint_override=server or None,
        force_virtual_addressing=bool(_VIRTUAL.search(server)),
        connect_timeout=5,
        request_timeout=30,
    )


def _server() -> str:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def _endpoint() -> str:
    """Describe the endpoint for messages."""
    return _server() or "AWS S3 (set AWS_ENDPOINT_URL for another server)"


def storage_error(error: BaseException, address: str) -> SnapfindError:
    """Convert an exception of pyarrow to an error of snapfind.

    Args:
        error: Exception of pyarrow.
        address: The address that was opened, for the message.

    Returns:
        NotReady if the storage does not respond, NotFound if the object is missing, else BadInput.
    """
    text = str(error)
    if _UNREACHABLE.search(text):
        return NotReady(
            f"{address}: no response from {_endpoint()} with {_keys()} ({_reason(error)}); run it again to resume"
        )
    if _DENIED.search(text):
        return BadInput(
            f"{address}: {_endpoint()} denies access with {_keys()}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if isinstance(error, FileNotFoundError) or _MISSING.search(text):
        return NotFound(f"{address} does not exist; check the name, and the bucket in {_endpoint()}")
    return BadInput(f"{address} cannot be read ({_reason(error)}); fix it and run again to resume")


def _keys() -> str:
    return (
        "the key of AWS_ACCESS_KEY_ID" if os.environ.get("AWS_ACCESS_KEY_ID") else "no key (AWS_ACCESS_KEY_ID is empty)"
    )


def _reason(error: BaseException) -> str:
    """Return the last line of the message, without details of the transport."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].partition("; Details:")[0].partition(" (Request ID")[0][-200:]
