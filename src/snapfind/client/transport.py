"""Requests to a server: the key, the errors as the library raises them, and patience where it says to come back."""

import time
from typing import Any, Self

import httpx

from snapfind.core import errors
from snapfind.core.errors import BadInput, Busy, NotReady, ServerFailed, SnapfindError

__all__ = ["Transport"]

_LONGEST_PAUSE = 30.0


def _leaves() -> dict[str, type[SnapfindError]]:
    kinds = [getattr(errors, name) for name in errors.__all__]
    return {kind.code: kind for kind in kinds}


class Transport:
    """One server. Raises what the library raises; NotReady where the server cannot be reached."""

    def __init__(self, url: str, key: str, timeout: float, retries: int) -> None:
        if not url.startswith(("http://", "https://")):
            raise BadInput(f"{url!r} is not the address of a server; write it like http://127.0.0.1:8000")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url, self._retries = url.rstrip("/"), retries
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout)

    def ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """A JSON reply."""
        found: dict[str, Any] = self.raw(method, path, **options).json()
        return found

    def raw(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Any reply; asks again after 429, as often as `retries` says."""
        for attempt in range(self._retries + 1):
            try:
                found = self._http.request(method, path, **options)
            except UnicodeEncodeError:
                raise BadInput(
                    "a text of the request holds half a character; send whole characters, in UTF-8"
                ) from None
            except httpx.TimeoutException:
                raise NotReady(f"{self.url} did not answer in time; raise `timeout`") from None
            except httpx.TransportError as error:
                raise NotReady(f"{self.url} cannot be reached ({error}); is `snapfind serve` running?") from None
            if found.status_code != Busy.http_status or attempt == self._retries:
                break
            time.sleep(min(_LONGEST_PAUSE, float(found.headers.get("retry-after", "1"))))
        if found.is_error:
            raise _error(found)
        return found

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self


def _error(found: httpx.Response) -> SnapfindError:
    """The error of a reply, as the leaf of the tree that it was raised as."""
    try:
        told = found.json()["error"]
        code, message, field = str(told["code"]), str(told["message"]), told["field"]
    except (ValueError, KeyError, TypeError):
        return ServerFailed(f"the server answered {found.status_code} without a reason; is it snapfind?")
    kind = _leaves().get(code) or _of_status(code, found.status_code)
    error = kind(message)
    error.code, error.field = code, field
    if code == "key_missing":
        error.message = "this server wants a key: give it as SNAPFIND_KEY, or as `key` of the client"
    if isinstance(error, Busy):
        error.retry_after = float(found.headers.get("retry-after", "1"))
    return error


def _of_status(code: str, status: int) -> type[SnapfindError]:
    if code.startswith("picture_"):
        return errors.BadPicture
    kinds: dict[int, type[SnapfindError]]
    kinds = {401: errors.KeyMissing, 403: errors.Forbidden, 413: errors.TooLarge, 422: errors.BadRequest}
    kinds |= {429: errors.Busy, 405: errors.BadRequest}
    return kinds.get(status, BadInput if status < 500 else ServerFailed)
