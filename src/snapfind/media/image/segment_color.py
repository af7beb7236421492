"""A rough mask of an object to a tight box, by color: one cut of GrabCut's kind (Rother, Kolmogorov, Blake 2004).

Colors inside the mask and around it are counted; each pixel near it then belongs to whichever side its color is
more frequent on, with the mask as a prior; what hangs together with the mask is the object.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Mask", "Palette", "bounds", "spread", "tighten"]

_SIDE = 112  # pixels of the longer side
_LEVELS = 6  # per channel
_AROUND = 0.6  # how far beyond the mask is looked, in its own sides
_PRIOR = 2.5  # most that the mask may say against the colors, in nats

Mask = NDArray[np.bool_]
Sides = tuple[float, float, float, float]


class Palette:
    """A picture as small whole numbers, one for each pixel: its color, quantized."""

    def __init__(self, image: Image.Image) -> None:
        scale = _SIDE / max(image.size)
        size = (max(8, round(image.width * scale)), max(8, round(image.height * scale)))
        small = image.resize(size, Image.Resampling.BOX, reducing_gap=1.0)
        levels = np.asarray(small.convert("RGB"), np.int32) * _LEVELS // 256
        self.size = size
        self.colors = (levels[..., 0] * _LEVELS + levels[..., 1]) * _LEVELS + levels[..., 2]

    @property
    def plain(self) -> bool:
        """Whether the picture is of one color."""
        return bool((self.colors == self.colors.flat[0]).all())

    def fit(self, field: NDArray[np.floating] | Mask) -> NDArray[np.float32]:
        """A field (h, w) over the picture, at the palette's size."""
        return np.asarray(Image.fromarray(field.astype(np.float32)).resize(self.size, Image.Resampling.BILINEAR))


def tighten(palette: Palette, prior: NDArray[np.float32], mask: Mask, others: Mask) -> Sides | None:
    """Left, top, right, bottom (0..1) of the object; None where nothing of it is left.

    All at the palette's size: `prior` is above 0 where an object is likely, about -1..1; `mask` is the object roughly,
    `others` what belongs to other objects.
    """
    if not mask.any():
        return None
    rows, columns = _around(mask)
    colors, inside, other = palette.colors[rows, columns], mask[rows, columns], others[rows, columns]
    belief = _PRIOR * np.clip(prior[rows, columns], -1, 1)
    chosen = inside
    for _ in range(2):
        odds = _smoothed(_odds(colors, chosen, ~chosen & ~other) + belief)
        grown = (odds > 0) & ~other
        if not (grown & inside).any():
            break
        chosen = grown
    chosen = spread(chosen & inside, chosen)
    whole = np.zeros_like(mask)
    whole[rows, columns] = chosen
    return bounds(whole)


def bounds(mask: Mask) -> Sides:
    """Left, top, right, bottom (0..1) of what is set in a mask; something is."""
    down, across = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return int(across[0]) / width, int(down[0]) / height, (int(across[-1]) + 1) / width, (int(down[-1]) + 1) / height


def spread(seed: Mask, open_: Mask) -> Mask:
    """Those cells that a path of open ones joins to the seed by their sides; the seed lies in the open."""
    reached, before = seed.copy(), -1
    while before != (before := int(np.count_nonzero(reached))):  # each round sweeps along whole rows and columns
        for turned in (lambda field: field, lambda field: field[:, ::-1], np.transpose, lambda field: field.T[:, ::-1]):
            lit, free = turned(reached), turned(open_)
            lit |= _sweep(lit, free)
    return reached


def _sweep(lit: Mask, free: Mask) -> Mask:
    """Spreads from left to right along each row until something closed stands in the way."""
    places = np.arange(1, lit.shape[1] + 1, dtype=np.int16)
    last_lit = np.maximum.accumulate(places * lit, axis=1)
    last_closed = np.maximum.accumulate(places * ~free, axis=1)
    return free & (last_lit > last_closed)


def _around(mask: Mask) -> tuple[slice, slice]:
    """The rows and columns of the mask and as much again around it."""
    slices = []
    for axis, size in ((1, mask.shape[0]), (0, mask.shape[1])):
        places = np.flatnonzero(mask.any(axis=axis))
        first, last = int(places[0]), int(places[-1]) + 1
        more = int((last - first) * _AROUND) + 3
        slices.append(slice(max(0, first - more), min(size, last + more)))
    return slices[0], slices[1]


def _odds(colors: NDArray[np.int32], inside: Mask, outside: Mask) -> NDArray[np.float64]:
    """Log odds of each pixel by its color alone."""
    kinds = _LEVELS**3
    counts = [np.bincount(colors[part], minlength=kinds) + 0.5 for part in (inside, outside)]
    shares = [np.log(count / (count.sum() - 0.45 * kinds)) for count in counts]
    odds: NDArray[np.float64] = (shares[0] - shares[1])[colors]
    return odds


def _smoothed(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each pixel and its eight neighbors."""
    padded = np.pad(field, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    mean: NDArray[np.float64] = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9
    return mean
