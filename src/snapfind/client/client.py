"""The verbs of a catalogue, asked of a server."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from snapfind.catalog.ingest.report import AddReport
from snapfind.catalog.ingest.sources import Failure, Folders, open_source
from snapfind.catalog.query_input import Wanted, as_query
from snapfind.client.batches import batches
from snapfind.client.convert import ServedAnswer, answer_of, base64_of, field_json, plain_json, product_of, query_json
from snapfind.client.transport import Transport
from snapfind.core.config import Settings
from snapfind.core.errors import BadInput, Forbidden, NotFound, SnapfindError
from snapfind.core.types import Box, Kind, Order, Product, Region, Regions, check_characters
from snapfind.events.event import Event
from snapfind.index.payload import FIXED, point_id
from snapfind.media.fetch import Fetching

__all__ = ["Client"]

Progress = Callable[[int, int], None]


class Client:
    """A running `snapfind serve`, with the verbs of `Catalog`. Raises what the library raises, and NotReady.

    >>> shop = snapfind.Client("http://127.0.0.1:8000", key="sf_…")
    >>> answer = shop.search("photo.jpg", filter="price < 50", session="anna")
    >>> shop.record([Event("click", search=answer.id, product=answer[0].product.id, position=1)])
    """

    def __init__(self, url: str, key: str = "", *, timeout: float = 60.0, retries: int = 3) -> None:
        self._ask = Transport(url, key, timeout, retries)
        self.settings = Settings()

    # ── asking ───────────────────────────────────────────────────────────────────

    def search(
        self,
        wanted: Wanted,
        *,
        limit: int | None = None,
        offset: int = 0,
        filter: str | None = None,
        box: Box | None = None,
        regions: Regions | None = None,
        category: str | None = None,
        order: Order | None = None,
        recent: Sequence[str] = (),
        session: str = "",
    ) -> ServedAnswer:
        """Products for a photo, a text, a Like, several Likes, or a Query; as `Catalog.search`."""
        query = as_query(wanted, filter, box, regions, category)
        query = replace(query, order=order or query.order, recent=(*query.recent, *recent))
        body = query_json(query) | {"explain": True}
        if limit is not None or offset:
            body["limit"] = (limit or self._default_limit()) + offset
        answer = answer_of(self._ask.ask("POST", "/v1/search", json=body | ({"session": session} if session else {})))
        groups = tuple(replace(group, hits=group.hits[offset:]) for group in answer.groups)
        return replace(answer, hits=answer.hits[offset:], groups=groups) if offset else answer

    def regions(self, photo: Any) -> tuple[Region, ...]:
        """The candidate objects of a photo, best first."""
        found = self._ask.ask("POST", "/v1/regions", json={"photo": base64_of(photo)})["regions"]
        return tuple(Region(Box(*region["box"]), region["score"]) for region in found)

    def compare(self, photo_a: Any, photo_b: Any) -> float:
        """Probability 0..1 that two photos show the same product."""
        sides = {name: {"photo": base64_of(photo)} for name, photo in (("a", photo_a), ("b", photo_b))}
        return float(self._ask.ask("POST", "/v1/compare", json=sides)["score"])

    def get(self, product: str) -> Product:
        """A product with all its pictures. Raises NotFound."""
        return product_of(self._ask.ask("GET", _path(product))["product"])

    def products(self, *, filter: str | None = None) -> Iterator[Product]:
        """Every product, or those that fit a filter, in a stable order."""
        asked: dict[str, Any] = {"limit": 500} | ({"filter": filter} if filter else {})
        while True:
            page = self._ask.ask("GET", "/v1/products", params=asked)
            yield from (product_of(product) for product in page["products"])
            if page["next"] is None:
                return
            asked["cursor"] = page["next"]

    def facets(self, name: str, *, filter: str | None = None, limit: int = 100) -> list[tuple[Any, int]]:
        """Values of a field and the number of products that have each."""
        asked = {"limit": limit} | ({"filter": filter} if filter else {})
        found = self._ask.ask("GET", f"/v1/facets/{_part(name, 'field')}", params=asked)["values"]
        return [(one["value"], one["count"]) for one in found]

    def picture(self, product: str, name: str) -> bytes:
        """The kept copy of a picture: a JPEG without metadata. Raises NotFound."""
        try:
            return self._ask.raw("GET", f"/v1/pictures/{point_id(product, name)}.jpg").content
        except NotFound:  # older catalogs keep absolute paths as names, and servers do not show them
            shown = self._ask.ask("GET", _path(product))["product"]["pictures"]
            found = next((one for one in shown if one["name"] == name), None)
            if found is None:
                raise NotFound(f"no picture {name!r} of product {product!r}") from None
            return self._ask.raw("GET", f"/v1/pictures/{found['id']}.jpg").content

    def info(self) -> dict[str, Any]:
        """Counts, model, fields; with the key of an admin also the models."""
        found = self._ask.ask("GET", "/v1/info")
        info = {name: found[name] for name in ("products", "pictures", "model", "bytes", "created", "version")}
        return info | {"path": self._ask.url, "schema": found["fields"], **self._models()}

    def _models(self) -> dict[str, Any]:
        try:
            found = self._ask.ask("GET", "/v1/models")
        except Forbidden:
            return {"previous": "", "models": {}}
        return {"previous": found["previous"], "models": {model.pop("id"): model for model in found["models"]}}

    @property
    def schema(self) -> dict[str, Kind]:
        """The shop's own attributes and their kinds."""
        fields: dict[str, Kind] = self._ask.ask("GET", "/v1/info")["fields"]
        return {name: kind for name, kind in fields.items() if name not in FIXED}

    def _default_limit(self) -> int:
        return int(self._ask.ask("GET", "/v1/info")["limits"]["limit"])

    def __len__(self) -> int:
        """Number of products."""
        return int(self.info()["products"])

    def __bool__(self) -> bool:
        """True, with or without products, and without a request: `if client` asks whether there is one."""
        return True

    # ── changing ─────────────────────────────────────────────────────────────────

    def put(self, given: Sequence[tuple[Product, Mapping[str, bytes]]]) -> AddReport:
        """Upsert products, each with the bytes of its pictures by name; as `Catalog.put`."""
        products = [
            {"id": product.id}
            | {name: field_json(name, getattr(product, name)) for name in FIXED}
            | {"attributes": {name: plain_json(value) for name, value in product.attributes.items()}}
            | {"pictures": [{"name": name, "content": base64_of(file)} for name, file in pictures.items()]}
            for product, pictures in given
        ]
        found = self._ask.ask("POST", "/v1/products", json={"products": products})
        counts = {name: found[name] for name in ("added", "changed", "updated", "unchanged")}
        failures = [Failure(**failure) for failure in found["failures"]]
        return AddReport(**counts, failures=failures, notes=list(found.get("notes", ())))

    def add(
        self,
        source: str | Path,
        *,
        root: str | Path | None = None,
        columns: Mapping[str, str] = {},
        kinds: Mapping[str, Kind] = {},
        folders: Folders = "product",
        progress: Progress | None = None,
    ) -> AddReport:
        """Send a table or a folder of this machine, some products at a time; run again, it goes on.

        `columns`, `kinds` and `folders` as in `Catalog.add`, but a kind that the server has stays. A request that fails
        is listed for its products, the rest goes on. Raises BadInput, NotReady.
        """
        begin, report = time.monotonic(), AddReport()
        within = Path(root) if root else None
        found = open_source(
            Path(source),
            known := self.schema,
            within,
            columns=columns,
            kinds=kinds,
            folders=folders,
            fetching=Fetching.of(Settings(), patient=True),
        )
        if fixed := [name for name, kind in found.schema.items() if known.get(name, kind) != kind]:
            raise BadInput(
                f"the server has {fixed[0]!r} as {known[fixed[0]]}; change that where the catalogue is: snapfind add",
                field="column",
            )
        for done, total, batch, failures in batches(found):
            report.failures += failures
            try:
                sent = self.put(batch) if batch else AddReport()
            except BadInput as error:
                sent = AddReport(failures=[Failure(one.id, error.code, "", error.message) for one, _ in batch])
            for name in ("added", "changed", "updated", "unchanged"):
                setattr(report, name, getattr(report, name) + getattr(sent, name))
            report.failures += sent.failures
            report.notes += (note for note in sent.notes if note not in report.notes)
            if progress:
                progress(done, total)
        report.notes[:0] = found.notes
        report.seconds = time.monotonic() - begin
        return report

    def update(self, product: str, changes: Mapping[str, Any]) -> Product:
        """Set some fields of a product anew (`None` empties one). Raises NotFound."""
        body = {name: field_json(name, value) for name, value in changes.items() if name in FIXED}
        body["attributes"] = {name: plain_json(value) for name, value in changes.items() if name not in FIXED}
        return product_of(self._ask.ask("PATCH", _path(product), json=body)["product"])

    def delete(self, products: Sequence[str] = (), *, filter: str | None = None) -> int:
        """Remove products by id or by filter; returns how many pictures went. Raises BadInput when neither is given."""
        if bool(products) == bool(filter):
            raise BadInput("give product ids or a filter: one of the two says what to delete")
        if filter:
            return int(self._ask.ask("DELETE", "/v1/products", params={"filter": filter})["deleted"])
        gone = 0
        for product in products:
            try:
                gone += self._ask.ask("DELETE", _path(product))["deleted"]
            except SnapfindError as error:
                if error.http_status != 404:
                    raise
        return gone

    def record(self, events: Sequence[Event]) -> int:
        """Tell what shoppers did; returns how many events were new."""
        return int(self._ask.ask("POST", "/v1/events", json={"events": [_event(one) for one in events]})["stored"])

    # ── long work ────────────────────────────────────────────────────────────────

    def fit(self, *, kept: bool = False, progress: Progress | None = None) -> str:
        """Fit the encoder to the catalogue's pictures, and to the photos that searches `kept`, and switch.

        Returns the model's name.
        """
        job = self._wait(self._ask.ask("POST", "/v1/models/fit", json={"kept": kept}), progress)
        return str(job["report"]["model"])

    def build(self, encoder: str, *, progress: Progress | None = None) -> str:
        """Build the space of another encoder beside the active one; returns the model's name."""
        job = self._wait(self._ask.ask("POST", "/v1/models/build", json={"encoder": encoder}), progress)
        return str(job["report"]["model"])

    def use(self, artifact: str, *, progress: Progress | None = None) -> str:
        """Use an artifact of the server's folder of models, by its name there; returns the model's name."""
        job = self._wait(self._ask.ask("POST", "/v1/models/use", json={"artifact": artifact}), progress)
        return str(job["report"]["model"])

    def switch(self, model: str) -> None:
        """Let another built model answer. Raises NotFound."""
        self._ask.ask("POST", "/v1/models/switch", json={"model": model})

    def rollback(self) -> str:
        """Switch back to the model before; returns its name. Raises NotFound."""
        return str(self._ask.ask("POST", "/v1/models/rollback")["active"])

    def try_out(self, model: str | None, share: float = 0.1) -> None:
        """Let a built model answer a share of the photo searches beside the active one; None ends the trial."""
        self._ask.ask("POST", "/v1/models/trial", json={"model": model, "share": share})

    def drop(self, model: str) -> None:
        """Remove a model and its vectors. Raises NotFound, BadInput."""
        self._ask.ask("DELETE", "/v1/models", params={"model": model})

    def export(self, *, filter: str | None = None, vectors: bool = False) -> Iterator[dict[str, Any]]:
        """One row for each picture, in the columns that `add` reads."""
        started = self._ask.ask("POST", "/v1/exports", json={"filter": filter, "vectors": vectors})
        job = self._wait(started, None)
        for line in self._ask.raw("GET", f"/v1/jobs/{job['id']}/file").content.splitlines():
            yield json.loads(line)

    def _wait(self, reply: dict[str, Any], progress: Progress | None) -> dict[str, Any]:
        """The job when it is over. Raises the error that it failed with."""
        pause = 0.05
        while True:
            job: dict[str, Any] = self._ask.ask("GET", f"/v1/jobs/{reply['job']['id']}")["job"]
            if progress and job["total"]:
                progress(job["done"], job["total"])
            if job["state"] == "done":
                return job
            if job["state"] in {"failed", "cancelled"}:
                told = job["error"] or {"code": "cancelled", "message": "the job was cancelled"}
                raise SnapfindError(told["message"], code=told["code"])
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)

    def close(self) -> None:
        """Close the connections; closing twice is harmless."""
        self._ask.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _path(product: str) -> str:
    return f"/v1/products/{_part(product, 'product')}"


def _part(text: str, field: str) -> str:
    """A text as a part of an address. Raises BadInput."""
    check_characters(text, field)
    return quote(text, safe="")


def _event(event: Event) -> dict[str, Any]:
    texts, numbers = "search session product category space arm id", "position propensity score quantity amount"
    given = {name: value for name in texts.split() if (value := getattr(event, name))}
    given |= {name: value for name in numbers.split() if (value := getattr(event, name)) is not None}
    boxes = {"box": event.box, "before": event.before}
    given |= {name: box.as_tuple() if isinstance(box, Box) else box for name, box in boxes.items() if box is not None}
    return {"kind": event.kind, "at": event.at.isoformat(), **given}
