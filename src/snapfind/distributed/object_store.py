"""Object storage as a place of tables and pictures: S3, and what speaks its protocol (MinIO, Ceph, Alibaba's OSS).

Which server is asked, and with which keys, is the operator's choice and comes from the environment of the command:
AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION. A row
of a table names an object inside one root and nothing else. Other addresses (gs://, hdfs://) are opened as pyarrow
knows them.
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

__all__ = ["Store", "open_store", "told"]

_UNREACHED = re.compile(r"NETWORK_CONNECTION|SLOW_DOWN|INTERNAL_FAILURE|SERVICE_UNAVAILABLE|HTTP status 5\d\d|curlCode")
_REFUSED = re.compile(r"ACCESS_DENIED|ACCESS_KEY|SIGNATURE|TOKEN|HTTP status 40[13]|credentials", re.IGNORECASE)
_ABSENT = re.compile(r"NO_SUCH|HTTP status 404|does not exist|not found", re.IGNORECASE)
_VIRTUAL = re.compile(r"\.aliyuncs\.com(:\d+)?/?$")  # OSS takes a bucket in the name of the host only


@dataclass(frozen=True, slots=True)
class Store:
    """An opened address: a filesystem of pyarrow, and what the address is to it (`s3://shop/new`: `shop/new`).

    It may be sent to workers, and takes endpoint and keys along where these were given by the environment.
    """

    address: str
    files: Any
    path: str

    def key(self, name: str) -> str:
        """The object that a row names: from this root on, or by its whole address. Raises BadRow outside of it."""
        if "://" in name:
            if not name.startswith(self.address.rstrip("/") + "/"):
                raise BadRow(f"the address is not inside {self.address}; give another --root", code="picture_outside")
            name = name[len(self.address.rstrip("/")) + 1 :]
        name = name.replace("\\", "/").lstrip("/")
        key = posixpath.normpath(posixpath.join(self.path, name))
        if not key.startswith(self.path + "/"):
            raise BadRow(f"the name leads out of {self.address}; give another --root", code="picture_outside")
        return key

    def read(self, key: str, most: int) -> bytes:
        """An object of up to `most` bytes, also where its name is spelled in another way.

        Raises BadPicture, and NotReady where the storage does not answer.
        """
        others = [own for other in spellings(key) if (own := posixpath.normpath(other)).startswith(self.path + "/")]
        for other in others[:-1]:
            try:
                return self._read(other, most)
            except BadPicture as error:
                if error.code != "picture_missing":
                    raise
        return self._read(others[-1] if others else key, most)

    def _read(self, key: str, most: int) -> bytes:
        try:
            with self.files.open_input_file(key) as opened:
                if opened.size() > most:
                    raise BadPicture(
                        f"the object has {opened.size():,} bytes; the most is {most:,}", code="picture_too_large"
                    )
                return bytes(opened.read())
        except FileNotFoundError:
            raise BadPicture("there is no such object", code="picture_missing") from None
        except (OSError, ValueError) as error:
            problem = told(error, self.address)
            if isinstance(problem, NotReady):
                raise problem from error
            raise BadPicture(f"the object cannot be read: {_reason(error)}", code="picture_missing") from error

    def found(self) -> list[Any]:
        """Everything under the path, as FileInfo of pyarrow, by name. Raises as `told` says; so do those below."""
        from pyarrow.fs import FileSelector

        with _answering(self.address):
            return sorted(self.files.get_file_info(FileSelector(self.path, recursive=True)), key=lambda one: one.path)

    def is_file(self) -> bool:
        """Whether an object lies at the path itself. Raises NotFound where there is nothing."""
        with _answering(self.address):
            info = self.files.get_file_info(self.path)
        if info.type.name == "NotFound":
            raise NotFound(f"{self.address} is not there; look at the name, and at the bucket in {_endpoint()}")
        return bool(info.is_file)

    def suffixes(self) -> set[str]:
        """Of the objects directly under the path, in small letters."""
        from pyarrow.fs import FileSelector

        with _answering(self.address):
            directly = self.files.get_file_info(FileSelector(self.path))
        return {posixpath.splitext(info.path)[1].lower() for info in directly}

    def columns(self) -> list[str]:
        """Of the Parquet file at the path."""
        from pyarrow.parquet import read_schema

        with _answering(self.address):
            return list(read_schema(self.path, filesystem=self.files).names)

    def fetch(self, folder: Path) -> Path:
        """A copy of the object at the path, in `folder`."""
        target = folder / posixpath.basename(self.path)
        with _answering(self.address), self.files.open_input_stream(self.path) as came, target.open("wb") as written:
            while part := came.read(2**20):
                written.write(part)
        return target

    def parent(self) -> "Store":
        """The folder that the path lies in."""
        address = self.address.rstrip("/")
        return Store(address[: address.rindex("/")], self.files, posixpath.dirname(self.path))


def open_store(address: str) -> Store:
    """Open `s3://BUCKET/…`, or what else pyarrow knows by its address. Raises BadInput, NotReady, ExtraMissing."""
    if not find_spec("pyarrow"):
        raise ExtraMissing.of("reading object storage needs Ray and pyarrow", "ray")
    from pyarrow.fs import FileSystem

    parts = urlsplit(address)
    with _answering(address):
        if parts.scheme != "s3":
            files, path = FileSystem.from_uri(address)
            return Store(address, files, str(path).rstrip("/"))
        if not parts.netloc or "@" in parts.netloc:
            raise BadInput(
                "write s3://BUCKET/FOLDER; keys are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only"
            )
        return Store(address, _s3(parts.netloc), address.removeprefix("s3://").strip("/"))


@contextmanager
def _answering(address: str) -> Iterator[None]:
    """What pyarrow raises, as `told` says it."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise told(error, address) from error


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
    """The server that is asked, for people."""
    return _server() or "S3 of AWS (AWS_ENDPOINT_URL names another)"


def told(error: BaseException, address: str) -> SnapfindError:
    """What the storage answered, as one sentence with its mend: NotReady, NotFound or BadInput."""
    text = str(error)
    if _UNREACHED.search(text):
        return NotReady(
            f"{address}: no answer from {_endpoint()} with {_keys()} ({_reason(error)}); what is in stays, run it again"
        )
    if _REFUSED.search(text):
        return BadInput(f"{address}: {_endpoint()} refuses {_keys()}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if isinstance(error, FileNotFoundError) or _ABSENT.search(text):
        return NotFound(f"{address} is not there; look at the name, and at the bucket in {_endpoint()}")
    return BadInput(f"{address} cannot be read ({_reason(error)}); mend it and run again, what is in stays")


def _keys() -> str:
    return (
        "the key of AWS_ACCESS_KEY_ID" if os.environ.get("AWS_ACCESS_KEY_ID") else "no key (AWS_ACCESS_KEY_ID is empty)"
    )


def _reason(error: BaseException) -> str:
    """The last line, up to the details of the transport."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].partition("; Details:")[0].partition(" (Request ID")[0][-200:]
