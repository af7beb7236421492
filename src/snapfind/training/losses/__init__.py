"""Losses: contrastive, margin softmax, triplets from clicks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.training.losses.contrastive import encode_in_parts, gather_rows, info_nce, sigmoid_loss
    from snapfind.training.losses.margin import Prototypes, angular_margin, cosine_margin, margin_loss, sample_classes
    from snapfind.training.losses.triplets import clean_triplets, mine_triplets

__all__ = [
    "Prototypes",
    "angular_margin",
    "clean_triplets",
    "cosine_margin",
    "encode_in_parts",
    "gather_rows",
    "info_nce",
    "margin_loss",
    "mine_triplets",
    "sample_classes",
    "sigmoid_loss",
]

_MODULES = {
    "Prototypes": "snapfind.training.losses.margin",
    "angular_margin": "snapfind.training.losses.margin",
    "clean_triplets": "snapfind.training.losses.triplets",
    "cosine_margin": "snapfind.training.losses.margin",
    "encode_in_parts": "snapfind.training.losses.contrastive",
    "gather_rows": "snapfind.training.losses.contrastive",
    "info_nce": "snapfind.training.losses.contrastive",
    "margin_loss": "snapfind.training.losses.margin",
    "mine_triplets": "snapfind.training.losses.triplets",
    "sample_classes": "snapfind.training.losses.margin",
    "sigmoid_loss": "snapfind.training.losses.contrastive",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, because its module may import PyTorch."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
