"""Use an encoder of your own: register a kind, and open a catalog with it.

    python examples/draw_shop.py && python examples/own_encoder.py

The encoder here is a histogram of hues. Yours calls your network. `extract_features` gets upright RGB images of
any size and returns one row of features for each.
"""

from collections.abc import Sequence

import numpy as np
from PIL.Image import Image

import snapfind
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.base import Space
from snapfind.encoders.image.base import Features
from snapfind.encoders.image.image_encoder import ImageEncoder
from snapfind.encoders.image.preprocess import Preprocessing
from snapfind.encoders.registry import EncoderKind, register_kind


class Hues(ImageEncoder):
    """Histogram of the hues of saturated pixels."""

    words = None  # no text tower
    shows_cells = knows_classes = False
    precision = "fp32"

    def __init__(self, bins: int, adapter: Adapter | None = None) -> None:
        self.name, self.bins = "hues", bins
        self.preprocessing = Preprocessing(side=64)
        # the id of a space names everything that changes an embedding
        super().__init__(Space(f"hues-{bins}", bins, self.name), adapter)

    def extract_features(self, images: Sequence[Image]) -> Features:
        """Histograms weighted by saturation, float32 of shape (n, bins)."""
        rows = np.full((len(images), self.bins), 1e-3, np.float32)
        for number, image in enumerate(images):
            hue, saturation, _ = np.moveaxis(np.asarray(image.resize((64, 64)).convert("HSV"), np.int64), -1, 0)
            rows[number] += np.bincount(hue.ravel() * self.bins // 256, (saturation.ravel() / 255) ** 4, self.bins)
        return Features(rows, np.zeros((len(rows), 0), np.float32))

    def adapted(self, adapter: Adapter) -> "Hues":
        """The same encoder with an adapter, for `snapfind model fit`."""
        return Hues(self.bins, adapter)


register_kind("hues", EncoderKind(lambda base, folders, threads: Hues(int(base))))

with snapfind.open("own.snap", encoder="hues:24") as catalog:
    catalog.add("products.csv")
    print("model:", catalog.info()["model"])
    for hit in catalog.search("photo.jpg", limit=3, regions="whole"):
        print(f"{hit.parts['image']:.3f}  {hit.product.title}")
