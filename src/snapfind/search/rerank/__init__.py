"""Reranking: local features of pictures, and predicted clicks."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

if TYPE_CHECKING:
    from snapfind.search.rerank.base import RerankConfig, Reranked, Reranker, rerank
    from snapfind.search.rerank.click_model import ClickModel
    from snapfind.search.rerank.clicks import Ranker, by_clicks
    from snapfind.search.rerank.geometric import Geometry

__all__ = [
    "ClickModel",
    "Geometry",
    "Ranker",
    "RerankConfig",
    "Reranked",
    "Reranker",
    "by_clicks",
    "rerank",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "base": ["RerankConfig", "Reranked", "Reranker", "rerank"],
        "click_model": ["ClickModel"],
        "clicks": ["Ranker", "by_clicks"],
        "geometric": ["Geometry"],
    },
)
