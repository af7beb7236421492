"""What a turn may do and when it must stop: one frozen value, kept in the record of every turn."""

from dataclasses import dataclass
from typing import Literal

from snapfind.core.errors import BadInput

__all__ = ["Depth", "Rules"]

Depth = Literal["fit", "heads", "blocks", "network"]


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of a turn.

    `depth` says what learns: "fit" the closed form of `snapfind model fit`, the others of `snapfind train catalog`.
    `least` labeled photos are needed; one session gives at most `a_session` and one product takes at most `a_product`
    of them, the newest; every `fresh`th session is held out. The new model may lose `slice_loss` (0..1 of precision@1)
    in a slice of `slice_least` photos or more, and `loss` on the whole; `gain` is what it must gain at the least, with
    a chance below `alpha` that there is none. `exploration` and `coverage` (0..1) are the least
    parts of impressions that came with a propensity below 1, and of products that were shown.
    """

    least: int = 50
    a_session: int = 20
    a_product: int = 200
    fresh: int = 5
    depth: Depth = "fit"
    minutes: float = 0.0
    seed: int = 0
    loss: float = 0.0
    slice_loss: float = 0.1
    slice_least: int = 10
    gain: float = 0.0
    alpha: float = 0.05
    exploration: float = 0.0
    coverage: float = 0.0
    share: float = 0.1

    def __post_init__(self) -> None:
        for name in ("loss", "slice_loss", "gain", "alpha", "exploration", "coverage", "share"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(f"{name} {getattr(self, name)}: give 0 to 1", field=name)
        for name in ("least", "a_session", "a_product", "fresh", "slice_least"):
            if getattr(self, name) < 2:
                raise BadInput(f"{name} {getattr(self, name)}: give 2 or more", field=name)
