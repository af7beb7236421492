"""Which queries belong together: by category, by how large the photo is, by how bright it is."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TypeVar

from PIL.Image import Image
from PIL.ImageStat import Stat

__all__ = ["by_property", "properties_of"]

_SMALL, _LARGE = 256, 1024  # pixels of the shorter side
_DARK, _BRIGHT = 85, 170  # mean luminance, 0..255
T = TypeVar("T")


def properties_of(photo: Image) -> dict[str, str]:
    """`size`: small below 256 pixels of the shorter side, large from 1024; `brightness`: dark below 85, bright from 170
    of the mean luminance, 0..255.
    """
    shorter, light = min(photo.size), fmean(Stat(photo.convert("L")).mean)
    return {
        "size": "small" if shorter < _SMALL else "large" if shorter >= _LARGE else "medium",
        "brightness": "dark" if light < _DARK else "bright" if light >= _BRIGHT else "medium",
    }


def by_property(rows: Sequence[T], properties: Sequence[Mapping[str, str]]) -> dict[str, dict[str, list[T]]]:
    """Property -> its value -> the rows that have it, both in order of name."""
    found: dict[str, dict[str, list[T]]] = {}
    for row, own in zip(rows, properties, strict=True):
        for name, value in own.items():
            found.setdefault(name, {}).setdefault(value, []).append(row)
    return {name: dict(sorted(values.items())) for name, values in sorted(found.items())}
