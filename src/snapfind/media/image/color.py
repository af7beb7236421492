"""Conversion of any image mode to 8-bit sRGB: transparency, 16-bit grays and color profiles.

Catalog pictures have a white background, so transparent parts become white, without an extra edge. Behind a cut-out
that is nearly white itself they become gray, because it would be invisible on white. A damaged or unsuitable color
profile is ignored: a slightly wrong hue is better than no picture.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from snapfind.media.image.transfer_functions import apply_transfer_function

__all__ = ["to_srgb"]

_SRGB = ImageCms.createProfile("sRGB")
_MODE_OF_SPACE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_DEEP = ("I", "F")  # and every "I;16…"
_16_TO_8 = 257.0  # 65535 / 255
_WHITE, _GRAY = (255, 255, 255, 255), (128, 128, 128, 255)
_NEARLY_WHITE = 232  # minimum of the three levels of a color that is invisible on white
_MOSTLY = 0.8  # share of the opaque part from which a cut-out is nearly white
_SAMPLES = 96  # pixels sampled along each side


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert an image to sRGB.

    Args:
        image: Loaded image of any mode. Its color profile is in `image.info`.

    Returns:
        New RGB image.
    """
    profile = image.info.get("icc_profile")
    image = _unmultiply(image)
    gray = image.mode in ("1", "L", "LA", "La") or _is_deep(image)
    flat = _flatten(_to_8_bits(image) if _is_deep(image) else image)
    if profile:
        converted = _apply_profile(flat.convert("L") if gray and _space(profile) == "GRAY" else flat, profile)
        if converted is not None:
            return converted
    elif "srgb" not in image.info or image.info.get("cicp"):
        flat = apply_transfer_function(flat, image.info.get("gamma"), image.info.get("cicp"))
    return flat.convert("RGB")


def _unmultiply(image: Image.Image) -> Image.Image:
    """Convert modes with premultiplied alpha to the usual ones."""
    return image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode]) if image.mode in ("La", "RGBa") else image


def _is_deep(image: Image.Image) -> bool:
    return image.mode in _DEEP or image.mode.startswith("I;16")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Convert grays of 16 or 32 bits or floats to mode L, or LA with a key color. Pillow's convert clips at 255."""
    levels: NDArray[np.float64] = np.nan_to_num(np.asarray(image, np.float64), posinf=0, neginf=0)
    if image.mode.startswith("I;16"):
        gray = Image.fromarray((levels / _16_TO_8 + 0.5).astype(np.uint8))
        key = image.info.get("transparency")
        if isinstance(key, int):
            gray.putalpha(Image.fromarray(np.where(levels == key, 0, 255).astype(np.uint8)))
        return gray
    least, most = float(levels.min()), float(levels.max())
    whites = (1.0, 255.0) if image.mode == "F" else (255.0, 65535.0)
    # the smallest usual range with all values, else the range of the values
    white = next((white for white in whites if least >= 0 and most <= white), None)
    low, high = (0.0, white) if white is not None else (least, most)
    scale = 255.0 / (high - low) if high > low else 0.0
    return Image.fromarray(np.clip((levels - low) * scale + 0.5, 0, 255).astype(np.uint8))


def _flatten(image: Image.Image) -> Image.Image:
    """Put transparent pixels (by alpha, palette or key color) on a background. Palettes become RGB."""
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, _background(rgba)), rgba).convert("RGB")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _background(rgba: Image.Image) -> tuple[int, int, int, int]:
    """Return white, or gray for a cut-out that would be invisible on white."""
    alpha = rgba.getchannel("A")
    box = alpha.getbbox()
    if box is None or alpha.getextrema()[0] == 255:  # fully transparent, or fully opaque
        return _WHITE
    size = (min(_SAMPLES, box[2] - box[0]), min(_SAMPLES, box[3] - box[1]))
    # single pixels, because a mean includes the colors of transparent ones
    sample = np.asarray(rgba.resize(size, Image.Resampling.NEAREST, box), np.float64)
    weight, least = sample[..., 3], sample[..., :3].min(axis=2)
    return _GRAY if weight[least >= _NEARLY_WHITE].sum() > _MOSTLY * weight.sum() else _WHITE


def _space(profile: bytes) -> str:
    """Return the color space of an ICC profile, bytes 16 to 20 of its header (ICC.1:2022, 7.2.6)."""
    return profile[16:20].decode("latin-1").strip()


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert an image to sRGB by its profile, or return None if the profile is damaged or of another color space."""
    if _MODE_OF_SPACE.get(_space(profile)) != image.mode:
        return None
    try:
        return ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
