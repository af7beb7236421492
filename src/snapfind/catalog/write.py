"""Write methods of a catalog. One writer runs at a time. Readers never wait."""

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
from snapfind.catalog.read import CatalogReader
from snapfind.catalog.storage.folder import absolute_path
from snapfind.catalog.storage.hidden import forget, hide, show
from snapfind.catalog.storage.points import file_id, items_of_file, promote, rewrite
from snapfind.core.errors import BadInput, NotFound
from snapfind.core.types import Kind, Product
from snapfind.encoders.embedding_model import Model
from snapfind.index.filters import where
from snapfind.index.payload import FIXED, product_of

__all__ = ["CatalogWriter"]


class CatalogWriter(CatalogReader):
    """Methods that add, change and delete products."""

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

        Files that are stored with the same bytes and fields are skipped, so an interrupted run can be repeated.

        Args:
            source: The table or folder.
            sync: Delete what the source no longer has.
            dry_run: Read and report, but write nothing.
            root: Folder that names of pictures are relative to. None: the folder of the table.
            columns: Columns of a table by meaning, if they have other names: {"id": "Handle"}.
            kinds: Kinds of columns: {"size": "text"}. Stored values of another kind are converted.
            folders: Meaning of a sub-folder: a `product` with its pictures, or a `category` in which each picture is a
                product.
            progress: Called with (items done, items in total; 0: unknown).
            by: Class that reads and encodes. See `snapfind.distributed`.

        Returns:
            Counts, failures, and notes on cells that were left out.

        Raises:
            BadInput: The source cannot be read.
            NoRoom: The disk is full.
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
        ingestion = by(
            self.folder, self.index, self._write_lock, self.settings, dry_run=dry_run, read_media=self.read_media
        )
        if not dry_run:
            with self._writing:
                source.note_log.sentences.extend(self._change_kinds(source.schema))
                self._prepare(source.schema)
        report = ingestion.run(source, progress)
        report.notes += source.notes
        if sync:
            with self._writing:
                self._delete_absent(ingestion, report)
        return report

    @contextmanager
    def _write_lock(self) -> Iterator[Model]:
        with self._writing:
            yield self.model

    def put(self, given: Sequence[tuple[Product, Mapping[str, bytes]]]) -> AddReport:
        """Upsert products as values. Other stored pictures of a product stay.

        Args:
            given: Products, each with the bytes of its pictures by name. One without pictures changes the fields of a
                stored product.

        Returns:
            Counts, failures and notes.

        Raises:
            NoRoom: The disk is full.
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
        """Change some fields of a product. Its pictures stay.

        Args:
            product: Product id.
            changes: New values by field. None empties a field.

        Returns:
            The changed product.

        Raises:
            NotFound: There is no such product.
            BadRow: A value is of another kind.
        """
        with self._writing:
            points = find_stored(self.index, [product]).by_product.get(product, ())
            if not points:
                raise NotFound(f"no product {product!r} in this catalog")
            new = {name: value for name, value in changes.items() if name not in FIXED and value is not None}
            self._prepare(Uploads.of([(Product(product, attributes=new), {})], self.schema).schema)
            changed = apply_changes(product_of(points[0].payload, self.schema), changes, self.schema)
            rewrite(self.index, refresh_points(points, changed), self.model)
        return self.get(product)

    def _change_kinds(self, kinds: Mapping[str, Kind]) -> list[str]:
        """Change the kinds of attributes that the catalog has with another kind. Return notes."""
        new_kinds = {name: kind for name, kind in kinds.items() if self.schema.get(name, kind) != kind}
        if not new_kinds:
            return []
        before = self.schema
        self.index.declare(new_kinds)
        self.folder.save(schema=before | new_kinds)
        self._load_contexts()
        return convert_attributes(self.index, self.model, before, new_kinds)

    def _prepare(self, kinds: Mapping[str, Kind]) -> None:
        new = {name: kind for name, kind in kinds.items() if name not in self.schema}
        if new:
            self.index.declare(new)  # before the manifest, so that a field that the engine rejects is not in it
            self.folder.save(schema=self.schema | new)
            self._load_contexts()
        for space, dim in self.model.spaces().items():
            self.index.add_space(space, dim)

    def _delete_absent(self, ingestion: Ingestion, report: AddReport) -> None:
        """Delete what the source does not have, unless a row without an id failed."""
        nameless = [failure for failure in report.failures if not failure.id]
        if nameless or not ingestion.point_ids:
            report.notes.append("nothing was deleted, because rows without an id failed")
            return
        failed = {failure.id for failure in report.failures}
        gone = [
            point.id
            for point in self.points()
            if file_id(point) not in ingestion.point_ids and str(point.payload["_product"]) not in failed
        ]
        report.removed = len(gone)
        if not report.dry_run:
            self._remove(gone)

    def delete(self, products: Sequence[str] = (), *, filter: str | None = None) -> int:
        """Delete products with all their pictures.

        Args:
            products: Product ids.
            filter: Filter expression, instead of ids.

        Returns:
            Number of deleted points.

        Raises:
            BadInput: Neither or both are given.
            BadFilter: The filter is invalid.
        """
        if bool(products) == bool(filter):
            raise BadInput("pass either product ids or a filter")
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
        """Hide pictures from all searches and lists until `show`. `add` does not add them again.

        A product whose last picture is hidden is hidden too. Nothing is deleted.

        Args:
            pictures: Ids of points.

        Returns:
            Ids of those that were hidden now.
        """
        with self._writing:
            return hide(self.folder, self.index, self.model, self.schema, pictures)

    def show(self, pictures: Sequence[str]) -> list[str]:
        """Show hidden pictures again, with the current fields of their product.

        Args:
            pictures: Ids of points.

        Returns:
            Ids of those that were shown now.
        """
        with self._writing:
            return show(self.folder, self.index, self.model, self.settings, pictures)

    def _remove(self, points: Sequence[str]) -> None:
        orphans = {str(point.payload["_product"]) for point in self.index.get(points) if point.payload["_primary"]}
        self.index.delete(list(points))
        for point in points:
            self.folder.copy_of(point).unlink(missing_ok=True)
        if orphans:
            promote(self.index, sorted(orphans), self.model, self.schema)
