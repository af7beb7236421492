"""What a catalogue asks of an encoder of pictures: the shipped network and a shop's own towers answer alike.

A `Look` is what the network saw; `project` turns looks into vectors of one space, so that a catalogue can change its
adapter without looking at its pictures again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL.Image import Image

from snapfind.encoders.adapter import Adapter
from snapfind.encoders.base import Encoder, Role, Space, Vectors
from snapfind.encoders.image.preprocess import Preprocessing

__all__ = ["Closely", "Look", "PhotoEncoder"]


@dataclass(frozen=True, slots=True)
class Look:
    """What the network saw: `pooled` (n, width) features and `posterior` (n, 1000) over ImageNet classes, float32.

    A network that does not know the classes, or has forgotten them, has a `posterior` of (n, 0).
    """

    pooled: Vectors
    posterior: Vectors


@dataclass(frozen=True, slots=True)
class Closely:
    """One picture: its `look`, the last feature map (width, h, w) that it is pooled from, and the finer `cells`
    (c, 2h, 2w) before it, float32 from 0 up. Both lie over the padded square of the preprocessing; both are (0, 0, 0)
    of an encoder that shows no cells.
    """

    look: Look
    features: Vectors
    cells: Vectors


class PhotoEncoder(Encoder, Protocol):
    """An Encoder of pictures that a catalogue can be searched with.

    `raw_id` names its space without an adapter; encoders of one `raw_id` share a network. `words` encodes texts into
    that raw space; it is None where the network knows pictures only. `knows_classes` tells whether looks have a
    posterior, `shows_cells` whether a close look has cells. `precision` is that of the network: fp32, fp16 or int8.
    """

    name: str
    raw_id: str
    space: Space
    preprocessing: Preprocessing
    knows_classes: bool
    shows_cells: bool
    precision: str
    words: Encoder | None

    def look(self, images: Sequence[Image]) -> Look:
        """Upright pictures of any size -> what the network sees in them, row by row."""
        ...

    def look_closely(self, image: Image) -> Closely:
        """One picture -> what a look holds and where in it the network answered."""
        ...

    def project(self, look: Look, role: Role) -> Vectors:
        """Looks -> (n, dim) float32, unit rows, of this encoder's space."""
        ...

    def toward(self, vector: Vectors, role: Role) -> Vectors:
        """(dim,) vector of this space -> (width,) direction in which a feature of that role moves towards it."""
        ...

    def adapted(self, adapter: Adapter) -> "PhotoEncoder":
        """This encoder in the adapter's space; both share the network. Raises ModelBroken on another's adapter."""
        ...
