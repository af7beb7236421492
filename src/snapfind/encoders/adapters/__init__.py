"""Adapters that are fitted in closed form, with or without photos of shoppers."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

if TYPE_CHECKING:
    from snapfind.encoders.adapters.closed_form import solve
    from snapfind.encoders.adapters.semi_supervised import fit_semi_supervised

__all__ = [
    "fit_semi_supervised",
    "solve",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "closed_form": ["solve"],
        "semi_supervised": ["fit_semi_supervised"],
    },
)
