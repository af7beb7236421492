"""Training data: samples, views, feature caches, click logs, sharded pairs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.training.data.augmentation import Sample, view_of
    from snapfind.training.data.batches import make_batches
    from snapfind.training.data.click_log import Search
    from snapfind.training.data.feature_cache import FeatureCache, LiveViews, build_feature_cache
    from snapfind.training.data.label_filter import agrees_with_neighbors
    from snapfind.training.data.samples import gather
    from snapfind.training.data.splits import Split, split
    from snapfind.training.data.webdataset import Shards

__all__ = [
    "FeatureCache",
    "LiveViews",
    "Sample",
    "Search",
    "Shards",
    "Split",
    "agrees_with_neighbors",
    "build_feature_cache",
    "gather",
    "make_batches",
    "split",
    "view_of",
]

_MODULES = {
    "FeatureCache": "snapfind.training.data.feature_cache",
    "LiveViews": "snapfind.training.data.feature_cache",
    "Sample": "snapfind.training.data.augmentation",
    "Search": "snapfind.training.data.click_log",
    "Shards": "snapfind.training.data.webdataset",
    "Split": "snapfind.training.data.splits",
    "agrees_with_neighbors": "snapfind.training.data.label_filter",
    "build_feature_cache": "snapfind.training.data.feature_cache",
    "gather": "snapfind.training.data.samples",
    "make_batches": "snapfind.training.data.batches",
    "split": "snapfind.training.data.splits",
    "view_of": "snapfind.training.data.augmentation",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, because its module may import PyTorch."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
