"""Bytes to a picture: bounded, upright, RGB. Every failure is a BadPicture with one sentence that names the mend.

The order is the defense (Pillow's security handbook, STRIDE): bytes are counted, the format is sniffed from a closed
list, the size is read from the header and checked, and only then are pixels decoded. Color is media/image/color.py's.
"""

import io
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeVar

from PIL import Image, UnidentifiedImageError

from snapfind.core.config import Settings
from snapfind.core.errors import BadPicture
from snapfind.media.image.ancillary_chunks import bounded
from snapfind.media.image.color import to_srgb
from snapfind.media.image.formats import FORMATS, named, sniff
from snapfind.media.image.orientation import orientation, upright
from snapfind.media.image.transfer_functions import coding_of

__all__ = ["Limits", "Source", "check_size", "load", "probe"]

Source = Path | str | bytes | Image.Image
_Made = TypeVar("_Made")

_SCANNED = frozenset({"JPEG", "PNG"})  # formats in which a small file can cost seconds
# For the whole process: catch_warnings would change every thread's filters, and pictures are decoded in threads.
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
        """The limits that the settings name."""
        return cls(settings.whole("max_bytes"), settings.whole("max_pixels"), settings.whole("max_side"))


def load(source: Source, limits: Limits, *, side: int | None = None) -> Image.Image:
    """A picture as an RGB image, displayed upright, on white where it was transparent, its first frame if it moves.

    `source` is a path, the bytes of a file, or a PIL image (which is left as it is). With `side`, the pixels wanted
    along the longest side, a larger picture comes back smaller, but never below `side`: JPEG files are then decoded
    up to 8 times faster.

    Raises BadPicture: picture_missing, picture_empty, picture_format, picture_broken or picture_too_large.
    """
    name = _name(source)
    if isinstance(source, Image.Image):
        check_size(source.size, limits, name)
        return _decode(source, name, side)
    with _opened(source, limits, name) as image:
        if side is not None:
            _guard(lambda: _draft(image, side), name)
        return _decode(image, name, side)


def probe(source: Source, limits: Limits) -> tuple[str, int, int]:
    """Format name ("" for a PIL image without one), width and height as displayed; reads no pixels.

    Raises BadPicture as `load` does, except for damage behind the header.
    """
    name = _name(source)
    if isinstance(source, Image.Image):
        return _shape(source)
    with _opened(source, limits, name) as image:
        return _shape(image)


def _shape(image: Image.Image) -> tuple[str, int, int]:
    width, height = image.size
    # Pillow turns TIFF by itself and tells the turned size already.
    turned = orientation(image) >= 5 and image.format != "TIFF"
    return named(image.format or ""), *((height, width) if turned else (width, height))


@contextmanager
def _opened(source: Path | str | bytes, limits: Limits, name: str) -> Iterator[Image.Image]:
    """The header, read and checked against the limits."""
    with _stream(source, limits, name) as file:
        head = file.read(32)
        stream = file
        if sniff(head) in _SCANNED:
            content = source if isinstance(source, bytes) else head + file.read()
            stream = io.BytesIO(bounded(content, name))
        stream.seek(0)
        if head[:1] == b"P" and sniff(head) != "PPM":  # the text kinds of PPM take seconds: 7.4 s for 32 MB
            _refuse(name, head)
        image = _guard(lambda: Image.open(stream, formats=FORMATS), name, head)
        with image:
            check_size(image.size, limits, name)
            image.info["cicp"] = coding_of(stream, head)
            yield image


def _stream(source: Path | str | bytes, limits: Limits, name: str) -> BinaryIO:
    """The bytes to read, counted. A path must be a regular file: a pipe would block, a device would never end."""
    if isinstance(source, bytes):
        count, stream = len(source), io.BytesIO(source)
        _check_bytes(count, limits, name)
        return stream
    try:
        told = Path(source).stat()
        if not stat.S_ISREG(told.st_mode):
            raise BadPicture(f"{name} is not a file; give the path of a picture", code="picture_missing")
        _check_bytes(told.st_size, limits, name)
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
    """Asks the JPEG decoder for an eighth, a quarter or half of the picture: whatever keeps the longest side."""
    longest = max(image.size)
    image.draft(None, (max(1, -(-image.width * side // longest)), max(1, -(-image.height * side // longest))))


def _decode(image: Image.Image, name: str, side: int | None) -> Image.Image:
    """Pixels, upright, in sRGB, reduced by a whole factor where `side` allows it, without metadata."""

    def decoded() -> Image.Image:
        image.load()
        turned = to_srgb(upright(image))
        factor = max(turned.size) // side if side is not None else 1
        # Pillow rounds up, so an odd remainder never falls below `side`.
        found = turned.reduce(factor) if factor > 1 else turned
        found.info = {}
        return found

    return _guard(decoded, name)


def _guard(step: Callable[[], _Made], name: str, head: bytes = b"") -> _Made:
    """Runs a step of Pillow's; whatever it raises becomes BadPicture."""
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
    """The sentence for bytes that no decoder took: a broken picture, or no picture that is taken here."""
    kind = sniff(head)
    if kind == "HEIC" and "HEIF" not in FORMATS:
        message = f"{name} is HEIC; send JPEG, or install the extra: in the checkout of snapfind pip install '.[heic]'"
        raise BadPicture(message, code="picture_format")
    if kind:
        message = f"{name} begins as {kind} but cannot be read; send the picture again"
        raise BadPicture(message, code="picture_broken")
    taken = ", ".join(sorted(named(known) for known in FORMATS))
    raise BadPicture(f"{name} is of no kind that is taken here; give one of {taken}", code="picture_format")


def _name(source: Source) -> str:
    """What the user called it; of an absolute path only the last part, so that no message tells a server's folders."""
    if isinstance(source, bytes | Image.Image):
        return "the picture"
    path = Path(source)
    return repr(path.name if path.is_absolute() else str(path))
