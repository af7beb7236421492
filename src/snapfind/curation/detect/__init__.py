"""Detectors: duplicates, label errors, image faults and outliers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.curation.detect.duplicates import Pair, find_duplicates, group_pairs
    from snapfind.curation.detect.image_faults import Fault, faults
    from snapfind.curation.detect.label_errors import Suspect, confident_joint, wrong_labels
    from snapfind.curation.detect.outliers import find_outliers

__all__ = [
    "Fault",
    "Pair",
    "Suspect",
    "confident_joint",
    "faults",
    "find_duplicates",
    "find_outliers",
    "group_pairs",
    "wrong_labels",
]

_MODULES = {
    "Fault": "image_faults",
    "Pair": "duplicates",
    "Suspect": "label_errors",
    "confident_joint": "label_errors",
    "faults": "image_faults",
    "find_duplicates": "duplicates",
    "find_outliers": "outliers",
    "group_pairs": "duplicates",
    "wrong_labels": "label_errors",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:  # imported on first use, so that the import of the package stays cheap
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
