"""Flywheel: retrain on the clicks of shoppers; a model goes live after quality gates and an A/B test."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

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

__getattr__ = lazy_exports(
    __name__,
    {
        "ab_test": ["ExperimentResult", "count_votes"],
        "config": ["FlywheelConfig"],
        "gates": ["GateResult"],
        "labels": ["ClickLabel", "read_labels"],
        "records": ["FlywheelRun", "read_runs"],
        "run": ["conclude_experiment", "folder_of", "run_flywheel"],
    },
)
