"""What one worker does with a batch: read, compare by hash, decode, shrink, encode. It holds no state but its encoders.

The encoders travel as a recipe, so that workers need no folder in common with the catalogue: the manifest's entries and
the files of what was fitted. Nothing is unpickled but plain values of our own.
"""

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from PIL.Image import Image

from snapfind.catalog.ingest.diff import read_bytes
from snapfind.catalog.ingest.sources import Item
from snapfind.catalog.storage.folder import Folder
from snapfind.core.config import Settings
from snapfind.core.errors import BadInput, BadPicture, NotReady
from snapfind.distributed.object_store import Store
from snapfind.distributed.storage import Far
from snapfind.encoders.base import Vectors
from snapfind.encoders.crossmodal.lit import Maps
from snapfind.encoders.embedding_model import Model
from snapfind.encoders.registry import ModelEntry, open_model_entry
from snapfind.media.image.decode import Limits, load
from snapfind.media.image.thumbnail import thumbnail

__all__ = ["Outcome", "Recipe", "Refused", "Seen", "Task", "Unreached", "Worker", "recipe_of"]

_LARGEST = 2**30  # bytes of a fitted model that are sent
_READERS = 8  # of a worker: an object of a storage takes longer to come than to encode


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make the catalogue's encoders, the active one first: entries of the manifest, and files by name; `maps` of
    the learnt bridge from texts to pictures; where the objects lie that tasks name."""

    entries: Sequence[tuple[ModelEntry, Mapping[str, bytes]]]
    keep_side: int
    limits: Limits
    maps: Maps | None
    store: Store | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A picture to look at; `known` are the hashes of bytes that need no looking at."""

    point: str
    item: Item
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a picture gave: sha256 of its bytes, pixels, its copy as a JPEG, a (dim,) float32 unit vector a space."""

    digest: str
    size: tuple[int, int]
    copy: bytes
    vectors: Mapping[str, Vectors]


@dataclass(frozen=True, slots=True)
class Refused:
    """A picture that cannot be added, and why."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unreached:
    """A picture that may be sound: the storage did not answer, and would not for the next one either."""

    reason: str


Outcome = Seen | Refused | Unreached | None  # None: the bytes are known


def recipe_of(folder: Folder, model: Model, settings: Settings) -> Recipe:
    """The recipe of the encoders that a catalogue keeps up to date. Raises BadInput where one is the shop's own."""
    entries = []
    for encoder in (model.photo, *model.others):
        place = folder.space(encoder.space.id)
        entry = folder.manifest.models[encoder.space.id]
        if entry.kind == "converted":
            raise BadInput(f"model {encoder.space.id} stands on an encoder of the shop's own; add without --ray")
        fitted = entry.adapted or entry.kind == "trained"
        files = [file for file in place.rglob("*") if file.is_file()] if fitted else []
        assert sum(file.stat().st_size for file in files) < _LARGEST
        entries.append((entry, {file.relative_to(place).as_posix(): file.read_bytes() for file in files}))
    return Recipe(entries, settings.whole("keep_side"), Limits.of(settings), model.maps)


@dataclass(frozen=True, slots=True)
class _Unpacked:
    """The folder of one model, unpacked on a worker; converted encoders do not travel."""

    place: Path

    def space(self, model: str) -> Path:
        return self.place

    def encoder(self, raw: str) -> Path:
        raise BadInput(f"encoder {raw} of the shop's own does not travel to workers; add without --ray")


class Worker:
    """A pair of eyes on some machine, on one core."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe, self._readers = recipe, ThreadPoolExecutor(_READERS)
        with tempfile.TemporaryDirectory() as spare:
            encoders = []
            for number, (entry, files) in enumerate(recipe.entries):
                place = Path(spare, str(number))
                for name, content in files.items():
                    (place / name).parent.mkdir(parents=True, exist_ok=True)
                    (place / name).write_bytes(content)
                encoders.append(open_model_entry(entry.base, entry, _Unpacked(place), threads=1))
        self._model = Model(encoders[0], encoders[1:], recipe.maps)

    def spaces(self) -> Mapping[str, int]:
        """Space -> dimensions, once the encoders are loaded."""
        return self._model.spaces()

    def see(self, tasks: Sequence[Task]) -> list[Outcome]:
        """One outcome a task, in their order."""
        decoded = [self._decoded(task, read) for task, read in zip(tasks, self._readers.map(self._read, tasks))]
        images = [one[2] for one in decoded if isinstance(one, tuple)]
        rows = self._model.pictures(images) if images else {}
        vectors = iter(range(len(images)))
        return [self._seen(*one, rows, next(vectors)) if isinstance(one, tuple) else one for one in decoded]

    def _seen(self, digest: str, image: Image, _: Image, rows: Mapping[str, Vectors], row: int) -> Seen:
        copy = thumbnail(image, self._recipe.keep_side)
        return Seen(digest, image.size, copy, {space: matrix[row] for space, matrix in rows.items()})

    def _read(self, task: Task) -> tuple[bytes, str] | Refused | Unreached:
        """The bytes of a picture and their hash."""
        item, most = task.item, self._recipe.limits.max_bytes
        try:
            if isinstance(item, Far) and self._recipe.store:
                item = replace(item, content=self._recipe.store.read(item.key, most))
            return read_bytes(item, most)
        except BadPicture as error:
            return Refused(error.code, error.message)
        except NotReady as error:
            return Unreached(error.message)

    def _decoded(
        self, task: Task, read: tuple[bytes, str] | Refused | Unreached
    ) -> tuple[str, Image, Image] | Refused | Unreached | None:
        """Hash, picture, and the picture as the encoders want it."""
        if not isinstance(read, tuple):
            return read
        content, digest = read
        if digest in task.known:
            return None
        side = max(self._recipe.keep_side, self._model.photo.preprocessing.source_side)
        try:
            image = load(content, self._recipe.limits, side=side)
        except BadPicture as error:
            return Refused(error.code, error.message)
        return digest, image, self._model.prepared(image)
