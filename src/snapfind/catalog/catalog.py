"""The catalogue: products, pictures and spaces in one folder, and the verbs that the three doors share."""

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from snapfind._version import __version__
from snapfind.catalog import models
from snapfind.catalog.add import Adding, Progress
from snapfind.catalog.asking import Wanted, as_mark, as_query
from snapfind.catalog.calibrating import refit
from snapfind.catalog.folder import Folder
from snapfind.catalog.plan import held, refreshed
from snapfind.catalog.points import points_of, promote, rewrite, row_of
from snapfind.catalog.report import AddReport
from snapfind.catalog.snapshot import pack
from snapfind.catalog.sources import open_source
from snapfind.catalog.uploads import Uploads, changed
from snapfind.encoders.builtin import Builtin
from snapfind.encoders.model import Model
from snapfind.errors import BadInput, NotFound
from snapfind.events.store import EventStore
from snapfind.index import edge
from snapfind.index.filters import Filter, parse, where
from snapfind.index.payload import FIXED, SYSTEM, picture_of, point_id, product_of
from snapfind.index.port import Index, Point
from snapfind.media.images import Decode, Limits, load
from snapfind.media.images import Source as Photo
from snapfind.search.explain import Explanation, explain
from snapfind.search.pair import compare
from snapfind.search.pipeline import search
from snapfind.search.shelf import Shelf
from snapfind.search.sight import regions_of
from snapfind.settings import Settings
from snapfind.types import Answer, Box, Kind, Order, Picture, Product, Region, Regions

__all__ = ["Catalog", "open_catalog"]


def open_catalog(path: str | Path, *, create: bool = True, **settings: int | float | str) -> "Catalog":
    """Open a catalogue folder, or make one; `settings` are those of docs/reference/settings.md.

    >>> shop = snapfind.open("shop.snap")

    Raises NotFound (with `create=False`), CatalogBusy when another process has it open, CatalogBroken.
    """
    return Catalog(Folder(Path(path), create=create), Settings(settings))


