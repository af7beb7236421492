"""Maps: what the frozen front of the network makes of every view, computed once by ONNX Runtime and kept as float16.

Training the last blocks then costs only the last blocks. The file is filled in order and its length on disk is what is
done, so an interrupted run goes on where it stopped. `Live` draws the views anew instead: for the whole network.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from snapfind.core.atomic import room_for
from snapfind.encoders.image.preprocess import Preprocessing, to_tensor
from snapfind.media.image.background import cutout
from snapfind.training.data.augmentation import Shown, view_of

__all__ = ["Front", "Live", "Maps", "front_of", "make_maps", "print_of"]

Front = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

Progress = Callable[[int, int], None]
_BATCH = 16
_BEHIND = 24  # pictures whose cut-outs stand behind rephotographed ones


@dataclass(frozen=True)
class Maps:
    """`kept` (n, views, h, w, c) or (n, views, width) float16 on disk; `products` (n,); `queries` (n,) bool, True for
    photos."""

    kept: NDArray[np.float16]
    products: NDArray[np.int64]
    queries: NDArray[np.bool_]

    @property
    def views(self) -> int:
        """How many there are of each picture."""
        return int(self.kept.shape[1])

    def batch(self, rows: NDArray[np.int64], views: NDArray[np.int64]) -> Tensor:
        """(b, c, h, w) float32, channels last in memory, or (b, width)."""
        cells = torch.from_numpy(self.kept[rows, views].astype(np.float32))
        return cells.permute(0, 3, 1, 2) if cells.ndim == 4 else cells


class Live:
    """The same face as Maps for views that are drawn when they are asked for: (b, side, side, 3) uint8."""

    views = 2**31

    def __init__(self, shown: Sequence[Shown], preprocessing: Preprocessing, seed: int) -> None:
        self._shown, self._preprocessing, self._seed = shown, preprocessing, seed
        self._others = _behind(shown)
        self.products = np.array([one.product for one in shown])
        self.queries = np.array([one.role == "query" for one in shown])

    def batch(self, rows: NDArray[np.int64], views: NDArray[np.int64]) -> Tensor:
        """Pictures for the network's first block."""
        with ThreadPoolExecutor() as pool:
            return torch.from_numpy(np.concatenate(list(pool.map(self._draw, rows.tolist(), views.tolist()))))

    def _draw(self, row: int, view: int) -> NDArray[np.uint8]:
        one = self._shown[row]
        return to_tensor([view_of(one.load(), one.how, row, view, self._seed, self._others)], self._preprocessing)


def front_of(model: Path, block: str, threads: int) -> Front:
    """The file's network up to the input of `block`: (n, side, side, 3) uint8 -> (n, c, h, w) float32.

    Without a block, all of it: -> (n, width), pooled.
    """
    from onnxruntime import InferenceSession, SessionOptions

    proto = onnx.load(model)
    convolutions = [node for node in proto.graph.node if node.op_type == "Conv"]
    first = [node.input[0] for node in convolutions if node.input[1].startswith(block + ".")]
    del proto.graph.output[:]
    wanted = first[0] if block else "pooled"
    proto.graph.output.append(onnx.helper.make_tensor_value_info(wanted, onnx.TensorProto.FLOAT, None))
    options = SessionOptions()
    options.intra_op_num_threads = threads
    session = InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def front(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = session.run(None, {"pictures": pictures})[0]
        return found

    return front


def make_maps(
    shown: Sequence[Shown],
    front: Front,
    preprocessing: Preprocessing,
    file: Path,
    *,
    views: int,
    seed: int,
    threads: int = 2,
    of: str = "",
    progress: Progress | None = None,
) -> Maps:
    """The maps of `views` views of every picture, in `file` (and `file`.json, which says of what they are).

    A file of other pictures, views or seed is written anew; `of` is their `print_of`, where it is known already.
    Raises NoRoom; what was written before is gone on from.
    """
    told = {
        "of": of or print_of(shown, threads),
        "views": views,
        "seed": seed,
        "front": _print_of(front, preprocessing),
    }
    note = file.with_suffix(".json")
    if not note.exists() or json.loads(note.read_text()) != told:
        file.unlink(missing_ok=True)
        note.write_text(json.dumps(told))
    shape = _last(front(np.zeros((1, preprocessing.side, preprocessing.side, 3), np.uint8))).shape[1:]
    size = 2 * views * int(np.prod(shape))
    done = file.stat().st_size // size if file.exists() else 0
    others = _behind(shown)

    def drawn(number: int) -> NDArray[np.uint8]:
        one, image = shown[number], shown[number].load()
        return to_tensor([view_of(image, one.how, number, view, seed, others) for view in range(views)], preprocessing)

    with room_for(file), file.open("ab") as kept, ThreadPoolExecutor(threads) as pool:
        kept.truncate(done * size)
        for start in range(done, len(shown), _BATCH):
            for pictures in pool.map(drawn, range(start, min(start + _BATCH, len(shown)))):
                kept.write(_last(front(pictures)).astype(np.float16).tobytes())
            if progress is not None:
                progress(min(start + _BATCH, len(shown)), len(shown))
    cells = np.memmap(file, np.float16, "r", shape=(len(shown), views, *shape))
    products = np.array([one.product for one in shown])
    return Maps(cells, products, np.array([one.role == "query" for one in shown]))


def _last(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Channels last, as the kernels for a CPU like them."""
    return cells.transpose(0, 2, 3, 1) if cells.ndim == 4 else cells


def _behind(shown: Sequence[Shown]) -> list[Image]:
    """Cut-outs of some studio pictures; none are needed where nothing is photographed again."""
    if not any(one.how == "rephotographed" for one in shown):
        return []
    studio = [one for one in shown if one.how == "studio"]
    return [cutout(one.load()) for one in studio[:: max(1, len(studio) // _BEHIND)]]


def _print_of(front: Front, preprocessing: Preprocessing) -> str:
    """What the front makes of one picture, as a fingerprint of its weights."""
    side = preprocessing.side
    pictures = (np.arange(side * side * 3, dtype=np.int64) * 31 % 251).astype(np.uint8).reshape(1, side, side, 3)
    return hashlib.sha256(front(pictures).astype(np.float16).tobytes() + repr(preprocessing).encode()).hexdigest()


def print_of(shown: Sequence[Shown], threads: int = 2) -> str:
    """sha256 of what there is to learn from: pixels, product and kind of each picture, in their order."""

    def pixels(one: Shown) -> bytes:
        image = one.load()
        return hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest()

    digest = hashlib.sha256(repr([(one.product, one.how) for one in shown]).encode())
    with ThreadPoolExecutor(threads) as pool:
        for own in pool.map(pixels, shown):
            digest.update(own)
    return digest.hexdigest()
