"""Search: the query pipeline, its signals, fusion, category prior, calibration and reranking."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

if TYPE_CHECKING:
    from snapfind.search.calibration import Calibration, verdict
    from snapfind.search.candidates import Candidate, Rankings, retrieve
    from snapfind.search.category_prior import Prototypes, apply_category_prior
    from snapfind.search.context import SearchContext
    from snapfind.search.encode_query import EncodedQuery
    from snapfind.search.explain import Explanation
    from snapfind.search.interleave import team_draft
    from snapfind.search.photo_regions import EncodedImage, encode_images, regions_of
    from snapfind.search.pipeline import search
    from snapfind.search.rank_fusion import fuse
    from snapfind.search.scoring import PhotoRanking, rank_nearest
    from snapfind.search.signals import SIGNALS, Signal, register_signal, unregister_signal

__all__ = [
    "SIGNALS",
    "Calibration",
    "Candidate",
    "EncodedImage",
    "EncodedQuery",
    "Explanation",
    "PhotoRanking",
    "Prototypes",
    "Rankings",
    "SearchContext",
    "Signal",
    "apply_category_prior",
    "encode_images",
    "fuse",
    "rank_nearest",
    "regions_of",
    "register_signal",
    "retrieve",
    "search",
    "team_draft",
    "unregister_signal",
    "verdict",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "calibration": ["Calibration", "verdict"],
        "candidates": ["Candidate", "Rankings", "retrieve"],
        "category_prior": ["Prototypes", "apply_category_prior"],
        "context": ["SearchContext"],
        "encode_query": ["EncodedQuery"],
        "explain": ["Explanation"],
        "interleave": ["team_draft"],
        "photo_regions": ["EncodedImage", "encode_images", "regions_of"],
        "pipeline": ["search"],
        "rank_fusion": ["fuse"],
        "scoring": ["PhotoRanking", "rank_nearest"],
        "signals": ["SIGNALS", "Signal", "register_signal", "unregister_signal"],
    },
)
