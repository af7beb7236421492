"""What a search runs on: the index, the model, the schema and the limits of one catalogue, as one value."""

from collections.abc import Mapping
from dataclasses import dataclass

from snapfind.encoders.model import Model
from snapfind.index.port import Index
from snapfind.search.calibrate import Calibration
from snapfind.search.categories import EMPTY, Prototypes
from snapfind.settings import Settings
from snapfind.types import Kind

__all__ = ["Shelf"]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Replaced as a whole when the model is switched, so that one query never sees two spaces."""

    index: Index
    model: Model
    calibration: Calibration
    schema: Mapping[str, Kind]
    settings: Settings
    prototypes: Prototypes = EMPTY
