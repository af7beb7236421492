"""How good chances of a click are: AUC, AUC inside each shopper's rows, log loss, calibration.

GAUC after Zhu et al., "Optimized Cost per Click in Taobao Display Advertising" (arXiv 1703.02091): the AUC of each
group, weighted by its rows; groups without a click, or with nothing but clicks, say nothing of an order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snapfind.evaluation.calibration import auroc, calibration_error

__all__ = ["ClickFigures", "click_figures", "grouped_auc", "log_loss"]


@dataclass(frozen=True, slots=True)
class ClickFigures:
    """Of n rows: `auc` and `gauc` 0..1, `log_loss` in nats a row, `calibration` the expected calibration error 0..1."""

    auc: float
    gauc: float
    log_loss: float
    calibration: float
    rows: int


def click_figures(chances: NDArray[np.float64], clicked: NDArray[np.bool_], groups: NDArray[np.int64]) -> ClickFigures:
    """Of (n,) chances 0..1, whether each was clicked, and whose row it is."""
    said = chances.tolist()
    return ClickFigures(
        auroc(said, clicked.tolist()),
        grouped_auc(chances, clicked, groups),
        log_loss(said, clicked.tolist()),
        calibration_error(said, clicked.tolist()),
        len(said),
    )


def grouped_auc(chances: NDArray[np.float64], clicked: NDArray[np.bool_], groups: NDArray[np.int64]) -> float:
    """.5 where no group holds both a click and none."""
    order = np.argsort(groups, kind="stable")
    cuts = np.flatnonzero(np.diff(groups[order])) + 1
    total, weight = 0.0, 0
    for rows in np.split(order, cuts):
        if len(rows) > 1 and 0 < clicked[rows].sum() < len(rows):
            total += len(rows) * auroc(chances[rows].tolist(), clicked[rows].tolist())
            weight += len(rows)
    return total / weight if weight else 0.5


def log_loss(chances: Sequence[float], clicked: Sequence[bool]) -> float:
    """Mean cross entropy in nats; chances are held off 0 and 1 by 1e-12."""
    said, true = np.clip(np.asarray(chances, np.float64), 1e-12, 1 - 1e-12), np.asarray(clicked, bool)
    return float(-np.where(true, np.log(said), np.log1p(-said)).mean()) if len(said) else 0.0
