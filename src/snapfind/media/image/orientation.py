"""EXIF orientation: pictures are turned as they are displayed before anything else looks at them.

Boxes, sizes and vectors all speak of the displayed picture. EXIF 2.32, tag 0x0112.
"""

from PIL import ExifTags, Image

__all__ = ["orientation", "upright"]

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(image: Image.Image) -> int:
    """1 to 8; 1, as stored, where EXIF is absent or broken: a picture with a bad label is still a picture."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  (Pillow's EXIF parser raises what it stumbles over)
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def upright(image: Image.Image) -> Image.Image:
    """The image as displayed; the same object where nothing is to turn. Call after `image.load()`."""
    turn = _TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)
