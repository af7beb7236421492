"""The encoder, loaded once, and small pictures drawn on the spot."""

import numpy as np
import pytest
from PIL import Image

from snapfind.encoders.image.efficientnet import Builtin


@pytest.fixture(scope="session")
def encoder() -> Builtin:
    return Builtin.load()


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    """Eight of different sizes: a smooth blob of one color on another."""
    rng = np.random.default_rng(7)
    drawn = []
    for _ in range(8):
        width, height = (int(side) for side in rng.integers(60, 240, 2))
        y, x = np.mgrid[0:height, 0:width]
        inside = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2 < rng.uniform(0.05, 0.2))[..., None]
        colors = rng.integers(0, 256, (2, 3))
        drawn.append(Image.fromarray(np.where(inside, colors[0], colors[1]).astype(np.uint8)))
    return drawn
