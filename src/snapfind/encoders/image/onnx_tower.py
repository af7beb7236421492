"""A shop's own encoder: the towers of a CLIP, SigLIP, DINO or the like, converted once, served without PyTorch.

    NAME/
      picture.onnx          pictures (n, side, side, 3) uint8 RGB -> pooled (n, width) float32
      text.onnx             ids, perhaps mask (n, length) int64 -> pooled (n, width) float32; only with a text tower
      tokenizer.json        what makes ids of a text
      golden.safetensors    what both answer to drawn pictures and given texts, and the pixels of one picture
      manifest.json         preprocessing, precision, source, a sha256 of each file; written last

convert/ writes it; `Tower` is to a catalogue what the shipped encoder is (encoders/image/base.py).
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.Image import Image
from safetensors.numpy import load

from snapfind.core.errors import ModelBroken, NoText
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Encoder, Role, Space, Vectors, space_id
from snapfind.encoders.golden import golden_pictures
from snapfind.encoders.image.adapted import Adapted
from snapfind.encoders.image.base import FeatureMap, Features
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor
from snapfind.encoders.onnx_session import open_session
from snapfind.encoders.text.onnx_tower import WordTower

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["FILES", "GOLDEN_TEXTS", "KIND", "LEAST_COSINE", "Tower"]

KIND = "tower"
FILES = ("picture.onnx", "text.onnx", "tokenizer.json", "golden.safetensors", "manifest.json")
GOLDEN_TEXTS = ("a red ceramic mug", "en röd kopp av keramik", "红色陶瓷杯")
# Of golden rows. Whole numbers are added up otherwise on processors without VNNI, floats only in the last bits.
LEAST_COSINE = {"fp32": 0.99999, "fp16": 0.99999, "int8": 0.98}
_BATCH = 8
_LEVEL = 1  # of 255: how far pixels may be off, where another version of Pillow rounds otherwise


class Tower(Adapted):
    """A PhotoEncoder, with `words` where the model has a text tower. Safe to use from several threads at once.

    >>> tower = Tower.load(Path("my-clip"))
    >>> tower.images([photo], role="query") @ tower.texts(["a red mug"], role="query").T    # (1, 1)
    """

    knows_classes = shows_cells = False

    def __init__(
        self,
        session: "InferenceSession",
        manifest: dict[str, Any],
        words: Encoder | None = None,
        adapter: Adapter | None = None,
    ) -> None:
        self._session, self._manifest = session, manifest
        self.words = words
        self.name = str(manifest["name"])
        self.precision = str(manifest["precision"])
        self.preprocessing = Preprocessing.parse(manifest["preprocessing"])
        raw, described = _raw_id(manifest), self.preprocessing.as_dict()
        super().__init__(Space(raw, int(manifest["dim"]), self.name, (), described), adapter, raw)

    @classmethod
    def load(cls, folder: Path, *, threads: int = 0, checked: int = 1) -> "Tower":
        """`threads` 0 takes one for each core that this process may use; `checked` golden rows of each tower are held
        against what it answers, at most 4.

        Raises ModelBroken where files, checksums or golden vectors do not agree, ExtraMissing where the artifact has a
        text tower and tokenizers is not installed.
        """
        manifest, files = _read(folder)
        try:
            space = Space(_raw_id(manifest), int(manifest["dim"]), str(manifest["name"]))
            words = WordTower.load(files, space, threads) if "text.onnx" in files else None
            tower = cls(open_session(files["picture.onnx"], threads), manifest, words)
            golden = load(files["golden.safetensors"])
        except ModelBroken as problem:
            raise ModelBroken(f"{folder}: {problem.message}") from problem
        except (KeyError, TypeError, ValueError) as problem:
            raise ModelBroken(f"{folder}: its manifest does not describe an encoder ({problem!r})") from problem
        tower._check(golden, folder, checked)
        return tower

    def adapted(self, adapter: Adapter) -> "Tower":
        """This encoder in the adapter's space; both share the network. Raises ModelBroken on another's adapter."""
        return Tower(self._session, self._manifest, self.words, adapter)

    def extract_features(self, images: Sequence[Image]) -> Features:
        """Upright pictures of any size -> what the network sees in them, row by row."""
        pooled = np.empty((len(images), int(self._manifest["dim"])), np.float32)
        for start in range(0, len(images), _BATCH):
            rows = slice(start, start + _BATCH)
            pooled[rows] = self._session.run(None, {"pictures": to_tensor(images[rows], self.preprocessing)})[0]
        return Features(pooled, np.empty((len(images), 0), np.float32))

    def extract_feature_map(self, image: Image) -> FeatureMap:
        """One picture -> its look; towers show no cells."""
        nothing = np.empty((0, 0, 0), np.float32)
        return FeatureMap(self.extract_features([image]), nothing, nothing)

    def texts(self, texts: Sequence[str], role: Role) -> Vectors:
        """(n, dim) float32, unit rows. Raises NoText without a text tower, and with an adapter: it moves pictures."""
        if self.words is None or self._adapter is not None:
            raise NoText(
                f"encoder {self.space.id} has no text side: search by photo, or through its text tower's space"
            )
        return self.words.texts(texts, role)

    def _check(self, golden: dict[str, Vectors], folder: Path, count: int) -> None:
        """Preprocessing, pictures and texts against what they were when the artifact was written."""
        pictures, texts = golden_pictures(count), GOLDEN_TEXTS[:count]
        pixels = to_tensor(pictures[:1], self.preprocessing).astype(np.int16)
        if golden["pixels"].shape != pixels.shape or np.abs(pixels - golden["pixels"]).max() > _LEVEL:
            raise ModelBroken(f"{folder}: pictures are prepared otherwise than when it was converted; convert it anew")
        self._agrees(unit(self.extract_features(pictures).pooled), golden["pictures"][:count], f"{folder}/picture.onnx")
        if self.words is not None:
            self._agrees(self.words.texts(texts, "query"), golden["texts"][:count], f"{folder}/text.onnx")

    def _agrees(self, found: Vectors, golden: Vectors, what: str) -> None:
        least = LEAST_COSINE[str(self._manifest["precision"])]
        cosine = float((found * golden).sum(axis=1).min()) if found.shape == golden.shape else 0.0
        if not cosine >= least:
            raise ModelBroken(
                f"{what} answers otherwise than when it was converted (cosine {cosine:.4f}, at least {least}); convert"
                " the model anew"
            )


def _raw_id(manifest: dict[str, Any]) -> str:
    """Named by everything that changes a row of a picture or of a text."""
    sums = {name: manifest["sha256"][name] for name in sorted(manifest["sha256"]) if name != "golden.safetensors"}
    return space_id(str(manifest["name"]), sums, Preprocessing.parse(manifest["preprocessing"]).as_dict())


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest and every file that it names, held against their sums. Raises ModelBroken."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        sums = dict(manifest["sha256"])
        files = {name: (folder / name).read_bytes() for name in sums if name in FILES}
    except Exception as problem:
        raise ModelBroken(f"{folder} is not whole ({problem}); convert the model anew") from problem
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != sums[name]:
            raise ModelBroken(f"{folder / name} is not the file of its manifest; convert the model anew")
    return manifest, files
