"""Background removal for studio pictures: white pixels that reach the border become transparent."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from snapfind.media.image.segment_color import flood_fill

__all__ = ["cut_out_product", "on_white"]

_SIDE = 320  # longest side of a cut-out: more costs time and does not improve synthetic photos
_WHITE = 246  # minimum of the darkest channel of studio white with JPEG noise; a lower one cuts into white cartons
_LEAST, _MOST = 0.02, 0.98  # share of the picture that a product on white may cover


def cut_out_product(image: Image.Image) -> Image.Image:
    """Cut the product out of a studio picture.

    Args:
        image: Picture of any mode and size.

    Returns:
        RGBA image, cropped to the product, with a longest side of at most 320 pixels. It is opaque if the background is
        not white.
    """
    small = image.convert("RGB")
    small.thumbnail((_SIDE, _SIDE), reducing_gap=2.0)
    product = _fill_holes(~_white_background(np.asarray(small).min(axis=2) >= _WHITE))
    opaque = small.convert("RGBA")
    if not _LEAST < product.mean() < _MOST:
        return opaque
    mask = Image.fromarray(product.astype(np.uint8) * 255).filter(ImageFilter.MinFilter(3))
    opaque.putalpha(mask.filter(ImageFilter.GaussianBlur(0.6)))
    return opaque.crop(mask.getbbox()) if mask.getbbox() else small.convert("RGBA")


def on_white(image: Image.Image) -> bool:
    """Tell whether the background is white.

    Args:
        image: Picture of any mode and size.

    Returns:
        True if nine tenths of its border are white.
    """
    darkest = np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BOX)).min(axis=2)
    border = np.concatenate([darkest[0], darkest[-1], darkest[1:-1, 0], darkest[1:-1, -1]])
    return float((border >= _WHITE).mean()) >= 0.9


def _white_background(white: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the white pixels (h, w) that are connected to the border."""
    border = np.zeros_like(white)
    border[[0, -1], :], border[:, [0, -1]] = white[[0, -1], :], white[:, [0, -1]]
    return flood_fill(border, white)


def _fill_holes(product: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add the pixels (h, w) that have product on all four sides, such as white areas of a carton."""
    from_left, from_top = np.logical_or.accumulate(product, axis=1), np.logical_or.accumulate(product, axis=0)
    from_right = np.logical_or.accumulate(product[:, ::-1], axis=1)[:, ::-1]
    from_below = np.logical_or.accumulate(product[::-1], axis=0)[::-1]
    filled: NDArray[np.bool_] = from_left & from_top & from_right & from_below
    return filled
