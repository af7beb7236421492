"""The models of a catalog at a running server, with the methods of `catalog.models`."""

import time
from collections.abc import Callable
from typing import Any

from snapfind.client.transport import Transport
from snapfind.core.errors import SnapfindError

__all__ = ["ClientModels", "wait_for_job"]

Progress = Callable[[int, int], None]


class ClientModels:
    """The models of a catalog at a running server, as `client.models`. Requests need a key with the scope admin.

    Args:
        transport: Connection to the server.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def fit(self, *, stored_photos: bool = False, progress: Progress | None = None) -> str:
        """Fit an adapter to the catalog's pictures, and switch to it.

        Args:
            stored_photos: Also use stored query photos.
            progress: Called with (done, total).

        Returns:
            Name of the model.
        """
        job = self._run("/v1/models/fit", {"stored_photos": stored_photos}, progress)
        return str(job["report"]["model"])

    def build(self, encoder: str, *, progress: Progress | None = None) -> str:
        """Build the space of another encoder beside the active one. Returns the name of the model."""
        job = self._run("/v1/models/build", {"encoder": encoder}, progress)
        return str(job["report"]["model"])

    def use(self, artifact: str, *, progress: Progress | None = None) -> str:
        """Use an artifact in the server's folder of models. Returns the name of the model."""
        job = self._run("/v1/models/use", {"artifact": artifact}, progress)
        return str(job["report"]["model"])

    def switch(self, model: str) -> None:
        """Make another built model the active one.

        Raises:
            NotFound: There is no such model.
        """
        self._transport.request_json("POST", "/v1/models/switch", json={"model": model})

    def rollback(self) -> str:
        """Switch back to the previous model. Returns its name.

        Raises:
            NotFound: There is no previous model.
        """
        return str(self._transport.request_json("POST", "/v1/models/rollback")["active"])

    def try_out(self, model: str | None, share: float = 0.1) -> None:
        """Start an interleaving experiment in a fraction `share` of the photo searches. None stops it."""
        self._transport.request_json("POST", "/v1/models/trial", json={"model": model, "share": share})

    def delete(self, model: str) -> None:
        """Delete a model and its vectors.

        Raises:
            NotFound: There is no such model.
            BadInput: The model is active or in an experiment.
        """
        self._transport.request_json("DELETE", "/v1/models", params={"model": model})

    def _run(self, path: str, body: dict[str, Any], progress: Progress | None) -> dict[str, Any]:
        """Start a job and wait for it."""
        return wait_for_job(self._transport, self._transport.request_json("POST", path, json=body), progress)


def wait_for_job(transport: Transport, reply: dict[str, Any], progress: Progress | None) -> dict[str, Any]:
    """Wait for a job of the server.

    Args:
        transport: Connection to the server.
        reply: Reply of the request that started the job.
        progress: Called with (done, total).

    Returns:
        The finished job.

    Raises:
        SnapfindError: The job failed or was cancelled. The code is that of its error.
    """
    pause = 0.05
    while True:
        job: dict[str, Any] = transport.request_json("GET", f"/v1/jobs/{reply['job']['id']}")["job"]
        if progress and job["total"]:
            progress(job["done"], job["total"])
        if job["state"] == "done":
            return job
        if job["state"] in {"failed", "cancelled"}:
            error = job["error"] or {"code": "cancelled", "message": "the job was cancelled"}
            raise SnapfindError(error["message"], code=error["code"])
        time.sleep(pause)
        pause = min(1.0, pause * 1.5)
