"""Training methods, one module each."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.training.methods.catalog_adaptation import adapt
    from snapfind.training.methods.category_titles import evaluate_titles
    from snapfind.training.methods.clicks import from_log
    from snapfind.training.methods.distillation import distill
    from snapfind.training.methods.identity import identify
    from snapfind.training.methods.lit import fit_maps
    from snapfind.training.methods.lit_titles import train_on_titles
    from snapfind.training.methods.pretraining import pretrain
    from snapfind.training.methods.prompt_classification import classify

__all__ = [
    "adapt",
    "classify",
    "distill",
    "evaluate_titles",
    "fit_maps",
    "from_log",
    "identify",
    "pretrain",
    "train_on_titles",
]

_MODULES = {
    "adapt": "snapfind.training.methods.catalog_adaptation",
    "classify": "snapfind.training.methods.prompt_classification",
    "distill": "snapfind.training.methods.distillation",
    "evaluate_titles": "snapfind.training.methods.category_titles",
    "fit_maps": "snapfind.training.methods.lit",
    "from_log": "snapfind.training.methods.clicks",
    "identify": "snapfind.training.methods.identity",
    "pretrain": "snapfind.training.methods.pretraining",
    "train_on_titles": "snapfind.training.methods.lit_titles",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, because its module may import PyTorch."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
