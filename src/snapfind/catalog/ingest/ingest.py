"""Adding: items in chunks -> compare -> decode in a pool -> encode in batches -> write.

The index is the journal: a point that it acknowledged is durable and carries the hash of its picture, so an
interrupted run goes on where it stopped, and a run over the same source embeds nothing. Copies are written before their
points; a copy without a point is overwritten by the next run.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial

from PIL.Image import Image

from snapfind.catalog.ingest.diff import Held, held, read_bytes, refreshed
from snapfind.catalog.ingest.duplicates import duplicates
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
from snapfind.index.base import Index, Point
from snapfind.index.payload import point_id, to_payload, words_of
from snapfind.media.image.decode import Decode, Limits, load
from snapfind.media.image.fingerprint import is_blank
from snapfind.media.image.thumbnail import thumbnail
from snapfind.media.prefetch import ahead

__all__ = ["Adding", "Progress", "Ready", "Turn"]

Progress = Callable[[int, int], None]
_NAMED = 5  # pictures named in a note
Turn = Callable[[], AbstractContextManager[Model]]  # a turn at writing, with the model as it is then


@dataclass(frozen=True, slots=True)
class Ready:
    """A decoded picture, small already, on its way to the encoder; with `vectors`, (dim,) a space, on its way back."""

    item: Item
    point: str
    picture: Picture
    image: Image
    is_new: bool
    vectors: Mapping[str, Vectors] = field(default_factory=dict)


class Adding:
    """One run of `add`: what it needs, and the report that grows as it goes.

    Where pictures are read and encoded is the affair of `outcomes` and `vectors`; `bulk/` does it on other machines.
    """

    chunk = 128  # items compared and written together: one lookup each, and other writers wait as long

    def __init__(
        self,
        folder: Folder,
        index: Index,
        turn: Turn,
        settings: Settings,
        *,
        dry_run: bool = False,
        decode: Decode = load,
    ) -> None:
        self.folder, self.index, self._turn, self._decode = folder, index, turn, decode
        self.settings, self.limits = settings, Limits.of(settings)
        self.report = AddReport(dry_run=dry_run)
        self.seen: set[str] = set()
        self._blank: list[str] = []

    def run(self, source: Source | Uploads, progress: Progress | None = None) -> AddReport:
        """Add every item of the source; failures are listed in the report and the rest goes on. Raises NoRoom."""
        begin, done = time.monotonic(), 0
        workers = min(8, self.settings.whole("threads") or 2)
        items = iter(source)
        with ThreadPoolExecutor(workers, thread_name_prefix="snapfind-decode") as pool:
            while chunk := list(itertools.islice(items, self.chunk)):
                with self._turn() as self.model:
                    for finished in self._chunk(chunk, pool):
                        done += finished
                        if progress:
                            progress(min(done, source.total or done), source.total)  # total 0: not known
        self.report.seconds = time.monotonic() - begin
        if self._blank:
            self.report.notes.append(_blank_note(self._blank))
        return self.report

    def _chunk(self, chunk: Sequence[Item | Failure | Product], pool: ThreadPoolExecutor) -> Iterator[int]:
        failures = [entry for entry in chunk if isinstance(entry, Failure)]
        bare = {entry.id: entry for entry in chunk if isinstance(entry, Product)}
        self.report.failures += failures
        # The last row of a picture wins, and the last row of a product speaks for all its pictures.
        items = {point_id(entry.product.id, entry.picture): entry for entry in chunk if isinstance(entry, Item)}
        products = bare | {item.product.id: item.product for item in items.values()}
        stored = held(self.index, list(products))
        items = _named_as_before(items, stored)
        self.seen |= items.keys()
        fresh = self._refresh(stored, products)
        self._count_bare(bare, stored, fresh)
        yield len(failures) + len(bare)
        primaries = set(stored.by_product)
        ready = self._decoded(items, stored, fresh, pool)
        while batch := list(itertools.islice(ready, self.settings.whole("batch"))):
            pictures = [entry for entry in batch if isinstance(entry, Ready)]
            if pictures and not self.report.dry_run:
                self._write(pictures, products, primaries, stored)
            yield len(batch)

    def _count_bare(self, bare: Iterable[str], stored: Held, fresh: set[str]) -> None:
        for product in bare:
            points = stored.by_product.get(product, ())
            if not points:
                reason = "the product is new and has no picture; give at least one"
                self.report.failures.append(Failure(product, "picture_missing", "", reason))
            renewed = sum(point.id in fresh for point in points)
            self.report.updated += renewed
            self.report.unchanged += len(points) - renewed

    def _decoded(
        self, items: dict[str, Item], stored: Held, fresh: set[str], pool: ThreadPoolExecutor
    ) -> Iterator[Ready | None]:
        """In order, with a bounded number of pictures in memory; None for one that needs no encoding."""
        for point, outcome in self.outcomes(items, stored, pool):
            if isinstance(outcome, Failure):
                self.report.failures.append(outcome)
            elif outcome is None and point in fresh:
                self.report.updated += 1
            elif outcome is None:
                self.report.unchanged += 1
            elif outcome.is_new:
                self.report.added += 1
            else:
                self.report.changed += 1
            if isinstance(outcome, Ready) and is_blank(outcome.image):
                self._blank.append(outcome.picture.name)
            yield outcome if isinstance(outcome, Ready) else None

    def outcomes(
        self, items: Mapping[str, Item], stored: Held, pool: ThreadPoolExecutor
    ) -> Iterator[tuple[str, Ready | Failure | None]]:
        """What became of each item, by point: ready to be written, failed, or (None) stored with the same bytes."""
        prepare = partial(self._prepare, stored=stored)
        for (point, _), outcome in ahead(pool, prepare, items.items(), 2 * self.settings.whole("batch")):
            yield point, outcome

    def vectors(self, batch: Sequence[Ready]) -> Mapping[str, Vectors]:
        """Space -> (n, dim) unit rows of the pictures of a batch."""
        return self.model.encode_document_images([ready.image for ready in batch])

    def _prepare(self, entry: tuple[str, Item], stored: Held) -> Ready | Failure | None:
        point, item = entry
        known = {stored.hash_of(point), hidden_hash(self.folder, point)} - {""}
        if known and isinstance(item, Remote):
            return None
        try:
            content, digest = read_bytes(item, self.limits.max_bytes)
            if digest in known:
                return None
            side = max(self.settings.whole("keep_side"), self.model.photo.preprocessing.source_side)
            image = self._decode(content, self.limits, side=side)
            picture = Picture(item.picture, digest, *image.size)
            if not self.report.dry_run:
                self.keep(point, thumbnail(image, self.settings.whole("keep_side")))
        except BadPicture as error:
            return Failure(item.product.id, error.code, item.picture, error.message)
        return Ready(item, point, picture, self.model.prepare(image), is_new=point not in stored.points)

    def keep(self, point: str, copy: bytes) -> None:
        """Write the copy of a picture. Raises NoRoom."""
        path = self.folder.copy_of(point)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(copy)
        except OSError as error:
            raise NoRoom(f"the copy of a picture cannot be written: {error.strerror}; free some space") from error

    def _write(self, batch: Sequence[Ready], products: dict[str, Product], primaries: set[str], stored: Held) -> None:
        vectors = self.vectors(batch)
        points = []
        for row, ready in enumerate(batch):
            product, old = products[ready.item.product.id], stored.points.get(ready.point)
            primary = bool(old.payload["_primary"]) if old else product.id not in primaries
            primaries.add(product.id)
            payload = to_payload(product, ready.picture, primary=primary)
            own = {space: matrix[row] for space, matrix in vectors.items()}
            points.append(Point(ready.point, own, words_of(product) if primary else "", payload))
        self.index.upsert(_titled(points, self.model))
        images = {ready.point: ready.image for ready in batch}
        space = self.model.photo.space.id
        self.report.duplicates += duplicates(self.index, self.folder, space, points, images, self.limits)

    def _refresh(self, stored: Held, products: dict[str, Product]) -> set[str]:
        """Bring the fields of stored points up to date, their pictures stay; returns the ids of those that changed."""
        changed = [
            point for product, points in stored.by_product.items() for point in refreshed(points, products[product])
        ]
        if not self.report.dry_run:
            rewrite(self.index, changed, self.model)
        return {point.id for point in changed}


def _named_as_before(items: Mapping[str, Item], stored: Held) -> dict[str, Item]:
    """Pictures that an older version stored under their absolute path keep that name, so that none is stored twice."""
    found: dict[str, Item] = {}
    for point, item in items.items():
        before = "" if point in stored.points else point_id(item.product.id, str(item.path))
        if before in stored.points:
            found[before] = replace(item, picture=str(item.path))
        else:
            found[point] = item
    return found


def _titled(points: Sequence[Point], model: Model) -> list[Point]:
    titles = title_vectors(points, model)
    own = {point.id: {space: rows[point.id] for space, rows in titles.items() if point.id in rows} for point in points}
    return [replace(point, vectors={**point.vectors, **own[point.id]}) for point in points]


def _blank_note(names: Sequence[str]) -> str:
    named = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
    what = "1 picture shows" if len(names) == 1 else f"{len(names):,} pictures show"
    return f"{what} a single color, so no photo finds them; replace them: {named}"
