"""What changes the products of a catalog; one writer at a time, and readers never wait."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from snapfind.catalog.ingest.convert_kinds import convert_attributes
from snapfind.catalog.ingest.diff import find_stored, refresh_points
from snapfind.catalog.ingest.ingest import Ingestion, Progress
from snapfind.catalog.ingest.report import AddReport
from snapfind.catalog.ingest.sources import Folders, Source, open_source
from snapfind.catalog.ingest.uploads import Uploads, apply_changes
from snapfind.catalog.read import Reading
from snapfind.catalog.storage.folder import absolute_path
from snapfind.catalog.storage.hidden import forget, hide, show
from snapfind.catalog.storage.points import file_id, items_of_file, promote, rewrite
from snapfind.core.errors import BadInput, NotFound
from snapfind.core.types import Kind, Product
from snapfind.encoders.embedding_model import Model
from snapfind.index.filters import where
from snapfind.index.payload import FIXED, product_of

__all__ = ["Writing"]


class Writing(Reading):
    """The verbs that add, change and remove."""

    def add(
        self,
        source: str | Path | Source,
        *,
        sync: bool = False,
        dry_run: bool = False,
        root: str | Path | None = None,
        columns: Mapping[str, str] = {},
        kinds: Mapping[str, Kind] = {},
        folders: Folders = "product",
        progress: Progress | None = None,
        by: type[Ingestion] | Callable[..., Ingestion] = Ingestion,
    ) -> AddReport:
        """Upsert a table (CSV, JSON, JSONL, Parquet), a folder of pictures, or a folder per product.

        What is stored already with the same bytes and fields is left alone. `columns` names those of a table that are
        called otherwise: {"id": "Handle"}; `kinds` says the kind of a column: {"size": "text"}, also of one that the
        catalog has with another kind. `folders` says what a sub-folder is: a product with its pictures, or a
        category in which each picture is a product. `sync` removes what the source no longer has; `dry_run` reads and
        reports only; `by` is what reads and encodes (`snapfind.distributed`). Rows that fail are in `report.failures`;
        cells that do not fit the kind of their column are left out and counted in `report.notes`.
        Raises BadInput, NoRoom.
        """
        if isinstance(source, (str, Path)):
            from snapfind.media.fetch import FetchPolicy

            within = absolute_path(root) if root else None
            source = open_source(
                absolute_path(source),
                self.schema,
                within,
                columns=columns,
                kinds=kinds,
                folders=folders,
                fetching=FetchPolicy.of(self.settings, patient=True),
            )
        adding = by(
            self.folder, self.index, self._write_lock, self.settings, dry_run=dry_run, read_media=self.read_media
        )
        if not dry_run:
            with self._writing:
                source.note_log.sentences.extend(self._change_kinds(source.schema))
                self._prepare(source.schema)
        report = adding.run(source, progress)
        report.notes += source.notes
        if sync:
            with self._writing:
                self._delete_absent(adding, report)
        return report

    @contextmanager
    def _write_lock(self) -> Iterator[Model]:
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
        report = Ingestion(self.folder, self.index, self._write_lock, self.settings, read_media=self.read_media).run(
            uploads
        )
        report.notes += uploads.notes
        return report

    def update(self, product: str, changes: Mapping[str, Any]) -> Product:
        """Set some fields of a product anew (`None` empties one); its pictures and vectors stay.

        Raises NotFound, and BadRow for a value of another kind.
        """
        with self._writing:
            points = find_stored(self.index, [product]).by_product.get(product, ())
            if not points:
                raise NotFound(f"no product {product!r} in this catalog")
            new = {name: value for name, value in changes.items() if name not in FIXED and value is not None}
            self._prepare(Uploads.of([(Product(product, attributes=new), {})], self.schema).schema)
            wanted = apply_changes(product_of(points[0].payload, self.schema), changes, self.schema)
            rewrite(self.index, refresh_points(points, wanted), self.model)
        return self.get(product)

    def _change_kinds(self, found: Mapping[str, Kind]) -> list[str]:
        """Give attributes that the catalog has with another kind the kind that was asked for; returns notes."""
        new_kinds = {name: kind for name, kind in found.items() if self.schema.get(name, kind) != kind}
        if not new_kinds:
            return []
        before = self.schema
        self.index.declare(new_kinds)
        self.folder.save(schema=before | new_kinds)
        self._load_contexts()
        return convert_attributes(self.index, self.model, before, new_kinds)

    def _prepare(self, found: Mapping[str, Kind]) -> None:
        new = {name: kind for name, kind in found.items() if name not in self.schema}
        if new:
            self.index.declare(new)  # before the manifest: a field that the engine refuses must not be kept there
            self.folder.save(schema=self.schema | new)
            self._load_contexts()
        for space, dim in self.model.spaces().items():
            self.index.add_space(space, dim)

    def _delete_absent(self, adding: Ingestion, report: AddReport) -> None:
        """Remove what the source does not name; nothing when a row could not even be told apart."""
        nameless = [failure for failure in report.failures if not failure.id]
        if nameless or not adding.seen:
            report.notes.append("nothing was removed: rows without an id failed, so what is gone cannot be told")
            return
        failed = {failure.id for failure in report.failures}
        gone = [
            point.id
            for point in self.points()
            if file_id(point) not in adding.seen and str(point.payload["_product"]) not in failed
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
            gone = list(self.points(chosen))
            self._remove([point.id for point in gone])
            forget(self.folder, {*products, *(str(point.payload["_product"]) for point in gone)})
        return len(gone)

    def remove(self, picture: str) -> None:
        """Remove one picture, or another media file with all its items. With its last one a product is gone.

        Args:
            picture: Id of the point of the picture, or of any item of the file.

        Raises:
            NotFound: There is no such point.
        """
        with self._writing:
            try:
                known = self.index.get([str(UUID(picture))])
            except ValueError:
                known = []
            if not known:
                raise NotFound(f"no picture {picture[:40]!r}")
            self._remove([point.id for point in items_of_file(self.index, known[0])])

    def hide(self, pictures: Sequence[str]) -> list[str]:
        """Take pictures (ids of points) out of every answer until `show`, and past `add`; returns those taken.

        With its last picture a product is hidden too. Nothing is deleted.
        """
        with self._writing:
            return hide(self.folder, self.index, self.model, self.schema, pictures)

    def show(self, pictures: Sequence[str]) -> list[str]:
        """Put hidden pictures back as they were, with the fields of their product as they are now; returns these."""
        with self._writing:
            return show(self.folder, self.index, self.model, self.settings, pictures)

    def _remove(self, points: Sequence[str]) -> None:
        orphans = {str(point.payload["_product"]) for point in self.index.get(points) if point.payload["_primary"]}
        self.index.delete(list(points))
        for point in points:
            self.folder.copy_of(point).unlink(missing_ok=True)
        if orphans:
            promote(self.index, sorted(orphans), self.model, self.schema)
