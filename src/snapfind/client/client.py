"""HTTP client with the methods of `Catalog`."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack
from urllib.parse import quote

from snapfind.catalog.ingest.report import AddReport
from snapfind.catalog.ingest.sources import Failure, Folders, open_source
from snapfind.catalog.query_input import QueryInput, as_query
from snapfind.client.batches import batches
from snapfind.client.convert import ServedAnswer, answer_of, base64_of, field_json, plain_json, product_of, query_json
from snapfind.client.models import ClientModels, wait_for_job
from snapfind.client.transport import Transport
from snapfind.core.config import Settings
from snapfind.core.errors import BadInput, Forbidden, NotFound, SnapfindError
from snapfind.core.query import QueryOptions, QueryTerm
from snapfind.core.types import Box, Kind, Product, Region, check_characters
from snapfind.events.event import Event
from snapfind.index.payload import FIXED, point_id
from snapfind.media.fetch import FetchPolicy

__all__ = ["Client"]

Progress = Callable[[int, int], None]


class Client:
    """Client of a running `snapfind serve`, with the methods of `Catalog`.

    Methods raise the same errors as those of `Catalog`, and NotReady if the server cannot be reached.

    >>> shop = snapfind.Client("http://127.0.0.1:8000", key="sf_…")
    >>> answer = shop.search("photo.jpg", filter="price < 50", session="anna")
    >>> shop.record([Event("click", search=answer.id, product=answer[0].product.id, position=1)])
    """

    def __init__(self, url: str, key: str = "", *, timeout: float = 60.0, retries: int = 3) -> None:
        self._transport = Transport(url, key, timeout, retries)
        self.settings = Settings()
        self.models = ClientModels(self._transport)

    # ── reading ───────────────────────────────────────────────────────────────────

    def search(
        self,
        query: QueryInput,
        *,
        limit: int | None = None,
        offset: int = 0,
        box: Box | None = None,
        less: Sequence[Any] = (),
        right: Sequence[str] = (),
        wrong: Sequence[str] = (),
        session: str = "",
        **options: Unpack[QueryOptions],
    ) -> ServedAnswer:
        """Search by a photo, a text, a QueryTerm, several QueryTerms, or a Query, as `Catalog.search`.

        Args:
            query: A photo, a text, one or several query terms, or a query. A str is a photo if it names a file.
            limit: Number of hits. Default: the server's setting `limit`.
            offset: Number of hits to skip.
            box: Region of the photo.
            less: Texts or photos to move away from. A text needs a text in the query, a photo a photo or product.
            right: Ids of products that the shopper marked relevant in an earlier answer.
            wrong: Ids of products that the shopper marked not relevant.
            session: Session of the shopper, for the event log. The server stores a keyed hash of it.
            options: Options of `Query`.

        Returns:
            The hits, best first. Its `id` is what events refer to.
        """
        marked = [*(QueryTerm(product=one) for one in right), *(QueryTerm(product=one, weight=-1) for one in wrong)]
        body = query_json(as_query(query, options, box=box, marked=marked, less=less)) | {"explain": True}
        if limit is not None or offset:
            body["limit"] = (limit or self._default_limit()) + offset
        answer = answer_of(
            self._transport.request_json("POST", "/v1/search", json=body | ({"session": session} if session else {}))
        )
        groups = tuple(replace(group, hits=group.hits[offset:]) for group in answer.groups)
        return replace(answer, hits=answer.hits[offset:], groups=groups) if offset else answer

    def regions(self, photo: Any) -> tuple[Region, ...]:
        """Detect candidate objects in a photo, best first."""
        found = self._transport.request_json("POST", "/v1/regions", json={"photo": base64_of(photo)})["regions"]
        return tuple(Region(Box(*region["box"]), region["score"]) for region in found)

    def compare(self, photo_a: Any, photo_b: Any) -> float:
        """Return the probability 0..1 that two photos show the same product."""
        sides = {name: {"photo": base64_of(photo)} for name, photo in (("a", photo_a), ("b", photo_b))}
        return float(self._transport.request_json("POST", "/v1/compare", json=sides)["score"])

    def get(self, product: str) -> Product:
        """Get a product with all its pictures.

        Raises:
            NotFound: There is no such product.
        """
        return product_of(self._transport.request_json("GET", _product_path(product))["product"])

    def products(self, *, filter: str | None = None) -> Iterator[Product]:
        """Iterate over all products, or those that match a filter, in a stable order."""
        params: dict[str, Any] = {"limit": 500} | ({"filter": filter} if filter else {})
        while True:
            page = self._transport.request_json("GET", "/v1/products", params=params)
            yield from (product_of(product) for product in page["products"])
            if page["next"] is None:
                return
            params["cursor"] = page["next"]

    def facets(self, name: str, *, filter: str | None = None, limit: int = 100) -> list[tuple[Any, int]]:
        """Count the products of each value of a field."""
        params = {"limit": limit} | ({"filter": filter} if filter else {})
        found = self._transport.request_json("GET", f"/v1/facets/{_quote_part(name, 'field')}", params=params)["values"]
        return [(one["value"], one["count"]) for one in found]

    def picture(self, product: str, name: str, ordinal: int = 0) -> bytes:
        """Get the stored copy of a picture, or of item `ordinal` of another media file, as JPEG without metadata.

        Raises:
            NotFound: The product has no such picture.
        """
        try:
            return self._transport.request("GET", f"/v1/pictures/{point_id(product, name, ordinal)}.jpg").content
        except NotFound:  # older catalogs have absolute paths as names, which servers do not expose
            pictures = self._transport.request_json("GET", _product_path(product))["product"]["pictures"]
            match = next((one for one in pictures if one["name"] == name), None)
            if match is None:
                raise NotFound(f"no picture {name!r} of product {product!r}") from None
            return self._transport.request("GET", f"/v1/pictures/{match['id']}.jpg").content

    def info(self) -> dict[str, Any]:
        """Get counts, model and fields. With the scope admin also the models."""
        found = self._transport.request_json("GET", "/v1/info")
        info = {name: found[name] for name in ("products", "pictures", "model", "bytes", "created", "version")}
        return info | {"path": self._transport.url, "schema": found["fields"], **self._models()}

    def _models(self) -> dict[str, Any]:
        try:
            found = self._transport.request_json("GET", "/v1/models")
        except Forbidden:
            return {"previous": "", "models": {}}
        return {"previous": found["previous"], "models": {model.pop("id"): model for model in found["models"]}}

    @property
    def schema(self) -> dict[str, Kind]:
        """The shop's own attributes and their types."""
        fields: dict[str, Kind] = self._transport.request_json("GET", "/v1/info")["fields"]
        return {name: kind for name, kind in fields.items() if name not in FIXED}

    def _default_limit(self) -> int:
        return int(self._transport.request_json("GET", "/v1/info")["limits"]["limit"])

    def __len__(self) -> int:
        """Return the number of products."""
        return int(self.info()["products"])

    def __bool__(self) -> bool:
        """Return True, also for an empty catalog and without a request."""
        return True

    # ── writing ─────────────────────────────────────────────────────────────────

    def put(self, items: Sequence[tuple[Product, Mapping[str, bytes]]]) -> AddReport:
        """Add or update products, each with the bytes of its pictures by name, as `Catalog.put`."""
        products = [
            {"id": product.id}
            | {name: field_json(name, getattr(product, name)) for name in FIXED}
            | {"attributes": {name: plain_json(value) for name, value in product.attributes.items()}}
            | {"pictures": [{"name": name, "content": base64_of(file)} for name, file in pictures.items()]}
            for product, pictures in items
        ]
        found = self._transport.request_json("POST", "/v1/products", json={"products": products})
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
        """Send a local table or folder in batches. An interrupted call can be repeated.

        Args:
            source: Table or folder on this machine.
            root: Folder that picture paths of the table are relative to. Default: the folder of the table.
            columns: As in `Catalog.add`.
            kinds: As in `Catalog.add`. Types that the server already has cannot be changed.
            folders: As in `Catalog.add`.
            progress: Called with (done, total).

        Returns:
            Counts and failures. If a batch is rejected, its products are listed as failures and the rest continues.

        Raises:
            BadInput: The source cannot be read, or a type differs from the server's.
            NotReady: The server cannot be reached.
        """
        start, report = time.monotonic(), AddReport()
        opened = open_source(
            Path(source),
            known := self.schema,
            Path(root) if root else None,
            columns=columns,
            kinds=kinds,
            folders=folders,
            fetching=FetchPolicy.of(Settings(), patient=True),
        )
        if conflicts := [name for name, kind in opened.schema.items() if known.get(name, kind) != kind]:
            raise BadInput(
                f"{conflicts[0]!r} has the type {known[conflicts[0]]} on the server; change it there: snapfind add",
                field="column",
            )
        for done, total, batch, failures in batches(opened):
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
        report.notes[:0] = opened.notes
        report.seconds = time.monotonic() - start
        return report

    def update(self, product: str, changes: Mapping[str, Any]) -> Product:
        """Update some fields of a product. `None` clears a field.

        Raises:
            NotFound: There is no such product.
        """
        body = {name: field_json(name, value) for name, value in changes.items() if name in FIXED}
        body["attributes"] = {name: plain_json(value) for name, value in changes.items() if name not in FIXED}
        return product_of(self._transport.request_json("PATCH", _product_path(product), json=body)["product"])

    def delete(self, products: Sequence[str] = (), *, filter: str | None = None) -> int:
        """Delete products by id or by filter.

        Returns:
            Number of deleted pictures.

        Raises:
            BadInput: Neither ids nor a filter are given, or both.
        """
        if bool(products) == bool(filter):
            raise BadInput("give either product ids or a filter")
        if filter:
            return int(self._transport.request_json("DELETE", "/v1/products", params={"filter": filter})["deleted"])
        deleted = 0
        for product in products:
            try:
                deleted += self._transport.request_json("DELETE", _product_path(product))["deleted"]
            except SnapfindError as error:
                if error.http_status != 404:
                    raise
        return deleted

    def record(self, events: Sequence[Event]) -> int:
        """Store events. Returns the number of new events."""
        return int(
            self._transport.request_json("POST", "/v1/events", json={"events": [_event_json(one) for one in events]})[
                "stored"
            ]
        )

    def export(self, *, filter: str | None = None, vectors: bool = False) -> Iterator[dict[str, Any]]:
        """Iterate over rows of an export, one per picture, in the columns that `add` reads."""
        started = self._transport.request_json("POST", "/v1/exports", json={"filter": filter, "vectors": vectors})
        job = wait_for_job(self._transport, started, None)
        for line in self._transport.request("GET", f"/v1/jobs/{job['id']}/file").content.splitlines():
            yield json.loads(line)

    def close(self) -> None:
        """Close the connections. May be called twice."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _product_path(product: str) -> str:
    return f"/v1/products/{_quote_part(product, 'product')}"


def _quote_part(text: str, field: str) -> str:
    """Percent-encode a text as one part of a path."""
    check_characters(text, field)
    return quote(text, safe="")


def _event_json(event: Event) -> dict[str, Any]:
    texts, numbers = "search session product category space arm id", "position propensity score quantity amount"
    fields = {name: value for name in texts.split() if (value := getattr(event, name))}
    fields |= {name: value for name in numbers.split() if (value := getattr(event, name)) is not None}
    boxes = {"box": event.box, "before": event.before}
    fields |= {name: box.as_tuple() if isinstance(box, Box) else box for name, box in boxes.items() if box is not None}
    return {"kind": event.kind, "at": event.at.isoformat(), **fields}
