"""Decoding of images within limits: upright, in sRGB, without metadata. Every failure is a BadPicture.

The order of the checks is the defense (Pillow's security handbook): the size of the file, its format, the size of the
image in the header, and only then the pixels. Colors are converted by media/image/color.py.
"""

import io
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeVar

from PIL import ExifTags, Image, UnidentifiedImageError

from snapfind.core.config import Settings
from snapfind.core.errors import BadPicture
from snapfind.media.image.ancillary_chunks import limit_ancillary_data
from snapfind.media.image.color import to_srgb
from snapfind.media.image.formats import FORMATS, format_name, sniff
from snapfind.media.image.transfer_functions import read_coding

__all__ = ["Limits", "Source", "check_size", "load", "probe"]

Source = Path | str | bytes | Image.Image
_Made = TypeVar("_Made")

_SCANNED = frozenset({"JPEG", "PNG"})  # formats in which a small file can cost seconds
# EXIF 2.32, tag 0x0112. ImageOps.exif_transpose writes the EXIF data again, which fails for 3 % of damaged ones.
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# For the whole process: catch_warnings changes the filters of all threads, and images are decoded in threads.
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class Limits:
    """Maximum sizes of a media file.

    Args:
        max_bytes: Bytes of the file.
        max_pixels: Pixels of an image, width times height.
        max_side: Pixels of the longest side of an image.
        max_items: Items of a file, such as the segments of a video.
    """

    max_bytes: int
    max_pixels: int
    max_side: int
    max_items: int = 1024

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Return the limits of the settings.

        Args:
            settings: Settings of the catalog.

        Returns:
            The limits.
        """
        return cls(settings.whole("max_bytes"), settings.whole("max_pixels"), settings.whole("max_side"))


def load(source: Source, limits: Limits, *, side: int | None = None) -> Image.Image:
    """Decode an image.

    Args:
        source: Path, bytes of a file, or PIL image, which is not changed.
        limits: Maximum sizes.
        side: Longest side in pixels that is needed. A larger image is reduced, but not below it, so that JPEG files are
            decoded up to 8 times faster. None: the original size.

    Returns:
        RGB image, upright. Transparent parts are white. Of an animation it is the first frame.

    Raises:
        BadPicture: `picture_missing`, `picture_empty`, `picture_format`, `picture_broken` or `picture_too_large`.
    """
    name = _name(source)
    if isinstance(source, Image.Image):
        check_size(source.size, limits, name)
        return _decode(source, name, side)
    with _open(source, limits, name) as image:
        if side is not None:
            _guard(lambda: _draft(image, side), name)
        return _decode(image, name, side)


def probe(source: Source, limits: Limits) -> tuple[str, int, int]:
    """Read format and size of an image without decoding pixels.

    Args:
        source: Path, bytes of a file, or PIL image.
        limits: Maximum sizes.

    Returns:
        Name of the format ("" for a PIL image without one), width and height of the upright image.

    Raises:
        BadPicture: As `load`, except for damage after the header.
    """
    name = _name(source)
    if isinstance(source, Image.Image):
        return _shape(source)
    with _open(source, limits, name) as image:
        return _shape(image)


def _shape(image: Image.Image) -> tuple[str, int, int]:
    width, height = image.size
    # Pillow transposes TIFF by itself, and reports the transposed size
    transposed = _orientation(image) >= 5 and image.format != "TIFF"
    return format_name(image.format or ""), *((height, width) if transposed else (width, height))


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8. It is 1 if EXIF data are absent or damaged."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  (Pillow's parser of EXIF raises anything)
        return 1
    return value if isinstance(value, int) and value in _TRANSPOSE else 1


def _upright(image: Image.Image) -> Image.Image:
    """Transpose a loaded image as it is displayed."""
    transpose = _TRANSPOSE.get(_orientation(image))
    return image if transpose is None else image.transpose(transpose)


@contextmanager
def _open(source: Path | str | bytes, limits: Limits, name: str) -> Iterator[Image.Image]:
    """Read the header and check it against the limits."""
    with _stream(source, limits, name) as file:
        head = file.read(32)
        stream = file
        if sniff(head) in _SCANNED:
            content = source if isinstance(source, bytes) else head + file.read()
            stream = io.BytesIO(limit_ancillary_data(content, name))
        stream.seek(0)
        if head[:1] == b"P" and sniff(head) != "PPM":  # text formats of PPM take 7.4 s for 32 MB
            _refuse(name, head)
        image = _guard(lambda: Image.open(stream, formats=FORMATS), name, head)
        with image:
            check_size(image.size, limits, name)
            image.info["cicp"] = read_coding(stream, head)
            yield image


def _stream(source: Path | str | bytes, limits: Limits, name: str) -> BinaryIO:
    """Open the source and check its size. A path must be a regular file: a pipe would block, a device never ends."""
    if isinstance(source, bytes):
        count, stream = len(source), io.BytesIO(source)
        _check_bytes(count, limits, name)
        return stream
    try:
        status = Path(source).stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadPicture(f"{name} is not a file; give the path of a picture", code="picture_missing")
        _check_bytes(status.st_size, limits, name)
        return Path(source).open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path cannot be used"
        raise BadPicture(f"{name} cannot be read ({reason}); check the path", code="picture_missing") from None


def _check_bytes(count: int, limits: Limits, name: str) -> None:
    if count == 0:
        raise BadPicture(f"{name} is empty (0 bytes); send the picture again", code="picture_empty")
    if count > limits.max_bytes:
        message = f"{name} has {count:,} bytes; the most is {limits.max_bytes:,}: make it smaller or raise max_bytes"
        raise BadPicture(message, code="picture_too_large")


def check_size(size: tuple[int, int], limits: Limits, name: str) -> None:
    """Check the size of an image.

    Args:
        size: Width and height in pixels.
        limits: Maximum sizes.
        name: Name of the image, for the message.

    Raises:
        BadPicture: The image has no pixels, or exceeds a limit.
    """
    width, height = size
    if width < 1 or height < 1:
        raise BadPicture(f"{name} has no pixels ({width} x {height}); send another picture", code="picture_broken")
    if width * height > limits.max_pixels:
        message = f"{name} is {width} x {height}, more than {limits.max_pixels:,} pixels: make it smaller"
        raise BadPicture(f"{message} or raise max_pixels", code="picture_too_large")
    if max(size) > limits.max_side:
        message = f"{name} is {width} x {height}, a side longer than {limits.max_side:,} pixels: make it smaller"
        raise BadPicture(f"{message} or raise max_side", code="picture_too_large")


def _draft(image: Image.Image, side: int) -> None:
    """Let the JPEG decoder reduce the image to an eighth, a quarter or half, but not below `side`."""
    longest = max(image.size)
    image.draft(None, (max(1, -(-image.width * side // longest)), max(1, -(-image.height * side // longest))))


def _decode(image: Image.Image, name: str, side: int | None) -> Image.Image:
    """Decode the pixels, and reduce them by an integer factor, but not below `side`."""

    def decode() -> Image.Image:
        image.load()
        upright = to_srgb(_upright(image))
        factor = max(upright.size) // side if side is not None else 1
        # Pillow rounds up, so the result is never smaller than `side`
        reduced = upright.reduce(factor) if factor > 1 else upright
        reduced.info = {}
        return reduced

    return _guard(decode, name)


def _guard(step: Callable[[], _Made], name: str, head: bytes = b"") -> _Made:
    """Run a step of Pillow. Whatever it raises becomes BadPicture."""
    try:
        return step()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        message = f"{name} would take too much memory; make it smaller"
        raise BadPicture(message, code="picture_too_large") from None
    except UnidentifiedImageError:
        _refuse(name, head)
    except Exception as error:  # noqa: BLE001  (old parsers raise struct.error, SyntaxError, EOFError, KeyError)
        reason = type(error).__name__ if isinstance(error, KeyError) else str(error).strip().rstrip(".")[:120]
        message = f"{name} is damaged or cut off ({reason or type(error).__name__}); send the picture again"
        raise BadPicture(message, code="picture_broken") from None


def _refuse(name: str, head: bytes) -> NoReturn:
    """Raise BadPicture for bytes that no decoder accepts: a damaged image, or an unsupported format."""
    kind = sniff(head)
    if kind == "HEIC" and "HEIF" not in FORMATS:
        message = f"{name} is HEIC; send JPEG, or install the extra: in the checkout of snapfind pip install '.[heic]'"
        raise BadPicture(message, code="picture_format")
    if kind:
        message = f"{name} begins as {kind} but cannot be read; send the picture again"
        raise BadPicture(message, code="picture_broken")
    supported = ", ".join(sorted(format_name(known) for known in FORMATS))
    raise BadPicture(f"unsupported image format: {name}; supported: {supported}", code="picture_format")


def _name(source: Source) -> str:
    """Return a name for messages. Of an absolute path it is the last part, so that folders of a server stay private."""
    if isinstance(source, bytes | Image.Image):
        return "the picture"
    path = Path(source)
    return repr(path.name if path.is_absolute() else str(path))
