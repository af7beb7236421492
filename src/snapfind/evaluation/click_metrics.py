"""Metrics of predicted click probabilities: AUC, GAUC, log loss, calibration error.

GAUC after Zhu et al., "Optimized Cost per Click in Taobao Display Advertising" (arXiv 1703.02091).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snapfind.evaluation.calibration import auroc, calibration_error

__all__ = ["ClickFigures", "click_figures", "grouped_auc", "log_loss"]


@dataclass(frozen=True, slots=True)
class ClickFigures:
    """Metrics of a click model.

    Args:
        auc: Area under the ROC curve, 0..1.
        gauc: AUC per group, weighted by the number of rows, 0..1.
        log_loss: Mean cross entropy in nats.
        calibration: Expected calibration error, 0..1.
        rows: Number of rows.
    """

    auc: float
    gauc: float
    log_loss: float
    calibration: float
    rows: int


def click_figures(chances: NDArray[np.float64], clicked: NDArray[np.bool_], groups: NDArray[np.int64]) -> ClickFigures:
    """Compute all metrics of predicted click probabilities.

    Args:
        chances: (n,) predicted probabilities, 0..1.
        clicked: (n,) whether each row was clicked.
        groups: (n,) group of each row, for example the session.

    Returns:
        The metrics.
    """
    scores, labels = chances.tolist(), clicked.tolist()
    return ClickFigures(
        auroc(scores, labels),
        grouped_auc(chances, clicked, groups),
        log_loss(scores, labels),
        calibration_error(scores, labels),
        len(scores),
    )


def grouped_auc(chances: NDArray[np.float64], clicked: NDArray[np.bool_], groups: NDArray[np.int64]) -> float:
    """Return GAUC: the AUC of each group, weighted by its number of rows.

    Args:
        chances: (n,) predicted probabilities, 0..1.
        clicked: (n,) whether each row was clicked.
        groups: (n,) group of each row. Groups without a click, or with clicks only, are left out.

    Returns:
        Value in 0..1; 0.5 if no group is left.
    """
    order = np.argsort(groups, kind="stable")
    cuts = np.flatnonzero(np.diff(groups[order])) + 1
    total, weight = 0.0, 0
    for rows in np.split(order, cuts):
        if len(rows) > 1 and 0 < clicked[rows].sum() < len(rows):
            total += len(rows) * auroc(chances[rows].tolist(), clicked[rows].tolist())
            weight += len(rows)
    return total / weight if weight else 0.5


def log_loss(chances: Sequence[float], clicked: Sequence[bool]) -> float:
    """Return the mean cross entropy.

    Args:
        chances: Predicted probabilities, clipped to 1e-12..1 - 1e-12.
        clicked: Whether each row was clicked.

    Returns:
        Value in nats; 0 without rows.
    """
    scores, labels = np.clip(np.asarray(chances, np.float64), 1e-12, 1 - 1e-12), np.asarray(clicked, bool)
    return float(-np.where(labels, np.log(scores), np.log1p(-scores)).mean()) if len(scores) else 0.0
