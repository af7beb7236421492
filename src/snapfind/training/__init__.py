"""Training of encoders: fine-tuning, distillation, pretraining and text-to-image spaces. Needs PyTorch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.training.adaptation_run import AdaptationRun, Adapted, finish_run, prepare_run
    from snapfind.training.export import SHIPPED, write_artifact, write_heads
    from snapfind.training.loop import EpochMetrics, Outcome, TrainingConfig, train
    from snapfind.training.requirements import need_torch
    from snapfind.training.validation import RetrievalValidator
    from snapfind.training.weight_interpolation import append_closed_form, interpolate_weights

__all__ = [
    "SHIPPED",
    "AdaptationRun",
    "Adapted",
    "EpochMetrics",
    "Outcome",
    "RetrievalValidator",
    "TrainingConfig",
    "append_closed_form",
    "finish_run",
    "interpolate_weights",
    "need_torch",
    "prepare_run",
    "train",
    "write_artifact",
    "write_heads",
]

_MODULES = {
    "AdaptationRun": "snapfind.training.adaptation_run",
    "Adapted": "snapfind.training.adaptation_run",
    "EpochMetrics": "snapfind.training.loop",
    "Outcome": "snapfind.training.loop",
    "RetrievalValidator": "snapfind.training.validation",
    "SHIPPED": "snapfind.training.export",
    "TrainingConfig": "snapfind.training.loop",
    "append_closed_form": "snapfind.training.weight_interpolation",
    "finish_run": "snapfind.training.adaptation_run",
    "interpolate_weights": "snapfind.training.weight_interpolation",
    "need_torch": "snapfind.training.requirements",
    "prepare_run": "snapfind.training.adaptation_run",
    "train": "snapfind.training.loop",
    "write_artifact": "snapfind.training.export",
    "write_heads": "snapfind.training.export",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, because its module may import PyTorch."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
