"""What a search runs on: the index, the model, the schema and the limits of one catalogue, as one value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PIL.Image import Image

from snapfind.encoders.model import Model
from snapfind.index.port import Index
from snapfind.search.calibrate import Calibration
from snapfind.search.categories import EMPTY, Prototypes
from snapfind.search.ranker import Ranker
from snapfind.search.rerank import Reranker
from snapfind.settings import Settings
from snapfind.types import Kind

__all__ = ["Shelf"]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Replaced as a whole when the model is switched, so that one query never sees two spaces.

    `copy` gives the kept copy of a point's picture, None where it is gone; only a `reranker` looks at them.
    """

    index: Index
    model: Model
    calibration: Calibration
    schema: Mapping[str, Kind]
    settings: Settings
    prototypes: Prototypes = EMPTY
    reranker: Reranker | None = None
    copy: Callable[[str], Image | None] = lambda _: None
    ranker: Ranker | None = None
