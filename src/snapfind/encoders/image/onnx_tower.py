"""Converted encoder: the towers of CLIP, SigLIP, DINO and similar models in ONNX Runtime, without PyTorch.

    NAME/
      picture.onnx          pictures (n, side, side, 3) uint8 RGB -> pooled (n, width) float32
      text.onnx             ids, perhaps mask (n, length) int64 -> pooled (n, width) float32; only with a text tower
      tokenizer.json        the tokenizer of the text tower
      golden.safetensors    expected outputs for golden images and texts, and the pixels of one image
      manifest.json         preprocessing, precision, source, a sha256 of each file; written last

convert/ writes the artifact. `Tower` implements the same protocol as the bundled encoder (encoders/image/base.py).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.Image import Image
from safetensors.numpy import load

from snapfind.core.artifact import read_artifact
from snapfind.core.errors import ModelBroken, NoText
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.arrays import unit
from snapfind.encoders.base import Encoder, Role, Space, Vectors, space_id
from snapfind.encoders.golden import golden_pictures
from snapfind.encoders.image.base import Features
from snapfind.encoders.image.image_encoder import ImageEncoder, source_of
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor
from snapfind.encoders.onnx_session import open_session
from snapfind.encoders.text.onnx_tower import WordTower

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["FILES", "GOLDEN_TEXTS", "KIND", "LEAST_COSINE", "Tower"]

KIND = "tower"
FILES = ("picture.onnx", "text.onnx", "tokenizer.json", "golden.safetensors", "manifest.json")
GOLDEN_TEXTS = ("a red ceramic mug", "en röd kopp av keramik", "红色陶瓷杯")
# Of golden rows. Integer sums differ on processors without VNNI, float sums only in the last bits.
LEAST_COSINE = {"fp32": 0.99999, "fp16": 0.99999, "int8": 0.98}
_BATCH = 8
_LEVEL = 1  # of 255: largest difference of a pixel, because versions of Pillow round differently


class Tower(ImageEncoder):
    """Converted image encoder, with `words` if the model has a text tower. Thread-safe.

    Example:
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
        self.source = source_of(manifest)
        self.preprocessing = Preprocessing.parse(manifest["preprocessing"])
        raw, described = _raw_id(manifest), self.preprocessing.as_dict()
        super().__init__(Space(raw, int(manifest["dim"]), self.name, (), described), adapter, raw)

    @classmethod
    def load(cls, folder: Path, *, threads: int = 0, checked: int = 1) -> "Tower":
        """Load an encoder.

        Args:
            folder: Folder of the artifact.
            threads: Number of threads. 0 uses one for each core that this process may use.
            checked: Number of golden rows of each tower to check, at most 4.

        Returns:
            The encoder.

        Raises:
            ModelBroken: If a file is missing or damaged, or a golden vector differs.
            ExtraMissing: If the artifact has a text tower and tokenizers is not installed.
        """
        manifest, files = read_artifact(folder, KIND, remedy="convert the model again")
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
        """Build an encoder with an adapter. Both encoders share the network.

        Args:
            adapter: Adapter fitted on this encoder's raw space.

        Returns:
            The encoder in the adapter's space.

        Raises:
            ModelBroken: If the adapter was fitted on another network.
        """
        return Tower(self._session, self._manifest, self.words, adapter)

    def extract_features(self, images: Sequence[Image]) -> Features:
        """Run the network on n upright images of any size."""
        pooled = np.empty((len(images), int(self._manifest["dim"])), np.float32)
        for start in range(0, len(images), _BATCH):
            rows = slice(start, start + _BATCH)
            pooled[rows] = self._session.run(None, {"pictures": to_tensor(images[rows], self.preprocessing)})[0]
        return Features(pooled, np.empty((len(images), 0), np.float32))

    def texts(self, texts: Sequence[str], role: Role) -> Vectors:
        """Encode texts with the text tower.

        Args:
            texts: n texts.
            role: Role of the texts. Both roles are encoded in the same way.

        Returns:
            Unit rows, float32 of shape (n, dim).

        Raises:
            NoText: If there is no text tower, or the encoder has an adapter, which maps only images.
        """
        if self.words is None or self._adapter is not None:
            raise NoText(
                f"encoder {self.space.id} has no text side: search by photo, or through its text tower's space"
            )
        return self.words.texts(texts, role)

    def _check(self, golden: dict[str, Vectors], folder: Path, count: int) -> None:
        """Compare preprocessing, images and texts with the golden outputs. Raises ModelBroken if they differ."""
        pictures, texts = golden_pictures(count), GOLDEN_TEXTS[:count]
        pixels = to_tensor(pictures[:1], self.preprocessing).astype(np.int16)
        if golden["pixels"].shape != pixels.shape or np.abs(pixels - golden["pixels"]).max() > _LEVEL:
            raise ModelBroken(f"{folder}: the preprocessing differs from that at conversion; convert the model again")
        self._check_rows(
            unit(self.extract_features(pictures).pooled), golden["pictures"][:count], f"{folder}/picture.onnx"
        )
        if self.words is not None:
            self._check_rows(self.words.texts(texts, "query"), golden["texts"][:count], f"{folder}/text.onnx")

    def _check_rows(self, rows: Vectors, golden: Vectors, name: str) -> None:
        least = LEAST_COSINE[str(self._manifest["precision"])]
        cosine = float((rows * golden).sum(axis=1).min()) if rows.shape == golden.shape else 0.0
        if not cosine >= least:
            raise ModelBroken(
                f"{name}: outputs differ from those at conversion (cosine {cosine:.4f}, required {least}); convert"
                " the model again"
            )


def _raw_id(manifest: dict[str, Any]) -> str:
    """Build the space id from everything that changes an embedding."""
    sums = {name: manifest["sha256"][name] for name in sorted(manifest["sha256"]) if name != "golden.safetensors"}
    return space_id(str(manifest["name"]), sums, Preprocessing.parse(manifest["preprocessing"]).as_dict())
