"""Default image encoder: EfficientNet-Lite in ONNX Runtime, without PyTorch and without downloads.

Tan & Le, "EfficientNet", arXiv 1905.11946, the Lite variant; scripts/export_encoder.py writes the artifact.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.Image import Image
from safetensors.numpy import load as load_tensors

from snapfind.core.artifact import read_artifact
from snapfind.core.errors import FREE_MEMORY, ModelBroken, NotFound, OutOfMemory, is_out_of_memory
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.arrays import softmax, unit
from snapfind.encoders.base import Encoder, Space, Vectors, space_id
from snapfind.encoders.golden import GOLDEN_TOLERANCE, ROUNDED_TOLERANCE, check_golden, golden_pictures
from snapfind.encoders.image.base import FeatureMap, Features
from snapfind.encoders.image.feature_map import CELLS, with_cells
from snapfind.encoders.image.image_encoder import ImageEncoder, source_of
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor
from snapfind.encoders.onnx_session import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["Builtin", "FeatureMap", "Features", "artifact_of"]

_SHIPPED = Path(__file__).parent.parent / "weights"
_MADE = Path("~/.cache/snapfind/encoders")  # where scripts/export_encoder.py puts encoders that are not bundled
_BATCH = 16  # larger batches are no faster and take more memory (benchmarks/encode_speed.py)


class Builtin(ImageEncoder):
    """Bundled or trained image encoder. Thread-safe.

    Example:
        >>> encoder = Builtin.load()
        >>> encoder.images([photo], role="query").shape
        (1, 1280)
    """

    words: Encoder | None = None  # it encodes only images, a catalog may add the text encoder of its original

    def __init__(
        self,
        session: "InferenceSession",
        manifest: dict[str, Any],
        preprocessing: Preprocessing,
        adapter: Adapter | None = None,
    ) -> None:
        self._session, self._manifest = session, manifest
        self.name = str(manifest["name"])
        self.precision = str(manifest.get("precision", "fp32"))
        self.source = source_of(manifest)
        self.knows_classes = any(output.name == "logits" for output in session.get_outputs())
        self.shows_cells = any(output.name == "map" for output in session.get_outputs())
        self.preprocessing = preprocessing
        self._cells = next((name for output in session.get_outputs() if (name := output.name) in CELLS.values()), "")
        described = preprocessing.as_dict()
        raw = space_id(self.name, manifest["sha256"]["model.onnx"], described)
        self._width = int(str(manifest.get("dim", 1280)))  # bundled artifacts do not have the entry
        super().__init__(
            Space(raw, self._width, self.name, (), described), adapter, manifest["sha256"]["model.onnx"], described
        )

    @classmethod
    def load(cls, name: str = "lite0", *, adapter: Path | None = None, threads: int = 0, checked: int = 1) -> "Builtin":
        """Load an encoder.

        A trained artifact has its own adapter in the subfolder `heads`.

        Args:
            name: `lite0`, the name of an encoder of scripts/export_encoder.py, or the path of an artifact's folder.
            adapter: Folder of an adapter, or None for that of the artifact.
            threads: Number of threads. 0 uses one for each core that this process may use.
            checked: Number of golden rows to check, at most 4.

        Returns:
            The encoder.

        Raises:
            NotFound: If there is no such artifact.
            ModelBroken: If a file is missing or damaged, or a golden vector differs.
            OutOfMemory: If there is not enough memory.
        """
        folder = artifact_of(name)
        manifest, files = read_artifact(folder, remedy="install it again")
        try:
            preprocessing = Preprocessing.parse(manifest["preprocessing"])
            model, golden = files["model.onnx"], load_tensors(files["golden.safetensors"])["golden"]
        except Exception as problem:
            raise ModelBroken(f"encoder {name}: {folder} is damaged ({problem}); install it again") from problem
        encoder = cls(open_session(with_cells(model, str(manifest["name"])), threads), manifest, preprocessing)
        tolerance = ROUNDED_TOLERANCE if encoder.precision == "int8" else GOLDEN_TOLERANCE
        try:
            vectors = unit(encoder.extract_features(golden_pictures(checked)).pooled)
        except Exception as problem:
            if is_out_of_memory(problem):
                raise OutOfMemory(f"not enough memory to run encoder {name}; {FREE_MEMORY}") from problem
            raise ModelBroken(
                f"encoder {name}: {folder / 'model.onnx'} has other inputs or outputs than this kind of encoder"
                f" ({problem}); install it again"
            ) from problem
        check_golden(vectors, golden, name, tolerance)
        if adapter is None and (folder / "heads").is_dir():
            adapter = folder / "heads"
        return encoder if adapter is None else encoder.adapted(Adapter.load(adapter))

    def adapted(self, adapter: Adapter) -> "Builtin":
        """Build an encoder with an adapter. Both encoders share the network.

        Args:
            adapter: Adapter fitted on this encoder's raw space.

        Returns:
            The encoder in the adapter's space.

        Raises:
            ModelBroken: If the adapter was fitted on another network.
        """
        return Builtin(self._session, self._manifest, self.preprocessing, adapter)

    def extract_features(self, images: Sequence[Image]) -> Features:
        """Run the network on n upright images of any size."""
        pooled = np.empty((len(images), self._width), np.float32)
        logits = np.empty((len(images), 1000 if self.knows_classes else 0), np.float32)
        names = ["pooled", "logits"][: 1 + self.knows_classes]
        for start in range(0, len(images), _BATCH):
            rows = slice(start, start + _BATCH)
            pictures = to_tensor(images[rows], self.preprocessing)
            for target, output in zip((pooled, logits), self._session.run(names, {"pictures": pictures})):
                target[rows] = output
        return Features(pooled, softmax(logits))

    def extract_feature_map(self, image: Image) -> FeatureMap:
        """Run the network on one upright image and keep its feature maps, in the same pass.

        The maps are empty if the network has none.
        """
        available = {
            "pooled": True,
            "map": self.shows_cells,
            "logits": self.knows_classes,
            self._cells: bool(self._cells),
        }
        names = [name for name, there in available.items() if there]
        outputs = dict(zip(names, self._session.run(names, {"pictures": to_tensor([image], self.preprocessing)})))
        activations: Vectors = outputs["map"][0] if self.shows_cells else np.empty((0, 0, 0), np.float32)
        cells: Vectors = outputs[self._cells][0] if self._cells else np.maximum(activations, 0)
        logits = outputs.get("logits", np.empty((1, 0), np.float32))
        return FeatureMap(Features(outputs["pooled"], softmax(logits)), activations, cells)


def artifact_of(name: str) -> Path:
    """Find the folder of an encoder.

    Args:
        name: Name of the encoder, or path of its folder.

    Returns:
        The folder.

    Raises:
        NotFound: If there is no such artifact.
    """
    for folder in (_SHIPPED / name, (_MADE / name).expanduser(), Path(name).expanduser()):
        if (folder / "manifest.json").is_file():
            return folder
    raise NotFound(f"encoder {name!r} not found; create it: python scripts/export_encoder.py {name} --into {_MADE}")
