"""Detectors: duplicates, label errors, image faults and outliers."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

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

__getattr__ = lazy_exports(
    __name__,
    {
        "duplicates": ["Pair", "find_duplicates", "group_pairs"],
        "image_faults": ["Fault", "faults"],
        "label_errors": ["Suspect", "confident_joint", "wrong_labels"],
        "outliers": ["find_outliers"],
    },
)
