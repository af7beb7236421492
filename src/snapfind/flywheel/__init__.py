"""Flywheel: retrain on the clicks of shoppers; a model goes live after quality gates and an A/B test."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.flywheel.ab_test import ExperimentResult, count_votes
    from snapfind.flywheel.config import FlywheelConfig
    from snapfind.flywheel.gates import GateResult
    from snapfind.flywheel.labels import ClickLabel, read_labels
    from snapfind.flywheel.records import FlywheelRun, read_runs
    from snapfind.flywheel.run import conclude_experiment, folder_of, run_flywheel

__all__ = [
    "ClickLabel",
    "ExperimentResult",
    "FlywheelConfig",
    "FlywheelRun",
    "GateResult",
    "conclude_experiment",
    "count_votes",
    "folder_of",
    "read_labels",
    "read_runs",
    "run_flywheel",
]

_MODULES = {
    "ClickLabel": "labels",
    "ExperimentResult": "ab_test",
    "FlywheelConfig": "config",
    "FlywheelRun": "records",
    "GateResult": "gates",
    "conclude_experiment": "run",
    "count_votes": "ab_test",
    "folder_of": "run",
    "read_labels": "labels",
    "read_runs": "records",
    "run_flywheel": "run",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:  # imported on first use, so that the import of the package stays cheap
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
