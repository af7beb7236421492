"""Limits for the data beside the pixels of PNG and JPEG files: texts, profiles, segments and scans.

A valid image must not be rejected for a long text or a large profile, and a small file must not take seconds. Pillow
reads chunks and segments one by one in Python, and decodes a progressive JPEG completely for each of its scans.
"""

import re
import struct
import zlib

from snapfind.core.errors import BadPicture

__all__ = ["limit_ancillary_data"]

_MOST_PARTS = 50_000  # chunks of a PNG, segments of a JPEG: 32 MiB in pieces of 1 KiB are 32,000
_MOST_BESIDE = 1_000_000  # bytes of a profile or of metadata, unpacked; Pillow rejects a PNG with more than 2**20
_MEGAPIXEL_SCANS = 1000.0  # scans times megapixels: about a second of decoding
_LEAST_SCANS, _MOST_SCANS = 32, 200  # encoders write 10 scans, optimizers up to about 20

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"cICP"})
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_ORIENTED = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0", b"Raw profile type APP1\0")  # may hold an orientation
_FILL = re.compile(rb"\xff+")
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in coded data 0xFF is followed by 0 or a restart marker
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})  # markers without a length


def limit_ancillary_data(content: bytes, name: str) -> bytes:
    """Remove unneeded chunks of a PNG, and check the numbers of chunks, segments and scans.

    Args:
        content: The bytes of a file of any format.
        name: Name of the picture, for messages.

    Returns:
        Bytes with the same pixels, transparency, color space and orientation.

    Raises:
        BadPicture: There are more chunks, segments or scans than an image of its size may have.
    """
    if content.startswith(_PNG):
        return _png(content, name)
    if content.startswith(_JPEG):
        _check_jpeg(content, name)
    return content


def _png(content: bytes, name: str) -> bytes:
    """Remove texts, private chunks, frames of an animation, and profiles that are too large."""
    pieces, start, place, count = [], 0, len(_PNG), 0
    while place + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        end = place + 12 + length
        count += 1
        if count > _MOST_PARTS:
            raise _too_many(name, "chunks")
        if kind not in _PIXEL_CHUNKS and not _is_allowed(kind, content[place + 8 : end - 4]):
            pieces.append(content[start:place])
            start = end
        place = end
        if kind == b"IEND":
            break
    return b"".join([*pieces, content[start:]]) if pieces else content


def _is_allowed(kind: bytes, data: bytes) -> bool:
    """Tell whether a chunk that is not needed for the pixels is left in."""
    if kind[:1].isupper():
        return True  # an unknown critical chunk: the decoder decides
    if kind == b"iCCP":
        return _fits(data[data.find(b"\0") + 2 :])
    if kind == b"eXIf":
        return len(data) <= _MOST_BESIDE
    if kind not in _TEXTS or not data.startswith(_ORIENTED):
        return False
    text = data[data.find(b"\0") + 1 :]
    if kind == b"zTXt":
        return _fits(text[1:])
    compressed = kind == b"iTXt" and text[:1] == b"\1"
    return _fits(text[2:].split(b"\0", 2)[-1]) if compressed else len(text) <= _MOST_BESIDE


def _fits(compressed: bytes) -> bool:
    """Tell whether zlib data is valid and unpacks within the limit."""
    try:
        return len(zlib.decompressobj().decompress(compressed, _MOST_BESIDE + 1)) <= _MOST_BESIDE
    except zlib.error:
        return False


def _check_jpeg(content: bytes, name: str) -> None:
    """Count segments before the first scan, and scans if there may be many. Raise BadPicture for too many."""
    place, count, pixels = 2, 0, 0
    while place + 4 <= len(content):
        fill = _FILL.match(content, place)
        if fill is None or fill.end() >= len(content):
            return  # damaged: the decoder reports it
        count += 1 + (fill.end() - place - 1)
        if count > _MOST_PARTS:
            raise _too_many(name, "segments")
        marker, place = content[fill.end()], fill.end() + 1
        if marker in _ALONE:
            continue
        if marker == 0xDA:
            _check_scans(content, place - 2, pixels, name)
            return
        if marker in _FRAMES and place + 7 <= len(content):
            height, width = struct.unpack_from(">HH", content, place + 3)
            pixels = width * height
        place += int.from_bytes(content[place : place + 2], "big")


def _check_scans(content: bytes, place: int, pixels: int, name: str) -> None:
    most = int(min(max(_MEGAPIXEL_SCANS * 1e6 / max(pixels, 1), _LEAST_SCANS), _MOST_SCANS))
    if content.count(b"\xff\xda", place) <= most:  # an upper bound, which is fast to count
        return
    scans = segments = 0
    while match := _MARKER.search(content, place):
        marker, place = content[match.start() + 1], match.end()
        if marker == 0xD9:  # end of image: a second image or a film may follow
            return
        scans, segments = scans + (marker == 0xDA), segments + 1
        if scans > most:
            message = f"{name} is a JPEG of more than {most} scans, which takes too long to decode: save it again"
            raise BadPicture(f"{message} as an ordinary JPEG", code="picture_too_large")
        if segments > _MOST_PARTS:
            raise _too_many(name, "segments")
        place += int.from_bytes(content[place : place + 2], "big")


def _too_many(name: str, what: str) -> BadPicture:
    message = f"{name} has more than {_MOST_PARTS:,} {what}: save it again without metadata"
    return BadPicture(message, code="picture_too_large")
