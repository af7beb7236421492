"""The default image encoder: EfficientNet-Lite in ONNX Runtime, no PyTorch, no network.

Tan & Le, "EfficientNet", arXiv 1905.11946, the Lite variant; scripts/export_encoder.py makes the artifact.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from PIL.Image import Image
from safetensors.numpy import load_file

from snapfind.core.errors import FREE_MEMORY, ModelBroken, NoText, NotFound, OutOfMemory, is_out_of_memory
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.arrays import softmax, unit
from snapfind.encoders.base import Encoder, Role, Space, Vectors, space_id
from snapfind.encoders.golden import GOLDEN_TOLERANCE, ROUNDED_TOLERANCE, check_golden, golden_pictures
from snapfind.encoders.image.adapted import Adapted
from snapfind.encoders.image.base import FeatureMap, Features
from snapfind.encoders.image.feature_map import CELLS, with_cells
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor
from snapfind.encoders.onnx_session import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["Builtin", "FeatureMap", "Features", "artifact_of"]

_SHIPPED = Path(__file__).parent.parent / "weights"
_MADE = Path("~/.cache/snapfind/encoders")  # where scripts/export_encoder.py puts what is not shipped
_BATCH = 16  # more pictures at a time are no faster and take more memory (benchmarks/encode_speed.py)


class Builtin(Adapted):
    """A PhotoEncoder. Safe to use from several threads at once.

    >>> encoder = Builtin.load()
    >>> encoder.images([photo], role="query").shape
    (1, 1280)
    """

    words: Encoder | None = None  # it knows pictures only
    shows_cells = True

    def __init__(
        self,
        session: "InferenceSession",
        manifest: dict[str, object],
        preprocessing: Preprocessing,
        adapter: Adapter | None = None,
    ) -> None:
        self._session, self._manifest = session, manifest
        self.name = str(manifest["name"])
        self.precision = str(manifest.get("precision", "fp32"))
        self.knows_classes = any(output.name == "logits" for output in session.get_outputs())
        self.preprocessing = preprocessing
        self._cells = next((name for output in session.get_outputs() if (name := output.name) in CELLS.values()), "")
        described = preprocessing.as_dict()
        raw = space_id(self.name, manifest["model_sha256"], described)
        super().__init__(Space(raw, 1280, self.name, (), described), adapter, manifest["model_sha256"], described)

    @classmethod
    def load(cls, name: str = "lite0", *, adapter: Path | None = None, threads: int = 0, checked: int = 1) -> "Builtin":
        """The shipped `lite0`, one made by scripts/export_encoder.py, or the path of an artifact's folder.

        A learnt artifact has its own heads for the two roles, an Adapter in its subfolder `heads`.
        `adapter` is the folder of an Adapter; `threads` 0 takes one for each core that this process may use; `checked`
        golden rows are held against what it answers, at most 4. Raises NotFound where there is no such artifact and
        ModelBroken where files or golden vectors do not agree.
        """
        folder = artifact_of(name)
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            preprocessing = Preprocessing.parse(manifest["preprocessing"])
            model = (folder / "model.onnx").read_bytes()
            golden = load_file(folder / "golden.safetensors")["golden"]
            intact = hashlib.sha256(model).hexdigest() == manifest["model_sha256"]
        except Exception as problem:
            if is_out_of_memory(problem):
                raise OutOfMemory(f"not enough memory to read encoder {name}; {FREE_MEMORY}") from problem
            raise ModelBroken(f"encoder {name}: {folder} is not whole ({problem}); install it anew") from problem
        if not intact:
            raise ModelBroken(
                f"encoder {name}: {folder / 'model.onnx'} is not the file of its manifest; install it anew"
            )
        encoder = cls(open_session(with_cells(model, str(manifest["name"])), threads), manifest, preprocessing)
        tolerance = ROUNDED_TOLERANCE if encoder.precision == "int8" else GOLDEN_TOLERANCE
        try:
            seen = unit(encoder.extract_features(golden_pictures(checked)).pooled)
        except Exception as problem:
            if is_out_of_memory(problem):
                raise OutOfMemory(f"not enough memory to run encoder {name}; {FREE_MEMORY}") from problem
            raise ModelBroken(
                f"encoder {name}: {folder / 'model.onnx'} takes or gives something else than this kind of encoder"
                f" ({problem}); install it anew"
            ) from problem
        check_golden(seen, golden, name, tolerance)
        if adapter is None and (folder / "heads").is_dir():
            adapter = folder / "heads"
        return encoder if adapter is None else encoder.adapted(Adapter.load(adapter))

    def adapted(self, adapter: Adapter) -> "Builtin":
        """This encoder in the adapter's space; both share the network. Raises ModelBroken on another's adapter."""
        return Builtin(self._session, self._manifest, self.preprocessing, adapter)

    def extract_features(self, images: Sequence[Image]) -> Features:
        """Upright pictures of any size -> what the network sees in them, row by row."""
        pooled = np.empty((len(images), 1280), np.float32)
        logits = np.empty((len(images), 1000 if self.knows_classes else 0), np.float32)
        names = ["pooled", "logits"][: 1 + self.knows_classes]
        for start in range(0, len(images), _BATCH):
            rows = slice(start, start + _BATCH)
            pictures = to_tensor(images[rows], self.preprocessing)
            for target, found in zip((pooled, logits), self._session.run(names, {"pictures": pictures})):
                target[rows] = found
        return Features(pooled, softmax(logits))

    def extract_feature_map(self, image: Image) -> FeatureMap:
        """One picture -> what a look holds and where in it the network answered, in the same pass."""
        wanted = {"pooled": True, "map": True, "logits": self.knows_classes, self._cells: bool(self._cells)}
        names = [name for name, there in wanted.items() if there]
        found = dict(zip(names, self._session.run(names, {"pictures": to_tensor([image], self.preprocessing)})))
        activations: Vectors = found["map"][0]
        cells: Vectors = found[self._cells][0] if self._cells else np.maximum(activations, 0)
        logits = found.get("logits", np.empty((1, 0), np.float32))
        return FeatureMap(Features(found["pooled"], softmax(logits)), activations, cells)

    def texts(self, texts: Sequence[str], role: Role) -> NoReturn:
        """Raises NoText: this encoder knows pictures only."""
        raise NoText(f"encoder {self.name} has no text side: search by photo, or add a text encoder")


def artifact_of(name: str) -> Path:
    """The folder of an encoder by its name or path. Raises NotFound."""
    for folder in (_SHIPPED / name, (_MADE / name).expanduser(), Path(name).expanduser()):
        if (folder / "manifest.json").is_file():
            return folder
    raise NotFound(f"encoder {name!r} is not here; make it: python scripts/export_encoder.py {name} --into {_MADE}")
