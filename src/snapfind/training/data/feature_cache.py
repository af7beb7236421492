"""Feature cache: outputs of the frozen layers for every view, computed once by ONNX Runtime, stored as float16.

Training then computes only the remaining layers. The file is written in order, and its length tells how much is done,
so an interrupted run resumes where it stopped. `LiveViews` draws views on demand instead, to train the whole network.
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
from snapfind.media.image.background import cut_out_product
from snapfind.training.data.augmentation import Sample, view_of

__all__ = ["FeatureCache", "Front", "LiveViews", "build_feature_cache", "fingerprint_samples", "load_frozen_front"]

Front = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

Progress = Callable[[int, int], None]
_BATCH = 16
_BACKGROUNDS = 24  # cutouts that serve as background of synthetic photos


@dataclass(frozen=True)
class FeatureCache:
    """Features of all views of n samples.

    Attributes:
        features: (n, views, h, w, c) or (n, views, width) float16, memory-mapped.
        products: (n,) int64 labels.
        queries: (n,) bool, True for photos.
    """

    features: NDArray[np.float16]
    products: NDArray[np.int64]
    queries: NDArray[np.bool_]

    @property
    def views(self) -> int:
        """Number of views per sample."""
        return int(self.features.shape[1])

    def batch(self, rows: NDArray[np.int64], views: NDArray[np.int64]) -> Tensor:
        """Return the features of b views as float32.

        Args:
            rows: (b,) indices of the samples.
            views: (b,) numbers of the views.

        Returns:
            (b, c, h, w) in channels-last memory format, or (b, width).
        """
        cells = torch.from_numpy(self.features[rows, views].astype(np.float32))
        return cells.permute(0, 3, 1, 2) if cells.ndim == 4 else cells


class LiveViews:
    """Views drawn on demand, with the interface of `FeatureCache`. Batches are (b, side, side, 3) uint8 images."""

    views = 2**31

    def __init__(self, samples: Sequence[Sample], preprocessing: Preprocessing, seed: int) -> None:
        self._samples, self._preprocessing, self._seed = samples, preprocessing, seed
        self._backgrounds = _make_backgrounds(samples)
        self.products = np.array([sample.product for sample in samples])
        self.queries = np.array([sample.role == "query" for sample in samples])

    def batch(self, rows: NDArray[np.int64], views: NDArray[np.int64]) -> Tensor:
        """Return (b, side, side, 3) uint8 images of views number `views` of the samples `rows`."""
        with ThreadPoolExecutor() as pool:
            return torch.from_numpy(np.concatenate(list(pool.map(self._draw, rows.tolist(), views.tolist()))))

    def _draw(self, row: int, view: int) -> NDArray[np.uint8]:
        sample = self._samples[row]
        image = view_of(sample.load(), sample.how, row, view, self._seed, self._backgrounds)
        return to_tensor([image], self._preprocessing)


def load_frozen_front(model: Path, block: str, threads: int) -> Front:
    """Load the layers of an ONNX model that come before a block.

    Args:
        model: ONNX file.
        block: Name of the first block that is left out, "" for none.
        threads: Threads of ONNX Runtime.

    Returns:
        A function from (n, side, side, 3) uint8 images to (n, c, h, w) float32 feature maps, or to (n, width) pooled
        features if `block` is "".
    """
    from onnxruntime import InferenceSession, SessionOptions

    proto = onnx.load(model)
    convolutions = [node for node in proto.graph.node if node.op_type == "Conv"]
    first = [node.input[0] for node in convolutions if node.input[1].startswith(block + ".")]
    del proto.graph.output[:]
    output = first[0] if block else "pooled"
    proto.graph.output.append(onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
    options = SessionOptions()
    options.intra_op_num_threads = threads
    session = InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def front(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = session.run(None, {"pictures": images})[0]
        return features

    return front


def build_feature_cache(
    samples: Sequence[Sample],
    front: Front,
    preprocessing: Preprocessing,
    file: Path,
    *,
    views: int,
    seed: int,
    threads: int = 2,
    data_hash: str = "",
    progress: Progress | None = None,
) -> FeatureCache:
    """Encode views of all samples into a file.

    A JSON file next to it identifies the samples, the views, the seed and the frozen layers. If it matches, the work is
    resumed. Otherwise the file is replaced.

    Args:
        samples: The samples.
        front: Maps images to features.
        preprocessing: Preprocessing of the encoder.
        file: The cache file.
        views: Views per sample.
        seed: Random seed of the views.
        threads: Threads that load and draw images.
        data_hash: `fingerprint_samples(samples)`, if it is known already.
        progress: Called with (samples done, samples in all).

    Returns:
        The features, memory-mapped.

    Raises:
        NoRoom: The disk is full. What was written remains.
    """
    identity = {
        "of": data_hash or fingerprint_samples(samples, threads),
        "views": views,
        "seed": seed,
        "front": _fingerprint_front(front, preprocessing),
    }
    identity_file = file.with_suffix(".json")
    if not identity_file.exists() or json.loads(identity_file.read_text()) != identity:
        file.unlink(missing_ok=True)
        identity_file.write_text(json.dumps(identity))
    shape = _channels_last(front(np.zeros((1, preprocessing.side, preprocessing.side, 3), np.uint8))).shape[1:]
    size = 2 * views * int(np.prod(shape))
    done = file.stat().st_size // size if file.exists() else 0
    backgrounds = _make_backgrounds(samples)

    def draw(number: int) -> NDArray[np.uint8]:
        sample, image = samples[number], samples[number].load()
        drawn_views = [view_of(image, sample.how, number, view, seed, backgrounds) for view in range(views)]
        return to_tensor(drawn_views, preprocessing)

    with room_for(file), file.open("ab") as output, ThreadPoolExecutor(threads) as pool:
        output.truncate(done * size)
        for start in range(done, len(samples), _BATCH):
            for images in pool.map(draw, range(start, min(start + _BATCH, len(samples)))):
                output.write(_channels_last(front(images)).astype(np.float16).tobytes())
            if progress is not None:
                progress(min(start + _BATCH, len(samples)), len(samples))
    cells = np.memmap(file, np.float16, "r", shape=(len(samples), views, *shape))
    products = np.array([sample.product for sample in samples])
    return FeatureCache(cells, products, np.array([sample.role == "query" for sample in samples]))


def _channels_last(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move channels last, the faster memory format on a CPU."""
    return cells.transpose(0, 2, 3, 1) if cells.ndim == 4 else cells


