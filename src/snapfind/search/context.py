"""What a search runs on: the index, the model, the schema and the limits of one catalogue, as one value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PIL.Image import Image

from snapfind.core.config import Settings
from snapfind.core.types import Kind
from snapfind.encoders.embedding_model import Model
from snapfind.index.base import Index
from snapfind.search.calibration import Calibration
from snapfind.search.category_prior import EMPTY, Prototypes
from snapfind.search.rerank.base import Reranker
from snapfind.search.rerank.clicks import Ranker

__all__ = ["SearchContext"]


@dataclass(frozen=True, slots=True)
class SearchContext:
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
