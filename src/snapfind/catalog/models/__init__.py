"""Models of a catalog: fitting, calibration, and interleaving experiments."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_MODULES = {
    "FittedCalibration": "calibrate",
    "InterleavedSearch": "trial",
    "Trial": "trial",
    "TrialLog": "trial",
    "adopt": "registry",
    "open_model": "registry",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for, so that the package is cheap to import."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