def _make_backgrounds(samples: Sequence[Sample]) -> list[Image]:
    """Return cutouts of some studio images as backgrounds of synthetic photos, none if there are no such photos."""
    if not any(sample.how == "synthetic" for sample in samples):
        return []
    studio = [sample for sample in samples if sample.how == "studio"]
    return [cut_out_product(sample.load()) for sample in studio[:: max(1, len(studio) // _BACKGROUNDS)]]


def _fingerprint_front(front: Front, preprocessing: Preprocessing) -> str:
    """Hash the features of one fixed image, as a fingerprint of the weights."""
    side = preprocessing.side
    pictures = (np.arange(side * side * 3, dtype=np.int64) * 31 % 251).astype(np.uint8).reshape(1, side, side, 3)
    return hashlib.sha256(front(pictures).astype(np.float16).tobytes() + repr(preprocessing).encode()).hexdigest()


def fingerprint_samples(samples: Sequence[Sample], threads: int = 2) -> str:
    """Hash pixels, product and kind of all samples in order.

    Args:
        samples: The samples.
        threads: Threads that load images.

    Returns:
        sha256 as 64 hexadecimal digits.
    """

    def hash_pixels(sample: Sample) -> bytes:
        image = sample.load()
        return hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest()

    digest = hashlib.sha256(repr([(sample.product, sample.how) for sample in samples]).encode())
    with ThreadPoolExecutor(threads) as pool:
        for pixel_hash in pool.map(hash_pixels, samples):
            digest.update(pixel_hash)
    return digest.hexdigest()
