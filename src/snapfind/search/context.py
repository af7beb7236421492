"""Everything that a search needs from a catalog: index, model, schema and settings."""

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
    """Immutable search resources of one model.

    A model switch replaces the whole context, so a query never mixes two spaces.

    Attributes:
        index: Embeddings and payloads of the catalog.
        model: Encoders of photos and texts.
        calibration: Turns similarities into probabilities.
        schema: Kind of each attribute.
        settings: Limits and defaults.
        prototypes: Category prototypes. Empty if the model has none.
        reranker: Reranks the first candidates by their images, or None.
        copy: Loads the stored copy of a point's image. Returns None if there is no copy.
        ranker: Click ranker, or None.
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
