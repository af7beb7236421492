"""Training sets from a catalog: cleaning, coresets, distillation, compositing, title variants."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_MODULES = {
    "CleanResult": "clean",
    "DistillResult": "distillation",
    "RemovedRow": "clean",
    "clean_rows": "clean",
    "compose_photo": "compose",
    "distill": "distillation",
    "herding": "coreset",
    "k_center": "coreset",
    "select_coreset": "coreset",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:  # imported on first use, so that the import of the package stays cheap
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
