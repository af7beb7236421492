"""Cuts a product out of its studio picture: what is near white and reaches the border becomes transparent."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

__all__ = ["cutout", "on_white"]

_SIDE = 320  # the longest side that is worked on; more costs time and shows in no photo
_WHITE = 246  # the darkest channel of studio white, with its JPEG noise; lower ones eat into white cartons
_LEAST, _MOST = 0.02, 0.98  # parts of the picture; a cut-out outside of them is no product on white


def cutout(image: Image.Image) -> Image.Image:
    """Picture -> RGBA, cropped to the product; opaque throughout where it does not stand on white. Longest side 320."""
    small = image.convert("RGB")
    small.thumbnail((_SIDE, _SIDE), reducing_gap=2.0)
    product = _filled(~_reached(np.asarray(small).min(axis=2) >= _WHITE))
    opaque = small.convert("RGBA")
    if not _LEAST < product.mean() < _MOST:
        return opaque
    mask = Image.fromarray(product.astype(np.uint8) * 255).filter(ImageFilter.MinFilter(3))
    opaque.putalpha(mask.filter(ImageFilter.GaussianBlur(0.6)))
    return opaque.crop(mask.getbbox()) if mask.getbbox() else small.convert("RGBA")


def on_white(image: Image.Image) -> bool:
    """Whether nine tenths of the border are studio white."""
    darkest = np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BOX)).min(axis=2)
    border = np.concatenate([darkest[0], darkest[-1], darkest[1:-1, 0], darkest[1:-1, -1]])
    return float((border >= _WHITE).mean()) >= 0.9


def _reached(white: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those white pixels (h, w) that a path of white pixels joins to the border."""
    reached = np.zeros_like(white)
    reached[[0, -1], :], reached[:, [0, -1]] = white[[0, -1], :], white[:, [0, -1]]
    before = -1
    while before != (before := int(reached.sum())):  # each round sweeps along whole rows and columns
        for turned in (0, 1, 2, 3):
            lit, open_ = np.rot90(reached, turned), np.rot90(white, turned)
            lit |= _sweep(lit, open_)
    return reached


def _sweep(lit: NDArray[np.bool_], open_: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Spreads from left to right along each row until something closed stands in the way."""
    places = np.arange(lit.shape[1])
    last_lit = np.maximum.accumulate(np.where(lit, places, -1), axis=1)
    last_closed = np.maximum.accumulate(np.where(open_, -1, places), axis=1)
    return open_ & (last_lit > last_closed)


def _filled(product: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With every pixel (h, w) that has product on all four sides: mends white cartons that the white ate into."""
    from_left, from_top = np.logical_or.accumulate(product, axis=1), np.logical_or.accumulate(product, axis=0)
    from_right = np.logical_or.accumulate(product[:, ::-1], axis=1)[:, ::-1]
    from_below = np.logical_or.accumulate(product[::-1], axis=0)[::-1]
    filled: NDArray[np.bool_] = from_left & from_top & from_right & from_below
    return filled
