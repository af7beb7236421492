"""Value types of the public API: Box, Picture, Product, Hit, Answer. Immutable and validated."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, overload

from snapfind.core.errors import BadInput

__all__ = [
    "Answer",
    "Attribute",
    "Box",
    "CategoryGuess",
    "Group",
    "Hit",
    "Kind",
    "Picture",
    "Product",
    "Region",
    "Verdict",
    "check_characters",
]

Attribute = str | float | int | bool | date | datetime | tuple[str, ...]
Kind = Literal["text", "number", "bool", "date", "list"]
Verdict = Literal["match", "similar", "none"]
_HALF = re.compile(r"[\ud800-\udfff]")


def check_characters(text: str, field: str, kind: type[BadInput] = BadInput) -> None:
    """Reject a text with a lone surrogate, which no encoding can store.

    JavaScript's `substring` through an emoji makes one, and so do undecodable bytes on a command line.

    Args:
        text: The text to check.
        field: Name of the input, for the message.
        kind: Exception class to raise.

    Raises:
        BadInput: The text holds a lone surrogate.
    """
    if not text.isascii() and _HALF.search(text):
        raise kind(f"{field} {text[:40]!r} contains a lone surrogate; send valid UTF-8", field=field)


def _check_attributes(attributes: Mapping[str, Attribute]) -> None:
    for name, value in attributes.items():
        check_characters(name, "attribute")
        for text in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(text, str):
                check_characters(text, name)


@dataclass(frozen=True, slots=True)
class Box:
    """A region of a picture, as fractions 0..1 of the upright (EXIF-transposed) picture. x to the right, y down.

    Raises:
        BadInput: A side is not a number in 0..1, or the box is empty.
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        sides = (self.x0, self.y0, self.x1, self.y1)
        if not all(isinstance(side, (int, float)) and math.isfinite(side) and 0 <= side <= 1 for side in sides):
            raise BadInput(f"box {sides}: sides must be fractions in 0..1 of the upright picture", field="box")
        if self.x1 <= self.x0 or self.y1 <= self.y0:
            raise BadInput(f"box {sides} is empty; x0 < x1 and y0 < y1 are required", field="box")

    @classmethod
    def parse(cls, text: str) -> "Box":
        """Parse `"x0,y0,x1,y1"`, as on the command line.

        Raises:
            BadInput: The text is not four fractions in 0..1.
        """
        try:
            x0, y0, x1, y1 = (float(side) for side in text.split(","))
        except ValueError:
            raise BadInput(f"box {text!r}: write x0,y0,x1,y1 as four fractions in 0..1", field="box") from None
        return cls(x0, y0, x1, y1)

    @property
    def area(self) -> float:
        """Area as a fraction of the picture, 0..1."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def iou(self, other: "Box") -> float:
        """Return the intersection over union with another box of the same picture, 0..1."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        shared = max(width, 0.0) * max(height, 0.0)
        return shared / (self.area + other.area - shared)

    def widened(self, margin: float) -> "Box":
        """Return the box enlarged on every side by `margin` times its width and height, clipped to the picture."""
        across, down = margin * (self.x1 - self.x0), margin * (self.y1 - self.y0)
        sides = self.x0 - across, self.y0 - down, self.x1 + across, self.y1 + down
        return Box(*(min(max(side, 0.0), 1.0) for side in sides))

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return left, top, right, bottom in pixels of an upright picture of that size, at least 1 x 1 pixel."""
        left, top = min(int(self.x0 * width), width - 1), min(int(self.y0 * height), height - 1)
        right, bottom = math.ceil(self.x1 * width), math.ceil(self.y1 * height)
        return left, top, min(max(right, left + 1), width), min(max(bottom, top + 1), height)

    def as_tuple(self) -> tuple[float, float, float, float]:
        """Return `(x0, y0, x1, y1)`."""
        return self.x0, self.y0, self.x1, self.y1


@dataclass(frozen=True, slots=True)
class Region:
    """A candidate object in a photo: its box and its saliency score, 0..1.

    Raises:
        BadInput: The score is out of range.
    """

    box: Box
    score: float

    def __post_init__(self) -> None:
        if not 0 <= self.score <= 1:
            raise BadInput(f"region score {self.score} is out of range 0..1", field="score")


@dataclass(frozen=True, slots=True)
class CategoryGuess:
    """A category of the catalog and the probability 0..1 that the query shows a product of it."""

    category: str
    probability: float


@dataclass(frozen=True, slots=True)
class Picture:
    """One media item of a product: an image, or a segment of another media file.

    Attributes:
        name: Name of the file, unique within the product. The items of one file share it.
        hash: SHA-256 of the bytes of the file, in hexadecimal.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        box: Region of the image, or None for all of it.
        kind: Media type, such as `image` or `video`.
        ordinal: Position among the items of the file, from 0.
        start: Start of the segment within the file in seconds, or None.
        end: End of the segment in seconds, or None.
        read: Text that was read in the image. None if it was not read.
    """

    name: str
    hash: str = ""
    width: int = 0
    height: int = 0
    box: Box | None = None
    kind: str = "image"
    ordinal: int = 0
    start: float | None = None
    end: float | None = None
    read: str | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """A product. `attributes` are the shop's own typed columns. `price` is a number in the shop's currency."""

    id: str
    title: str = ""
    price: float | None = None
    brand: str = ""
    category: str = ""
    description: str = ""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not 0 < len(self.id) <= 256:
            raise BadInput(f"product id {str(self.id)[:40]!r}: an id must have 1 to 256 characters", field="id")
        if self.price is not None and not _is_price(self.price):
            raise BadInput(f"product {self.id}: price {self.price} is not a number >= 0", field="price")
        for name in ("id", "title", "brand", "category", "description"):
            check_characters(getattr(self, name), name)
        _check_attributes(self.attributes)


def _is_price(value: Any) -> bool:
    try:
        return math.isfinite(value) and value >= 0
    except TypeError:
        return False


@dataclass(frozen=True, slots=True)
class Hit:
    """A product in an answer.

    `score` is the calibrated probability (0..1) that it is the product in the query, and `verdict` its class.
    `picture` is the best matching picture, `box` its matching region. `parts` has the score of each signal by name.
    """

    product: Product
    picture: Picture
    score: float
    verdict: Verdict
    box: Box | None = None
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """The hits of one object in a photo, best first."""

    region: Region
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Answer(Sequence[Hit]):
    """The hits of a query, best first.

    Attributes:
        hits: Hits. With `regions="all"`, those of the first group.
        timings: Milliseconds per step.
        box: Region of the photo that was searched. None: the whole photo, or no photo.
        regions: All candidate objects, the searched one first.
        categories: Predicted categories of the query, best first.
        groups: Hits of each object with `regions="all"`.
        space: The model used. The active one if results of two models were interleaved.
    """

    hits: tuple[Hit, ...]
    timings: Mapping[str, float] = field(default_factory=dict)
    box: Box | None = None
    regions: tuple[Region, ...] = ()
    categories: tuple[CategoryGuess, ...] = ()
    groups: tuple[Group, ...] = ()
    space: str = ""

    @property
    def verdict(self) -> Verdict:
        """`match`, `similar`, or `none`: no confident match, or no hit at all."""
        return self.hits[0].verdict if self.hits else "none"

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, at: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[at]
