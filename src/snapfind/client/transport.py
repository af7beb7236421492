"""HTTP requests to a server: API key, conversion of errors to exceptions, and retries after status 429."""

import time
from typing import Any, Self

import httpx

from snapfind.core import errors
from snapfind.core.errors import BadInput, Busy, NotReady, ServerFailed, SnapfindError

__all__ = ["Transport"]

_LONGEST_PAUSE = 30.0


def _errors_by_code() -> dict[str, type[SnapfindError]]:
    kinds = [getattr(errors, name) for name in errors.__all__]
    return {kind.code: kind for kind in kinds}


class Transport:
    """Connection to one server.

    Args:
        url: URL of the server.
        key: API key, or an empty text.
        timeout: Time limit of a request in seconds.
        retries: Number of retries after status 429.

    Raises:
        BadInput: `url` is not an http or https URL.
    """

    def __init__(self, url: str, key: str, timeout: float, retries: int) -> None:
        if not url.startswith(("http://", "https://")):
            raise BadInput(f"invalid URL of a server: {url!r}; use a URL such as http://127.0.0.1:8000")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url, self._retries = url.rstrip("/"), retries
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout)

    def request_json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send a request and return the JSON reply. Raises as `request`."""
        content: dict[str, Any] = self.request(method, path, **options).json()
        return content

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and return the reply. Retries after status 429.

        Args:
            method: HTTP method.
            path: Path below the URL of the server.
            **options: Passed to `httpx.Client.request`.

        Raises:
            SnapfindError: The error of the reply, in the class that the server raised.
            NotReady: The server cannot be reached.
        """
        for attempt in range(self._retries + 1):
            try:
                response = self._http.request(method, path, **options)
            except UnicodeEncodeError:
                raise BadInput("a text of the request contains a lone surrogate; send valid UTF-8") from None
            except httpx.TimeoutException:
                raise NotReady(f"{self.url} did not answer in time; raise `timeout`") from None
            except httpx.TransportError as error:
                raise NotReady(f"{self.url} cannot be reached ({error}); is `snapfind serve` running?") from None
            if response.status_code != Busy.http_status or attempt == self._retries:
                break
            time.sleep(min(_LONGEST_PAUSE, float(response.headers.get("retry-after", "1"))))
        if response.is_error:
            raise _error_of(response)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self


def _error_of(response: httpx.Response) -> SnapfindError:
    """Build the exception of an error reply, in the class that the server raised."""
    try:
        error_json = response.json()["error"]
        code, message, field = str(error_json["code"]), str(error_json["message"]), error_json["field"]
    except (ValueError, KeyError, TypeError):
        return ServerFailed(f"the server answered {response.status_code} without an error message; is it snapfind?")
    kind = _errors_by_code().get(code) or _class_of_status(code, response.status_code)
    error = kind(message)
    error.code, error.field = code, field
    if code == "key_missing":
        error.message = "this server requires an API key; set SNAPFIND_KEY, or pass `key` to the client"
    if isinstance(error, Busy):
        error.retry_after = float(response.headers.get("retry-after", "1"))
    return error


def _class_of_status(code: str, status: int) -> type[SnapfindError]:
    if code.startswith("picture_"):
        return errors.BadPicture
    kinds: dict[int, type[SnapfindError]]
    kinds = {401: errors.KeyMissing, 403: errors.Forbidden, 413: errors.TooLarge, 422: errors.BadRequest}
    kinds |= {429: errors.Busy, 405: errors.BadRequest}
    return kinds.get(status, BadInput if status < 500 else ServerFailed)
