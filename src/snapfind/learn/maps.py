"""Maps: what the frozen front of the network makes of every view, computed once by ONNX Runtime and kept as float16.

Training the last blocks then costs only the last blocks. The file is filled in order and its length on disk is what is
done, so an interrupted run goes on where it stopped.
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
from torch import Tensor

from snapfind.encoders.preprocess import Preprocessing, to_tensor
from snapfind.learn.views import Shown, view_of
from snapfind.media.cutout import cutout

__all__ = ["Maps", "front_of", "make_maps"]

Progress = Callable[[int, int], None]
_BATCH = 16
_BEHIND = 24  # pictures whose cut-outs stand behind rephotographed ones


@dataclass(frozen=True)
class Maps:
    """`cells` (n, views, h, w, c) float16 on disk; `products` (n,) int64; `queries` (n,) bool, False for catalogue."""

    cells: NDArray[np.float16]
    products: NDArray[np.int64]
    queries: NDArray[np.bool_]

    def batch(self, rows: NDArray[np.int64], views: NDArray[np.int64]) -> Tensor:
        """(b, c, h, w) float32, channels last in memory."""
        return torch.from_numpy(self.cells[rows, views].astype(np.float32)).permute(0, 3, 1, 2)


def front_of(model: Path, block: str, threads: int) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """The file's network up to the input of `block`: (n, side, side, 3) uint8 -> (n, c, h, w) float32."""
    from onnxruntime import InferenceSession, SessionOptions

    proto = onnx.load(model)
    first = next(node for node in proto.graph.node if node.op_type == "Conv" and node.input[1].startswith(block + "."))
    del proto.graph.output[:]
    proto.graph.output.append(onnx.helper.make_tensor_value_info(first.input[0], onnx.TensorProto.FLOAT, None))
    options = SessionOptions()
    options.intra_op_num_threads = threads
    session = InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def front(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        cells: NDArray[np.float32] = session.run(None, {"pictures": pictures})[0]
        return cells

    return front


def make_maps(
    shown: Sequence[Shown],
    front: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    preprocessing: Preprocessing,
    file: Path,
    *,
    views: int,
    seed: int,
    threads: int = 2,
    progress: Progress | None = None,
) -> Maps:
    """The maps of `views` views of every picture, in `file` (and `file`.json, which says of what they are).

    A file of other pictures, views or seed is written anew.
    """
    told = {"pictures": len(shown), "views": views, "seed": seed, "front": _print_of(front, preprocessing), "of": _sign(shown)}
    note = file.with_suffix(".json")
    if not note.exists() or json.loads(note.read_text()) != told:
        file.unlink(missing_ok=True)
        note.write_text(json.dumps(told))
    probe = front(np.zeros((1, preprocessing.side, preprocessing.side, 3), np.uint8)).transpose(0, 2, 3, 1)
    size = views * probe[0].nbytes // 2
    done = file.stat().st_size // size if file.exists() else 0
    others = [cutout(one.load()) for one in shown[:: max(1, len(shown) // _BEHIND)] if one.how != "photo"]

    def drawn(number: int) -> NDArray[np.uint8]:
        one, image = shown[number], shown[number].load()
        return to_tensor([view_of(image, one.how, number, view, seed, others) for view in range(views)], preprocessing)

    with file.open("ab") as kept, ThreadPoolExecutor(threads) as pool:
        kept.truncate(done * size)
        for start in range(done, len(shown), _BATCH):
            for pictures in pool.map(drawn, range(start, min(start + _BATCH, len(shown)))):
                kept.write(front(pictures).transpose(0, 2, 3, 1).astype(np.float16).tobytes())
            if progress is not None:
                progress(min(start + _BATCH, len(shown)), len(shown))
    cells = np.memmap(file, np.float16, "r", shape=(len(shown), views, *probe.shape[1:]))
    products = np.array([one.product for one in shown])
    return Maps(cells, products, np.array([one.role == "query" for one in shown]))


def _print_of(front: Callable[[NDArray[np.uint8]], NDArray[np.float32]], preprocessing: Preprocessing) -> str:
    """What the front makes of one picture, as a fingerprint of its weights."""
    side = preprocessing.side
    pictures = (np.arange(side * side * 3, dtype=np.int64) * 31 % 251).astype(np.uint8).reshape(1, side, side, 3)
    return hashlib.sha256(front(pictures).astype(np.float16).tobytes() + repr(preprocessing).encode()).hexdigest()


def _sign(shown: Sequence[Shown]) -> str:
    """Order, products and kinds of the pictures."""
    return hashlib.sha256(repr([(one.product, one.how) for one in shown]).encode()).hexdigest()
