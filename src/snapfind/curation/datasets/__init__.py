"""Training sets from a catalog: cleaning, coresets, distillation, compositing, title variants."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

if TYPE_CHECKING:
    from snapfind.curation.datasets.clean import CleanResult, RemovedRow, clean_rows
    from snapfind.curation.datasets.compose import compose_photo
    from snapfind.curation.datasets.coreset import herding, k_center, select_coreset
    from snapfind.curation.datasets.distillation import DistillResult, distill

__all__ = [
    "CleanResult",
    "DistillResult",
    "RemovedRow",
    "clean_rows",
    "compose_photo",
    "distill",
    "herding",
    "k_center",
    "select_coreset",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "clean": ["CleanResult", "RemovedRow", "clean_rows"],
        "compose": ["compose_photo"],
        "coreset": ["herding", "k_center", "select_coreset"],
        "distillation": ["DistillResult", "distill"],
    },
)
