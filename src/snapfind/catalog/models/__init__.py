"""Models of a catalog: fitting, calibration, and interleaving experiments."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

if TYPE_CHECKING:
    from snapfind.catalog.models.calibrate import FittedCalibration
    from snapfind.catalog.models.registry import adopt, open_model
    from snapfind.catalog.models.trial import InterleavedSearch, Trial, TrialLog

__all__ = [
    "FittedCalibration",
    "InterleavedSearch",
    "Trial",
    "TrialLog",
    "adopt",
    "open_model",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "calibrate": ["FittedCalibration"],
        "registry": ["adopt", "open_model"],
        "trial": ["InterleavedSearch", "Trial", "TrialLog"],
    },
)
