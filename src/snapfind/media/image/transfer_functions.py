"""Conversion to sRGB of images without a color profile: gamma, linear light, PQ and HLG.

PNG has the transfer function in gAMA or cICP, AVIF and HEIC in a `colr` box (code points of ITU-T H.273). Without
conversion such images are too dark or too pale. HDR is reduced to the range of a screen: diffuse white, 203 cd/m²
(ITU-R BT.2408), becomes white, and brighter highlights are clipped.
"""

import struct
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["apply_transfer_function", "read_coding"]

Coding = tuple[int, int]  # primaries and transfer function, code points of H.273
_HEAD = 65_536  # bytes of the file that are searched for the chunk or box
_SRGB_GAMMA = 0.45455
_NEAR = 0.03  # a gamma within this distance of sRGB's is sRGB
_PRIMARIES_SRGB = 1
_LINEAR, _PQ, _HLG = 8, 16, 18
_POWER = {4: 2.2, 5: 2.8}  # transfer -> exponent
_WHITE_NITS = 203.0
_ROWS = 256  # rows converted at a time, to limit memory
# Linear light of these primaries (white point D65) to that of sRGB; ITU-R BT.2087 and SMPTE EG 432-1.
_TO_SRGB = {
    9: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    12: ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979)),
}
Levels = NDArray[np.float32]


def read_coding(stream: BinaryIO, head: bytes) -> Coding | None:
    """Read the color coding of a file.

    Args:
        stream: The file. Its position is restored.
        head: Its first 32 bytes.

    Returns:
        Primaries and transfer function (H.273), or None if the file does not define them.
    """
    mark = b"cICP" if head.startswith(b"\x89PNG") else b"colrnclx" if head[4:8] == b"ftyp" else b""
    if not mark:
        return None
    before = stream.tell()
    stream.seek(0)
    content = stream.read(_HEAD)
    stream.seek(before)
    place = content.find(mark)
    if place < 0 or place + len(mark) + 4 > len(content):
        return None
    if mark == b"cICP":  # it comes before the pixels; within them, the four bytes are a coincidence
        return (content[place + 4], content[place + 5]) if b"IDAT" not in content[:place] else None
    return struct.unpack_from(">HH", content, place + len(mark))


def apply_transfer_function(image: Image.Image, gamma: float | None, coding: Coding | None) -> Image.Image:
    """Convert an image to sRGB.

    Args:
        image: RGB or L image without a color profile.
        gamma: Encoding exponent of PNG's gAMA, or None. That of sRGB is 0.45455.
        coding: Primaries and transfer function (H.273), or None. It overrides `gamma`.

    Returns:
        New image of the same mode, or `image` if it is in sRGB.
    """
    if coding is not None:
        primaries, transfer = coding
        if transfer in (_LINEAR, _PQ, _HLG) or transfer in _POWER or primaries in _TO_SRGB:
            return _convert(image, primaries, transfer)
        return image
    if gamma is None or not 0.1 <= gamma <= 5 or abs(gamma - _SRGB_GAMMA) < _NEAR:
        return image
    table = 255 * (np.arange(256) / 255) ** (_SRGB_GAMMA / gamma)
    return image.point([round(value) for value in table] * len(image.getbands()))


def _convert(image: Image.Image, primaries: int, transfer: int) -> Image.Image:
    light = _to_light(np.linspace(0, 1, 256, dtype=np.float32), transfer)
    matrix = np.array(_TO_SRGB[primaries], np.float32) if primaries in _TO_SRGB else None
    if matrix is None or image.mode != "RGB":
        table = np.rint(255 * _to_signal(light)).astype(int).tolist()
        return image.point(table * len(image.getbands()))
    levels = np.asarray(image)
    converted = np.empty_like(levels)
    for row in range(0, len(levels), _ROWS):
        linear = light[levels[row : row + _ROWS]] @ matrix.T
        converted[row : row + _ROWS] = np.rint(255 * _to_signal(linear))
    return Image.fromarray(converted)


def _to_light(signal: Levels, transfer: int) -> Levels:
    """Convert a signal 0..1 to linear light, in which 1 is diffuse white."""
    if transfer == _LINEAR:
        return signal
    if transfer in _POWER:
        return np.asarray(signal ** _POWER[transfer], np.float32)
    if transfer == _PQ:  # SMPTE ST 2084
        m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
        power = signal ** (1 / m2)
        nits = 10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
        return np.asarray(nits / _WHITE_NITS, np.float32)
    if transfer == _HLG:  # ITU-R BT.2100, on a screen of 1,000 cd/m²
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        return np.asarray(1000 * scene**1.2 / _WHITE_NITS, np.float32)
    return np.asarray(np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4), np.float32)


def _to_signal(light: Levels) -> Levels:
    """Convert linear light to an sRGB signal, 0..1."""
    light = np.clip(light, 0, 1)
    return np.asarray(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055), np.float32)
