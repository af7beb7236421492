"""The default image encoder: EfficientNet-Lite in ONNX Runtime, no PyTorch, no network.

Tan & Le, "EfficientNet", arXiv 1905.11946, the Lite variant; scripts/export_encoder.py makes the artifact. A `Look`
is what the network saw; `project` turns looks into vectors of one space, so that a catalogue can change its adapter
without looking at its pictures again.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from PIL.Image import Image
from safetensors.numpy import load_file

from snapfind.encoders.adapter import Adapter
from snapfind.encoders.golden import check_golden, golden_pictures
from snapfind.encoders.inner import CELLS, with_cells
from snapfind.encoders.port import Role, Space, Vectors
from snapfind.encoders.preprocess import Preprocessing, to_tensor
from snapfind.encoders.together import Together
from snapfind.encoders.vectors import softmax, unit
from snapfind.errors import ModelBroken, NoText, NotFound

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["Builtin", "Closely", "Look"]

_SHIPPED = Path(__file__).parent / "weights"
_MADE = Path("~/.cache/snapfind/encoders")  # where scripts/export_encoder.py puts what is not shipped
_BATCH = 16  # more pictures at a time are no faster and take more memory (benchmarks/encode_speed.py)


@dataclass(frozen=True, slots=True)
class Look:
    """What the network saw: `pooled` (n, 1280) features and `posterior` (n, 1000) over ImageNet classes, float32.

    A learnt network has forgotten the classes: its `posterior` is (n, 0).
    """

    pooled: Vectors
    posterior: Vectors


@dataclass(frozen=True, slots=True)
class Closely:
    """One picture: its `look`, the last feature map (1280, h, w) that it is pooled from, and the finer `cells`
    (c, 2h, 2w) before it, float32 from 0 up. Both lie over the padded square of the preprocessing.
    """

    look: Look
    features: Vectors
    cells: Vectors


class Builtin:
    """An Encoder of pictures. Safe to use from several threads at once.

    >>> encoder = Builtin.load()
    >>> encoder.images([photo], role="query").shape
    (1, 1280)
    """

    def __init__(
        self,
        session: Together,
        manifest: dict[str, object],
        preprocessing: Preprocessing,
        adapter: Adapter | None = None,
    ) -> None:
        self._session, self._manifest, self._adapter = session, manifest, adapter
        self.name = str(manifest["name"])
        self.knows_classes = "logits" in session.outputs
        self.preprocessing = preprocessing
        self._cells = next((name for name in session.outputs if name in CELLS.values()), "")
        described = preprocessing.as_dict()
        self.raw_id = _space_id(self.name, manifest["model_sha256"], described)
        self.space = Space(self.raw_id, 1280, self.name, (), described)
        if adapter is not None:
            if adapter.encoder != self.raw_id:
                raise ModelBroken(f"the adapter was fitted on {adapter.encoder}, this is {self.raw_id}: fit it anew")
            adapted = _space_id(self.name, manifest["model_sha256"], described, adapter.identity)
            self.space = Space(adapted, adapter.dim, self.name, (), described)

    @classmethod
    def load(cls, name: str = "lite0", *, adapter: Path | None = None, threads: int = 0) -> "Builtin":
        """The shipped `lite0`, one made by scripts/export_encoder.py, or the path of an artifact's folder.

        A learnt artifact has its own heads for the two roles, an Adapter in its subfolder `heads`.
        `adapter` is the folder of an Adapter; `threads` 0 takes one for each core that this process may use. Raises
        NotFound where there is no such artifact and ModelBroken where files or golden vectors do not agree.
        """
        folder = _find(name)
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            preprocessing = Preprocessing.parse(manifest["preprocessing"])
            model = (folder / "model.onnx").read_bytes()
            golden = load_file(folder / "golden.safetensors")["golden"]
            intact = hashlib.sha256(model).hexdigest() == manifest["model_sha256"]
        except Exception as problem:
            raise ModelBroken(f"encoder {name}: {folder} is not whole ({problem}); install it anew") from problem
        if not intact:
            raise ModelBroken(
                f"encoder {name}: {folder / 'model.onnx'} is not the file of its manifest; install it anew"
            )
        session = Together(_session(with_cells(model, str(manifest["name"])), threads), _BATCH)
        encoder = cls(session, manifest, preprocessing)
        check_golden(unit(encoder.look(golden_pictures(1)).pooled), golden, name)
        if adapter is None and (folder / "heads").is_dir():
            adapter = folder / "heads"
        return encoder if adapter is None else encoder.adapted(Adapter.load(adapter))

    def adapted(self, adapter: Adapter) -> "Builtin":
        """This encoder in the adapter's space; both share the network. Raises ModelBroken on another's adapter."""
        return Builtin(self._session, self._manifest, self.preprocessing, adapter)

    def look(self, images: Sequence[Image]) -> Look:
        """Upright pictures of any size -> what the network sees in them, row by row."""
        pooled = np.empty((len(images), 1280), np.float32)
        logits = np.empty((len(images), 1000 if self.knows_classes else 0), np.float32)
        names = ["pooled", "logits"][: 1 + self.knows_classes]
        for start in range(0, len(images), _BATCH):
            rows = slice(start, start + _BATCH)
            pictures = to_tensor(images[rows], self.preprocessing)
            for target, found in zip((pooled, logits), self._session.run(names, {"pictures": pictures})):
                target[rows] = found
        return Look(pooled, softmax(logits))

    def look_closely(self, image: Image) -> Closely:
        """One picture -> what a look holds and where in it the network answered, in the same pass."""
        names = ["pooled", "map", *(["logits"] if self.knows_classes else []), *([self._cells] if self._cells else [])]
        pooled, features, *inner = self._session.run(names, {"pictures": to_tensor([image], self.preprocessing)})
        logits = inner.pop(0) if self.knows_classes else np.empty((1, 0), np.float32)
        cells: Vectors = inner[0][0] if inner else np.maximum(features[0], 0)
        return Closely(Look(pooled, softmax(logits)), features[0], cells)

    def project(self, look: Look, role: Role) -> Vectors:
        """Looks -> (n, dim) float32, unit rows, of this encoder's space."""
        return unit(look.pooled) if self._adapter is None else self._adapter.project(look.pooled, role)

    def toward(self, vector: Vectors, role: Role) -> Vectors:
        """(dim,) vector of this space -> (1280,) direction in which a pooled feature of that role moves towards it."""
        if self._adapter is None:
            return vector
        direction: Vectors = self._adapter.weights[f"{role}_matrix"] @ vector
        return direction

    def images(self, images: Sequence[Image], role: Role) -> Vectors:
        """Upright pictures of any size -> (n, dim) float32, unit rows."""
        return self.project(self.look(images), role)

    def texts(self, texts: Sequence[str], role: Role) -> NoReturn:
        """Raises NoText: this encoder knows pictures only."""
        raise NoText(f"encoder {self.name} has no text side: search by photo, or add a text encoder")


def _space_id(name: str, *parts: object) -> str:
    told = json.dumps(parts, sort_keys=True)
    return f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def _find(name: str) -> Path:
    for folder in (_SHIPPED / name, (_MADE / name).expanduser(), Path(name).expanduser()):
        if (folder / "manifest.json").is_file():
            return folder
    raise NotFound(f"encoder {name!r} is not here; make it: python scripts/export_encoder.py {name} --into {_MADE}")


def _session(model: bytes, threads: int) -> "InferenceSession":
    """Raises ModelBroken when ONNX Runtime cannot read the model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or _cores()
    options.log_severity_level = 3
    # Spinning threads gain nothing for one query and take the cores from the index and from other queries
    # (benchmarks/query_latency.py: 12 ms a query where another session had just run).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as problem:
        raise ModelBroken(f"ONNX Runtime cannot load the model: {problem}") from problem


def _cores() -> int:
    """Cores that this process may use: in a container fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
