"""Ingestion: items in chunks -> compare -> decode in a pool -> encode in batches -> upsert.

The index is the journal. A point that it acknowledged is durable and has the hash of its file. So an interrupted run
continues where it stopped, and a second run over the same source encodes nothing. Copies are written before their
points. A copy without a point is overwritten by the next run.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial

from PIL.Image import Image

from snapfind.catalog.ingest.diff import StoredPoints, find_stored, read_bytes, refresh_points
from snapfind.catalog.ingest.duplicates import find_duplicates
from snapfind.catalog.ingest.report import AddReport
from snapfind.catalog.ingest.sources import Failure, Item, Remote, Source
from snapfind.catalog.ingest.uploads import Uploads
from snapfind.catalog.storage.folder import Folder
from snapfind.catalog.storage.hidden import hidden_hash
from snapfind.catalog.storage.points import rewrite, title_vectors
from snapfind.core.config import Settings
from snapfind.core.errors import BadPicture, NoRoom
from snapfind.core.types import Picture, Product
from snapfind.encoders.base import Vectors
from snapfind.encoders.embedding_model import Model
from snapfind.encoders.ocr.reader import join_lines, open_reader
from snapfind.index.base import Index, Point
from snapfind.index.payload import point_id, to_payload, words_of
from snapfind.media.base import MediaItem, ReadMedia
from snapfind.media.handlers import IMAGES, handler_for, read_media
from snapfind.media.image.decode import Limits
from snapfind.media.image.fingerprint import is_blank
from snapfind.media.image.thumbnail import thumbnail
from snapfind.media.prefetch import map_ahead

__all__ = ["Ingestion", "PreparedItem", "Progress", "WriteLock"]

Progress = Callable[[int, int], None]
_LISTED = 5  # pictures that are listed in a note
WriteLock = Callable[[], AbstractContextManager[Model]]  # the lock of a writer, which yields the active model


@dataclass(frozen=True, slots=True)
class PreparedItem:
    """A media item that is ready to be encoded.

    Args:
        item: The file.
        point: Id of its point.
        picture: What the index stores about it.
        image: Image for the encoder, reduced already.
        is_new: True if the catalog does not have the file yet.
        vectors: Id of the space -> (dim,) unit vector, if other machines have encoded it already.
    """

    item: Item
    point: str
    picture: Picture
    image: Image
    is_new: bool
    vectors: Mapping[str, Vectors] = field(default_factory=dict)


class Ingestion:
    """One run of `add`. Subclasses that read and encode on other machines override `outcomes` and `vectors`.

    Args:
        folder: Folder of the catalog.
        index: Index to write to.
        turn: Lock of writers, held for each chunk.
        settings: Settings of the catalog.
        dry_run: Read and report, but write nothing.
        read_media: Reads media files.

    Attributes:
        report: Report, updated while running.
        point_ids: Ids of the first points of all files of the source.
    """

    chunk = 128  # items per lock of the writer, and per lookup in the index

    def __init__(
        self,
        folder: Folder,
        index: Index,
        turn: WriteLock,
        settings: Settings,
        *,
        dry_run: bool = False,
        read_media: ReadMedia = read_media,
    ) -> None:
        self.folder, self.index, self._write_lock, self._read_media = folder, index, turn, read_media
        self.settings, self.limits = settings, Limits.of(settings)
        self.report = AddReport(dry_run=dry_run)
        self.point_ids: set[str] = set()
        self._blank: list[str] = []
        self._reader = open_reader(settings, "add")

    def run(self, source: Source | Uploads, progress: Progress | None = None) -> AddReport:
        """Add every item of a source. Failures are reported, and do not stop the others.

        Args:
            source: The source.
            progress: Called with (items done, items in total; 0: unknown).

        Returns:
            The report.

        Raises:
            NoRoom: The disk is full.
        """
        begin, done = time.monotonic(), 0
        workers = min(8, self.settings.whole("threads") or 2)
        items = iter(source)
        with ThreadPoolExecutor(workers, thread_name_prefix="snapfind-decode") as pool:
            while chunk := list(itertools.islice(items, self.chunk)):
                with self._write_lock() as self.model:
                    for finished in self._chunk(chunk, pool):
                        done += finished
                        if progress:
                            progress(min(done, source.total or done), source.total)
        self.report.seconds = time.monotonic() - begin
        if self._blank:
            self.report.notes.append(_blank_note(self._blank))
        return self.report

    def _chunk(self, chunk: Sequence[Item | Failure | Product], pool: ThreadPoolExecutor) -> Iterator[int]:
        failures = [entry for entry in chunk if isinstance(entry, Failure)]
        bare = {entry.id: entry for entry in chunk if isinstance(entry, Product)}
        self.report.failures += failures
        # the last row of a picture counts, and the last row of a product for all its pictures
        items = {point_id(entry.product.id, entry.picture): entry for entry in chunk if isinstance(entry, Item)}
        products = bare | {item.product.id: item.product for item in items.values()}
        stored = find_stored(self.index, list(products))
        items = _with_stored_names(items, stored)
        self.point_ids |= items.keys()
        fresh = self._refresh(stored, products)
        self._count_bare(bare, stored, fresh)
        yield len(failures) + len(bare)
        primaries = {
            product for product, points in stored.by_product.items() if any(one.payload["_primary"] for one in points)
        }
        outcomes = self._decoded(items, stored, fresh, pool)
        for batch, finished in _batches(outcomes, self.settings.whole("batch")):
            if batch and not self.report.dry_run:
                self._write(batch, products, primaries, stored)
            yield finished

    def _count_bare(self, bare: Iterable[str], stored: StoredPoints, fresh: set[str]) -> None:
        for product in bare:
            points = stored.by_product.get(product, ())
            if not points:
                reason = "the product is new and has no picture; add at least one"
                self.report.failures.append(Failure(product, "picture_missing", "", reason))
            renewed = sum(point.id in fresh for point in points)
            self.report.updated += renewed
            self.report.unchanged += len(points) - renewed

    def _decoded(
        self, items: dict[str, Item], stored: StoredPoints, fresh: set[str], pool: ThreadPoolExecutor
    ) -> Iterator[tuple[PreparedItem, ...]]:
        """Read the files in order, with a bounded number of images in memory. Empty for one that is not encoded."""
        for point, outcome in self.outcomes(items, stored, pool):
            if isinstance(outcome, Failure):
                self.report.failures.append(outcome)
            elif outcome is None and point in fresh:
                self.report.updated += 1
            elif outcome is None:
                self.report.unchanged += 1
            elif outcome[0].is_new:
                self.report.added += 1
            else:
                self.report.changed += 1
            if isinstance(outcome, tuple):
                if all(is_blank(ready.image) for ready in outcome):
                    self._blank.append(outcome[0].picture.name)
                yield outcome
            else:
                yield ()

    def outcomes(
        self, items: Mapping[str, Item], stored: StoredPoints, pool: ThreadPoolExecutor
    ) -> Iterator[tuple[str, tuple[PreparedItem, ...] | Failure | None]]:
        """Read the files of a chunk.

        Args:
            items: The files by the id of their first point.
            stored: Points of their products in the index.
            pool: Threads that read and decode.

        Yields:
            Id of the first point of a file, and its media items, a failure, or None if the stored content is the same.
        """
        prepare = partial(self._prepare, stored=stored)
        images = all(handler_for(_file_name(item)) is IMAGES for item in items.values())
        depth = 2 * self.settings.whole("batch") if images else 2  # a video holds as many images as a batch, or more
        for (point, _), outcome in map_ahead(pool, prepare, items.items(), depth):
            yield point, outcome

    def vectors(self, batch: Sequence[PreparedItem]) -> Mapping[str, Vectors]:
        """Encode the images of a batch.

        Args:
            batch: n items.

        Returns:
            Space id -> unit rows of shape (n, dim).
        """
        return self.model.encode_document_images([ready.image for ready in batch])

    def _prepare(self, entry: tuple[str, Item], stored: StoredPoints) -> tuple[PreparedItem, ...] | Failure | None:
        point, item = entry
        known = {stored.hash_of(point), hidden_hash(self.folder, point)} - {""}
        if known and isinstance(item, Remote):
            return None
        keep_side = self.settings.whole("keep_side")
        try:
            content, digest = read_bytes(item, self.limits.max_bytes)
            if digest in known:
                return None
            side = max(keep_side, self.model.photo.preprocessing.source_side)
            ready, copies = [], []
            for media in self._read_media(_file_name(item), content, self.limits, side=side):
                ready.append(self._ready(item, point, digest, media, stored, self._read_text(item, content)))
                copies.append(thumbnail(media.image, keep_side))
        except BadPicture as error:
            return Failure(item.product.id, error.code, item.picture, error.message)
        if not self.report.dry_run:
            for one, copy in zip(ready, copies):
                self.keep(one.point, copy)
        return tuple(ready)

    def _ready(
        self, item: Item, first: str, digest: str, media: MediaItem, stored: StoredPoints, read: str | None
    ) -> PreparedItem:
        width, height = media.image.size
        picture = Picture(
            item.picture,
            digest,
            width,
            height,
            kind=media.kind,
            ordinal=media.ordinal,
            start=media.start,
            end=media.end,
            read=read,
        )
        point = point_id(item.product.id, item.picture, media.ordinal) if media.ordinal else first
        return PreparedItem(item, point, picture, self.model.prepare(media.image), is_new=first not in stored.points)

    def _read_text(self, item: Item, content: bytes) -> str | None:
        """Read the text in an image. None if it is not read."""
        if self._reader is None or handler_for(_file_name(item)) is not IMAGES or self.report.dry_run:
            return None
        # Decoded again, because text needs more pixels than the encoder does, and embeddings must not depend on it.
        media = next(iter(self._read_media(_file_name(item), content, self.limits, side=self._reader.side)))
        return join_lines(self._reader.read(media.image))

    def keep(self, point: str, copy: bytes) -> None:
        """Write the stored copy of an item.

        Args:
            point: Id of its point.
            copy: Bytes of a JPEG file.

        Raises:
            NoRoom: The disk is full.
        """
        path = self.folder.copy_of(point)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(copy)
        except OSError as error:
            raise NoRoom(f"the copy of a picture cannot be written: {error.strerror}; free some space") from error

    def _write(
        self,
        files: Sequence[tuple[PreparedItem, ...]],
        products: dict[str, Product],
        primaries: set[str],
        stored: StoredPoints,
    ) -> None:
        self._remove_stale(files, primaries, stored)
        batch = [ready for file in files for ready in file]
        points = []
        for ready, own in zip(batch, self._vectors(batch)):
            product, old = products[ready.item.product.id], stored.points.get(ready.point)
            primary = bool(old and old.payload["_primary"]) or product.id not in primaries
            primaries.add(product.id)
            payload = to_payload(product, ready.picture, primary=primary)
            points.append(Point(ready.point, own, words_of(product, ready.picture.read) if primary else "", payload))
        points = _with_title_vectors(points, self.model)
        # the first item of a file goes last: its hash says that the others are stored
        self.index.upsert(sorted(points, key=lambda point: "_item" not in point.payload))
        images = {ready.point: ready.image for ready in batch}
        space = self.model.photo.space.id
        self.report.duplicates += find_duplicates(self.index, self.folder, space, points, images, self.limits)

    def _vectors(self, batch: Sequence[PreparedItem]) -> Iterator[dict[str, Vectors]]:
        """Yield space id -> (dim,) unit row for each image. Images are encoded in batches of the setting."""
        size = self.settings.whole("batch")
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            vectors = self.vectors(part)
            yield from ({space: matrix[row] for space, matrix in vectors.items()} for row in range(len(part)))

    def _remove_stale(
        self, files: Sequence[tuple[PreparedItem, ...]], primaries: set[str], stored: StoredPoints
    ) -> None:
        """Delete the items of earlier versions of files that have fewer items now."""
        for file in files:
            first = file[0]
            stale = [
                point
                for point in stored.by_product.get(first.item.product.id, ())
                if point.payload["_picture"] == first.picture.name and point.payload.get("_item", 0) >= len(file)
            ]
            if stale:
                self.index.delete([point.id for point in stale])
            for point in stale:
                self.folder.copy_of(point.id).unlink(missing_ok=True)
            if any(point.payload["_primary"] for point in stale):
                primaries.discard(first.item.product.id)

    def _refresh(self, stored: StoredPoints, products: dict[str, Product]) -> set[str]:
        """Update the fields of stored points. Return the ids of those that changed."""
        changed = [
            point
            for product, points in stored.by_product.items()
            for point in refresh_points(points, products[product])
        ]
        if not self.report.dry_run:
            rewrite(self.index, changed, self.model)
        return {point.id for point in changed}


def _batches(
    outcomes: Iterator[tuple[PreparedItem, ...]], size: int
) -> Iterator[tuple[list[tuple[PreparedItem, ...]], int]]:
    """Group files into batches of about `size` images. Yield the files to write, and the number of files read."""
    files: list[tuple[PreparedItem, ...]] = []
    count = images = 0
    for outcome in outcomes:
        count, images = count + 1, images + max(1, len(outcome))
        files += [outcome] if outcome else []
        if images >= size:
            yield files, count
            files, count, images = [], 0, 0
    if count:
        yield files, count


def _file_name(item: Item) -> str:
    """Return the name that tells the media type. On this machine it is that on disk, whose spelling can differ."""
    return item.picture if isinstance(item, Remote) else item.path.name


def _with_stored_names(items: Mapping[str, Item], stored: StoredPoints) -> dict[str, Item]:
    """Use the names of older versions, which stored absolute paths, so that no picture is stored twice."""
    renamed: dict[str, Item] = {}
    for point, item in items.items():
        before = "" if point in stored.points else point_id(item.product.id, str(item.path))
        if before in stored.points:
            renamed[before] = replace(item, picture=str(item.path))
        else:
            renamed[point] = item
    return renamed


def _with_title_vectors(points: Sequence[Point], model: Model) -> list[Point]:
    titles = title_vectors(points, model)
    own = {point.id: {space: rows[point.id] for space, rows in titles.items() if point.id in rows} for point in points}
    return [replace(point, vectors={**point.vectors, **own[point.id]}) for point in points]


def _blank_note(names: Sequence[str]) -> str:
    first_names = ", ".join(names[:_LISTED]) + (" …" if len(names) > _LISTED else "")
    what = "1 picture shows" if len(names) == 1 else f"{len(names):,} pictures show"
    return f"{what} a single color, so no photo finds them; replace them: {first_names}"
