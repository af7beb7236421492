"""Slices of a test set: queries grouped by category, photo size and brightness."""

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
    """Return the size and brightness class of a photo.

    Args:
        photo: Decoded photo of any mode.

    Returns:
        `size`: "small" if the shorter side has under 256 pixels, "large" from 1024, else "medium". `brightness`: "dark"
        if the mean luminance (0..255) is under 85, "bright" from 170, else "medium".
    """
    shorter, luminance = min(photo.size), fmean(Stat(photo.convert("L")).mean)
    return {
        "size": "small" if shorter < _SMALL else "large" if shorter >= _LARGE else "medium",
        "brightness": "dark" if luminance < _DARK else "bright" if luminance >= _BRIGHT else "medium",
    }


def by_property(rows: Sequence[T], properties: Sequence[Mapping[str, str]]) -> dict[str, dict[str, list[T]]]:
    """Group rows by each of their properties.

    Args:
        rows: Any values.
        properties: The properties of each row.

    Returns:
        Property -> value -> rows with this value. Properties and values are sorted by name.

    Raises:
        ValueError: The lengths differ.
    """
    groups: dict[str, dict[str, list[T]]] = {}
    for row, own in zip(rows, properties, strict=True):
        for name, value in own.items():
            groups.setdefault(name, {}).setdefault(value, []).append(row)
    return {name: dict(sorted(values.items())) for name, values in sorted(groups.items())}