class Catalog:
    """An open catalogue; any thread may call it. Close it, or use it in a `with` block, to give the folder back."""

    def __init__(self, folder: Folder, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self._writing = threading.Lock()
        self.decode: Decode = load  # a server puts one here that decodes in another process
        self._closed = False
        try:
            self.index: Index = edge.open(folder.index)
            self._begin()
        except BaseException:
            folder.close()
            raise

    def _begin(self) -> None:
        self.model = models.open_model(self.folder, self.settings)
        if not self.folder.manifest.active:
            self.folder.save(created=datetime.now(UTC).isoformat(timespec="seconds"), version=__version__)
            models.enlist(self.folder, self.model.photo, adapted=False, ready=True)
            self.folder.save(active=self.model.photo.space.id)
        # long texts need no index of their own: words find them
        indexed = {name: kind for name, kind in FIXED.items() if name != "description"}
        self.index.declare(SYSTEM | indexed | self.schema)
        self._reshelve()

    @cached_property
    def events(self) -> EventStore:
        """What shoppers did: a file of SQLite in the folder, or the database of the setting `events`."""
        place = self.settings.text("events") or self.folder.path / "events.db"
        return EventStore.at(place, salt_days=self.settings.number("salt_days"))

    def _reshelve(self) -> None:
        learnt = models.learnt(self.folder)
        self.shelf = Shelf(
            *(self.index, self.model, learnt.calibration, self.schema, self.settings, learnt.prototypes),
            models.reranker(self.folder, self.model.photo),
            lambda point: models.copied(self.folder, point, self.settings),
            models.ranker(self.folder),
        )

    @property
    def schema(self) -> dict[str, Kind]:
        """The shop's own attributes and their kinds."""
        return self.folder.manifest.schema

    # ── adding and removing ──────────────────────────────────────────────────────

    def add(
        self,
        source: str | Path,
        *,
        sync: bool = False,
        dry_run: bool = False,
        root: str | Path | None = None,
        progress: Progress | None = None,
    ) -> AddReport:
        """Upsert a table (CSV, JSONL, Parquet), a folder of pictures, or a folder per product.

        What is stored already with the same bytes and fields is left alone; `sync` removes what the source no longer
        has; `dry_run` reads and reports only. Rows that fail are in `report.failures`. Raises BadInput, NoRoom.
        """
        found = open_source(Path(source), self.schema, Path(root) if root else None)
        adding = Adding(self.folder, self.index, self._turn, self.settings, dry_run=dry_run, decode=self.decode)
        if not dry_run:
            with self._writing:
                self._prepare(found.schema)
        report = adding.run(found, progress)
        if sync:
            with self._writing:
                self._sync(adding, report)
        return report

    @contextmanager
    def _turn(self) -> Iterator[Model]:
        with self._writing:
            yield self.model

    def put(self, given: Sequence[tuple[Product, Mapping[str, bytes]]]) -> AddReport:
        """Upsert products as values, each with the bytes of its pictures by name.

        A product without pictures changes the fields of one that is stored; other pictures of a product stay.
        Products that fail are in `report.failures`. Raises NoRoom.
        """
        with self._writing:
            uploads = Uploads.of(given, self.schema)
            self._prepare(uploads.schema)
        return Adding(self.folder, self.index, self._turn, self.settings, decode=self.decode).run(uploads)

    def update(self, product: str, changes: Mapping[str, Any]) -> Product:
        """Set some fields of a product anew (`None` empties one); its pictures and vectors stay.

        Raises NotFound, and BadRow for a value of another kind.
        """
        with self._writing:
            points = held(self.index, [product]).by_product.get(product, ())
            if not points:
                raise NotFound(f"no product {product!r} in this catalogue")
            new = {name: value for name, value in changes.items() if name not in FIXED and value is not None}
            self._prepare(Uploads.of([(Product(product, attributes=new), {})], self.schema).schema)
            wanted = changed(product_of(points[0].payload, self.schema), changes, self.schema)
            rewrite(self.index, refreshed(points, wanted), self.model)
        return self.get(product)

    def _prepare(self, found: Mapping[str, Kind]) -> None:
        new = {name: kind for name, kind in found.items() if name not in self.schema}
        if new:
            self.folder.save(schema=self.schema | new)
            self.index.declare(new)
            self._reshelve()
        for space, dim in self.model.spaces().items():
            self.index.add_space(space, dim)

    def _sync(self, adding: Adding, report: AddReport) -> None:
        """Remove what the source does not name; nothing when a row could not even be told apart."""
        nameless = [failure for failure in report.failures if not failure.id]
        if nameless or not adding.seen:
            report.notes.append("nothing was removed: rows without an id failed, so what is gone cannot be told")
            return
        failed = {failure.id for failure in report.failures}
        gone = [
            point.id
            for point in self.points()
            if point.id not in adding.seen and str(point.payload["_product"]) not in failed
        ]
        report.removed = len(gone)
        if not report.dry_run:
            self._remove(gone)

    def delete(self, products: Sequence[str] = (), *, filter: str | None = None) -> int:
        """Remove products by id or by filter, with all their pictures; returns how many pictures went.

        Raises BadInput when neither is given, BadFilter.
        """
        if bool(products) == bool(filter):
            raise BadInput("give product ids or a filter: one of the two says what to delete")
        chosen = self._parsed(filter) if filter else where("_product", list(products))
        with self._writing:
            gone = [point.id for point in self.points(chosen)]
            self._remove(gone)
        return len(gone)

    def remove(self, picture: str) -> None:
        """Remove one picture by the id of its point; with its last picture a product is gone. Raises NotFound."""
        with self._writing:
            try:
                known = self.index.get([str(UUID(picture))])
            except ValueError:
                known = []
            if not known:
                raise NotFound(f"no picture {picture[:40]!r}")
            self._remove([known[0].id])

    def _parsed(self, filter: str) -> Filter:
        return parse(filter, self.schema, self.settings.whole("max_filter"))

    def _remove(self, points: Sequence[str]) -> None:
        orphans = {str(point.payload["_product"]) for point in self.index.get(points) if point.payload["_primary"]}
        self.index.delete(list(points))
        for point in points:
            self.folder.copy_of(point).unlink(missing_ok=True)
        if orphans:
            promote(self.index, sorted(orphans), self.model, self.schema)

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
        right: Sequence[str | Photo] = (),
        wrong: Sequence[str | Photo] = (),
        order: Order | None = None,
        recent: Sequence[str] = (),
    ) -> Answer:
        """Products for a photo (path, bytes, PIL image), a text, a Like, several Likes, or a Query; best first.

        `filter` is an expression such as `price < 50 and in_stock`; `box` limits the photo to a region; without one
        its `subject` is found (`regions`: "subject", "whole", or "all" objects, each with hits of its own); products
        of `category` come first. `right` and `wrong` are products (ids) or photos that the shopper marked in an
        earlier answer. `order="likeness"` leaves out a click ranker (`Catalog.rank`); `recent` is what the
        shopper opened before, for the ranker.

        Raises BadPicture, BadFilter, BadQuery, NotFound.

        >>> for hit in shop.search("photo.jpg", filter="price < 50"):
        ...     print(hit.product.title, hit.score, hit.verdict)
        """
        marked = [*(as_mark(one, 1.0) for one in right), *(as_mark(one, -1.0) for one in wrong)]
        query = as_query(wanted, filter, box, regions, category, marked)
        query = replace(query, order=order or query.order, recent=(*query.recent, *recent))
        return search(query, self.shelf, limit=limit, offset=offset)

    def regions(self, photo: Photo) -> tuple[Region, ...]:
        """The candidate objects of a photo (path, bytes, PIL image), best first; empty where nothing stands out.

        Raises BadPicture.
        """
        return regions_of(photo, self.shelf)

    def compare(self, photo_a: Photo, photo_b: Photo) -> float:
        """Probability 0..1 that two photos show the same product; the order does not matter. Raises BadPicture."""
        return compare(photo_a, photo_b, self.shelf)

    def explain(self, photo: Photo, product: str, picture: str, box: Box | None = None) -> Explanation:
        """What in a photo, or in the `box` of it that was searched, and what in a product's picture made the two alike.

        Heat maps 0..1. Raises BadPicture, NotFound.
        """
        limits = Limits.of(self.settings)
        image = load(photo, limits, side=2 * self.model.photo.preprocessing.side)
        part = image.crop(box.pixels(*image.size)) if box else image
        return explain(part, load(self.picture(product, picture), limits), self.model.photo)

    def get(self, product: str) -> Product:
        """A product with all its pictures. Raises NotFound."""
        points = sorted(self.points(where("_product", [product])), key=lambda point: not point.payload["_primary"])
        if not points:
            raise NotFound(f"no product {product!r} in this catalogue")
        pictures = tuple(picture_of(point.payload) for point in points)
        return product_of(points[0].payload, self.schema, pictures)

    def products(self, *, filter: str | None = None) -> Iterator[Product]:
        """Every product, or those that fit a filter, in a stable order; `pictures` holds the main one."""
        chosen = self._parsed(filter) if filter else None
        primary = where("_primary", [True])
        for point in self.points(chosen & primary if chosen else primary):
            yield product_of(point.payload, self.schema, (picture_of(point.payload),))

    def page(
        self, *, filter: str | None = None, after: str | None = None, limit: int = 100
    ) -> tuple[list[Product], str | None]:
        """Up to `limit` products with all their pictures, and what to give as `after` for the next ones."""
        chosen = self._parsed(filter) if filter else None
        primary = where("_primary", [True])
        page = self.index.scroll(chosen & primary if chosen else primary, after=after, limit=limit)
        pictures: dict[str, list[Picture]] = {str(point.payload["_product"]): [] for point in page.points}
        for point in self.points(where("_product", list(pictures))) if pictures else ():
            own = pictures[str(point.payload["_product"])]
            own.insert(0 if point.payload["_primary"] else len(own), picture_of(point.payload))
        products = [
            product_of(point.payload, self.schema, tuple(pictures[str(point.payload["_product"])]))
            for point in page.points
        ]
        return products, page.after

    def export(self, *, filter: str | None = None, vectors: bool = False) -> Iterator[dict[str, Any]]:
        """One row for each picture, in the columns that `add` reads; `_vectors` maps spaces to lists of floats."""
        chosen = self._parsed(filter) if filter else None
        for point in self.points(chosen, vectors=vectors):
            yield row_of(point, vectors=vectors)

    def facets(self, name: str, *, filter: str | None = None, limit: int = 100) -> list[tuple[Any, int]]:
        """Values of a field and the number of products that have each, most frequent first. Raises BadFilter."""
        if name not in {**FIXED, **self.schema}:
            raise BadInput(f"no field {name!r}; there are: {', '.join({**FIXED, **self.schema})}", field="facet")
        primary = where("_primary", [True])
        chosen = self._parsed(filter) & primary if filter else primary
        return self.index.facets(name, chosen, limit)

    def picture(self, product: str, name: str) -> bytes:
        """The kept copy of a picture: a JPEG without metadata. Raises NotFound."""
        try:
            return self.copy(point_id(product, name))
        except NotFound:
            raise NotFound(f"no picture {name!r} of product {product!r}") from None

    def copy(self, picture: str) -> bytes:
        """The kept copy by the id of the picture's point. Raises NotFound."""
        try:
            return self.folder.copy_of(str(UUID(picture))).read_bytes()
        except (OSError, ValueError):
            raise NotFound(f"no picture {picture[:40]!r}") from None

    def __len__(self) -> int:
        """Number of products."""
        return self.index.count(where("_primary", [True]))

    def info(self) -> dict[str, Any]:
        """Counts, models, kinds of the attributes, bytes on disk."""
        manifest = self.folder.manifest
        return {
            "path": str(self.folder.path),
            "products": len(self),
            "pictures": self.index.count(),
            "model": manifest.active,
            "previous": manifest.previous,
            "models": manifest.models,
            "schema": {**FIXED, **self.schema},
            "bytes": self.folder.size(),
            "created": manifest.created,
            "version": manifest.version,
        }

    @property
    def fitted(self) -> bool:
        """Whether the model that answers was fitted to this catalogue."""
        return bool(self.folder.manifest.models[self.folder.manifest.active]["adapted"])

    # ── models ───────────────────────────────────────────────────────────────────

    def fit(self, *, progress: Progress | None = None) -> str:
        """Fit the encoder to the catalogue's own pictures, build the new space beside the old one, and switch.

        No photo of a shopper and no label is used. Returns the model's name. Raises BadInput with too few pictures.
        """
        encoder = models.fit(self.folder, self.index, self.model, self.settings, progress)
        self._build(encoder, progress)
        self.switch(encoder.space.id)
        with suppress(BadInput):  # of a single product there is nothing to learn
            self.calibrate(progress=progress)
        return encoder.space.id

    def calibrate(
        self, confirmed: Sequence[tuple[Photo, str]] | None = None, *, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Fit the scores of the active model, and its picture of the categories, to this catalogue.

        Without a label from its own pictures; with `confirmed` (photo, product id) pairs from those: 30 or more.
        Returns what was learnt and from what. Raises BadInput, BadPicture.
        """
        if confirmed is None:
            found = models.calibrate(self.folder, self.shelf, progress)
        else:
            limits, side = Limits.of(self.settings), self.model.photo.preprocessing.side
            found = refit([(load(photo, limits, side=side), product) for photo, product in confirmed], self.shelf)
            found.save(self.folder.space(self.folder.manifest.active))
        self._reshelve()
        return {"photo": found.calibration.photo, "categories": len(found.prototypes.names), **(found.told or {})}

    def build(self, encoder: str, *, progress: Progress | None = None) -> str:
        """Build the space of another shipped encoder (`lite2`) beside the active one; `switch` makes it answer."""
        other = models.raw_encoder(encoder, self.settings)
        if other.space.id not in self.folder.manifest.models:
            models.enlist(self.folder, other, adapted=False, ready=False)
        self._build(other, progress)
        return other.space.id

    def adopt(self, artifact: str | Path, *, progress: Progress | None = None) -> str:
        """Build the space of an artifact of `snapfind learn` beside the active one; `switch` makes it answer.

        Returns the model's name. Raises NotFound, ModelBroken.
        """
        encoder = models.adopt(self.folder, Path(artifact), self.settings)
        self._build(encoder, progress)
        return encoder.space.id

    def _build(self, encoder: Builtin, progress: Progress | None) -> None:
        # most of it a batch at a time, so that other writers get their turn; then what they left, with the door shut
        models.build(self.folder, self.index, encoder, self.settings, self._turn, progress)
        with self._writing:
            models.build(self.folder, self.index, encoder, self.settings, nullcontext)
            models.made_ready(self.folder, encoder.space.id)
            self.model = models.open_model(self.folder, self.settings)
            self._reshelve()

    def switch(self, model: str) -> None:
        """Let another built model answer from now on. Raises NotFound, BadInput when it is not built to the end."""
        manifest = self.folder.manifest
        if model not in manifest.models:
            raise NotFound(f"no model {model!r}; there are: {', '.join(manifest.models)}")
        if not manifest.models[model]["ready"]:
            raise BadInput(f"model {model} is not built to the end; run: snapfind model build")
        if model != manifest.active:
            self.folder.save(active=model, previous=manifest.active)
            self.model = models.open_model(self.folder, self.settings)
            self._reshelve()

    def rollback(self) -> str:
        """Switch back to the model before; returns its name. Raises NotFound when there is none."""
        previous = self.folder.manifest.previous
        if not previous:
            raise NotFound("there is no model to go back to: none was switched yet")
        self.switch(previous)
        return previous

    def rerank(self, method: str | None) -> None:
        """Look at the first ten candidates of a photo once more, by "geometry"; None: not, as it is at first.

        It belongs to the model that answers. Raises BadInput for another method.
        """
        with self._writing:
            models.rerank(self.folder, method)
            self._reshelve()

    def rank(self, artifact: str | Path | None) -> None:
        """Order products of one verdict by the click ranker of `snapfind rank fit`; None: not, as it is at first.

        It belongs to the model that answers. Raises NotFound, ModelBroken.
        """
        with self._writing:
            models.rank(self.folder, None if artifact is None else Path(artifact))
            self._reshelve()

    # ── the folder ───────────────────────────────────────────────────────────────

    def snapshot(self, target: str | Path) -> int:
        """Write the open catalogue into a tar with checksums; writers wait, searches go on. Returns its bytes.

        Raises BadInput when the file is there already, NoRoom.
        """
        with self._writing, tempfile.TemporaryDirectory() as spare:
            self.index.flush()
            copies = (
                {"events.db": self.events.copy(Path(spare) / "events.db")} if not self.settings.text("events") else {}
            )
            return pack(self.folder.path, Path(target), copies)

    def optimize(self) -> None:
        """Build search graphs and merge the engine's files."""
        self.index.optimize()

    def close(self) -> None:
        """Flush and give the folder back; closing twice is harmless."""
        if not self._closed:
            self._closed = True
            if "events" in self.__dict__:
                self.events.close()
            self.index.close()
            self.folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def points(self, chosen: Filter | None = None, *, vectors: bool = False) -> Iterator[Point]:
        return points_of(self.index, chosen, vectors=vectors)
