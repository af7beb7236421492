"""Any of Pillow's modes to 8-bit RGB in sRGB: transparency on a ground, deep grays scaled, color profiles applied.

A shop's catalog stands on white, so white behind a cut-out adds no edge. A cut-out that is itself nearly white stands
on gray: on white it would be a blank square. A broken or unfitting color profile is left out: the picture is then a
little off in hue, not lost.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from snapfind.media.image.transfer_functions import displayed

__all__ = ["to_srgb"]

_SRGB = ImageCms.createProfile("sRGB")
_MODE_OF_SPACE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_DEEP = ("I", "F")  # and every "I;16…"
_16_TO_8 = 257.0  # 65535 / 255
_WHITE, _GRAY = (255, 255, 255, 255), (128, 128, 128, 255)
_NEARLY_WHITE = 232  # least of the three levels of a color that does not show on white
_MOSTLY = 0.8  # share of the opaque part from which a cut-out counts as nearly white
_SAMPLES = 96  # looked at along each side


def to_srgb(image: Image.Image) -> Image.Image:
    """A loaded image of any mode -> a new RGB image; the profile is read from `image.info`."""
    profile = image.info.get("icc_profile")
    image = _premultiplied(image)
    gray = image.mode in ("1", "L", "LA", "La") or _is_deep(image)
    flat = _flatten(_shallow(image) if _is_deep(image) else image)
    if profile:
        converted = _through(flat.convert("L") if gray and _space(profile) == "GRAY" else flat, profile)
        if converted is not None:
            return converted
    elif "srgb" not in image.info or image.info.get("cicp"):
        flat = displayed(flat, image.info.get("gamma"), image.info.get("cicp"))
    return flat.convert("RGB")


def _premultiplied(image: Image.Image) -> Image.Image:
    """Modes that hold colors multiplied by their alpha, as the modes that do not."""
    return image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode]) if image.mode in ("La", "RGBa") else image


def _is_deep(image: Image.Image) -> bool:
    return image.mode in _DEEP or image.mode.startswith("I;16")


def _shallow(image: Image.Image) -> Image.Image:
    """Grays of 16 or 32 bits or floats -> mode L, or LA with a key color; Pillow's own convert would clip at 255."""
    levels: NDArray[np.float64] = np.nan_to_num(np.asarray(image, np.float64), posinf=0, neginf=0)
    if image.mode.startswith("I;16"):
        gray = Image.fromarray((levels / _16_TO_8 + 0.5).astype(np.uint8))
        key = image.info.get("transparency")
        if isinstance(key, int):
            gray.putalpha(Image.fromarray(np.where(levels == key, 0, 255).astype(np.uint8)))
        return gray
    least, most = float(levels.min()), float(levels.max())
    whites = (1.0, 255.0) if image.mode == "F" else (255.0, 65535.0)
    # The nearest usual range that holds all values; values of no usual range are stretched over black to white.
    white = next((white for white in whites if least >= 0 and most <= white), None)
    low, high = (0.0, white) if white is not None else (least, most)
    scale = 255.0 / (high - low) if high > low else 0.0
    return Image.fromarray(np.clip((levels - low) * scale + 0.5, 0, 255).astype(np.uint8))


def _flatten(image: Image.Image) -> Image.Image:
    """Transparent pixels, by alpha, palette or key color, on a ground; other images as they are (palettes as RGB)."""
    if image.has_transparency_data:
        shaped = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", shaped.size, _ground(shaped)), shaped).convert("RGB")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _ground(shaped: Image.Image) -> tuple[int, int, int, int]:
    """White, or gray behind a cut-out that would not show on white."""
    alpha = shaped.getchannel("A")
    box = alpha.getbbox()
    if box is None or alpha.getextrema()[0] == 255:  # nothing to see, or nothing to see through
        return _WHITE
    size = (min(_SAMPLES, box[2] - box[0]), min(_SAMPLES, box[3] - box[1]))
    # single pixels: a mean would mix in the colors of what is transparent
    sample = np.asarray(shaped.resize(size, Image.Resampling.NEAREST, box), np.float64)
    weight, least = sample[..., 3], sample[..., :3].min(axis=2)
    return _GRAY if weight[least >= _NEARLY_WHITE].sum() > _MOSTLY * weight.sum() else _WHITE


def _space(profile: bytes) -> str:
    """Color space of an ICC profile, bytes 16 to 20 of its header (ICC.1:2022, 7.2.6)."""
    return profile[16:20].decode("latin-1").strip()


def _through(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Converted to sRGB by its profile; None where the profile is broken or of another color space."""
    if _MODE_OF_SPACE.get(_space(profile)) != image.mode:
        return None
    try:
        return ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
