"""Worker of distributed ingest: reads, hashes, decodes, resizes and encodes a batch of pictures. Stateless.

Encoders are sent as an EncoderBundle of manifest entries and files of fitted models, so that workers need no access to
the folder of the catalog. Only plain values are unpickled.
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
from snapfind.distributed.storage import ObjectItem
from snapfind.encoders.base import Vectors
from snapfind.encoders.crossmodal.lit import LitMaps
from snapfind.encoders.embedding_model import Model
from snapfind.encoders.registry import ModelEntry, open_model_entry
from snapfind.media.image.decode import Limits, load
from snapfind.media.image.thumbnail import thumbnail
from snapfind.search.signals import document_encoders

__all__ = ["EncodedPicture", "EncoderBundle", "Outcome", "Rejected", "Task", "Unavailable", "Worker", "bundle_encoders"]

_LARGEST = 2**30  # maximum bytes of a fitted model to send
_READERS = 8  # threads per worker: downloading an object takes longer than encoding it


@dataclass(frozen=True, slots=True)
class EncoderBundle:
    """Everything that a worker needs to load the encoders of a catalog.

    Attributes:
        entries: Manifest entry and files by name of each encoder, the active one first.
        keep_side: Longest side of stored copies in pixels.
        limits: Limits for reading and decoding.
        maps: Linear maps of the text-to-image space, if there is one.
        store: Object storage with the pictures of tasks, or None.
    """

    entries: Sequence[tuple[ModelEntry, Mapping[str, bytes]]]
    keep_side: int
    limits: Limits
    maps: LitMaps | None
    store: Store | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A picture to encode. `known` are hashes of contents that need no encoding."""

    point: str
    item: Item
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """Result of a picture: sha256 of its bytes, size in pixels, JPEG copy, one (dim,) float32 unit vector per space."""

    digest: str
    size: tuple[int, int]
    copy: bytes
    vectors: Mapping[str, Vectors]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A picture that cannot be added, and the reason."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The object storage did not respond. The picture may be valid."""

    reason: str


Outcome = EncodedPicture | Rejected | Unavailable | None  # None: the content is unchanged


def bundle_encoders(folder: Folder, model: Model, settings: Settings) -> EncoderBundle:
    """Bundle the encoders of a catalog for its workers.

    Raises:
        BadInput: An encoder is a converted one, which cannot be sent.
    """
    entries = []
    for encoder in (model.photo, *model.others):
        place = folder.space(encoder.space.id)
        entry = folder.manifest.models[encoder.space.id]
        if entry.kind == "converted":
            raise BadInput(
                f"model {encoder.space.id} uses a converted encoder, which --ray does not support; add without --ray"
            )
        fitted = entry.adapted or entry.kind == "trained"
        files = [file for file in place.rglob("*") if file.is_file()] if fitted else []
        assert sum(file.stat().st_size for file in files) < _LARGEST
        entries.append((entry, {file.relative_to(place).as_posix(): file.read_bytes() for file in files}))
    return EncoderBundle(entries, settings.whole("keep_side"), Limits.of(settings), model.maps)


@dataclass(frozen=True, slots=True)
class _Unpacked:
    """The folder of one model on a worker."""

    place: Path

    def space(self, model: str) -> Path:
        return self.place

    def encoder(self, raw: str) -> Path:
        raise BadInput(f"converted encoder {raw} is not supported by --ray; add without --ray")


class Worker:
    """Encodes pictures on one core of a machine of the cluster."""

    def __init__(self, bundle: EncoderBundle) -> None:
        self._bundle, self._readers = bundle, ThreadPoolExecutor(_READERS)
        with tempfile.TemporaryDirectory() as temporary:
            encoders = []
            for number, (entry, files) in enumerate(bundle.entries):
                place = Path(temporary, str(number))
                for name, content in files.items():
                    (place / name).parent.mkdir(parents=True, exist_ok=True)
                    (place / name).write_bytes(content)
                encoders.append(open_model_entry(entry.base, entry, _Unpacked(place), threads=1))
        further = (document_encoders("image"), document_encoders("text"))
        self._model = Model(encoders[0], encoders[1:], bundle.maps, *further)

    def spaces(self) -> Mapping[str, int]:
        """Return the dimension of each space. Waits until the encoders are loaded."""
        return self._model.spaces()

    def encode(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Encode pictures.

        Args:
            tasks: Pictures to encode.

        Returns:
            One outcome per task, in the same order.
        """
        decoded = [self._decode(task, read) for task, read in zip(tasks, self._readers.map(self._read, tasks))]
        images = [one[2] for one in decoded if isinstance(one, tuple)]
        rows = self._model.encode_document_images(images) if images else {}
        vectors = iter(range(len(images)))
        return [self._result(*one, rows, next(vectors)) if isinstance(one, tuple) else one for one in decoded]

    def _result(self, digest: str, image: Image, _: Image, rows: Mapping[str, Vectors], row: int) -> EncodedPicture:
        copy = thumbnail(image, self._bundle.keep_side)
        return EncodedPicture(digest, image.size, copy, {space: matrix[row] for space, matrix in rows.items()})

    def _read(self, task: Task) -> tuple[bytes, str] | Rejected | Unavailable:
        """Read the bytes of a picture, and their hash."""
        item, limit = task.item, self._bundle.limits.max_bytes
        try:
            if isinstance(item, ObjectItem) and self._bundle.store:
                item = replace(item, content=self._bundle.store.read(item.key, limit))
            return read_bytes(item, limit)
        except BadPicture as error:
            return Rejected(error.code, error.message)
        except NotReady as error:
            return Unavailable(error.message)

    def _decode(
        self, task: Task, read: tuple[bytes, str] | Rejected | Unavailable
    ) -> tuple[str, Image, Image] | Rejected | Unavailable | None:
        """Return hash, decoded picture, and the picture prepared for the encoders."""
        if not isinstance(read, tuple):
            return read
        content, digest = read
        if digest in task.known:
            return None
        side = max(self._bundle.keep_side, self._model.photo.preprocessing.source_side)
        try:
            image = load(content, self._bundle.limits, side=side)
        except BadPicture as error:
            return Rejected(error.code, error.message)
        return digest, image, self._model.prepare(image)
