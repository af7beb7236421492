"""Calibration of probabilities: expected calibration error, AUROC, and a reliability diagram as SVG.

Expected calibration error with bins of equal width after Naeini, Cooper, Hauskrecht, "Obtaining Well Calibrated
Probabilities Using Bayesian Binning" (2015). AUROC by the rank sum of Mann and Whitney (1947).
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

__all__ = ["auroc", "calibration_error", "reliability_svg"]

_BINS = 10
_SIDE, _MARGIN = 320, 46  # pixels of the plot and of the margin for its labels
_COLORS = ("#0b62a8", "#b35900", "#5b2a86", "#1b7a4b")  # distinct for the color-blind; each has its own dash


def calibration_error(scores: Sequence[float], right: Sequence[bool]) -> float:
    """Return the expected calibration error over 10 bins of equal width.

    Args:
        scores: Predicted probabilities, 0..1.
        right: Whether each prediction is right.

    Returns:
        Mean gap between score and accuracy of a bin, weighted by the size of the bin, 0..1.
    """
    return sum(size * abs(score - accuracy) for score, accuracy, size in _bins(scores, right))


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """Return the area under the ROC curve: the probability that a positive has a higher score than a negative.

    Args:
        scores: One score per row.
        positive: Whether each row is positive.

    Returns:
        Value in 0..1. Ties count half. 0.5 if all rows have the same label.
    """
    values, labels = np.asarray(scores, np.float64), np.asarray(positive, bool)
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        return 0.5
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[index]
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def reliability_svg(curves: Mapping[str, tuple[Sequence[float], Sequence[bool]]], title: str) -> str:
    """Draw a reliability diagram for light and dark pages.

    Args:
        curves: Name -> predicted probabilities and whether each prediction is right.
        title: Title of the diagram.

    Returns:
        SVG. The area of a dot grows with the number of predictions in its bin.
    """
    lines = "\n".join(_curve(name, *curve, index) for index, (name, curve) in enumerate(curves.items()))
    ticks = "\n".join(_tick(tenth / 10) for tenth in range(0, 11, 2))
    whole = _SIDE + 2 * _MARGIN
    height = whole + 20 * len(curves)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {height}" role="img"
  font-family="system-ui, sans-serif" font-size="12">
<title>{escape(title)}</title>
<style>svg {{ color: #1c2024; background: #fff }} @media (prefers-color-scheme: dark) {{ svg {{ color: #e9ecef;
  background: #14171a }} }} text {{ fill: currentColor }}</style>
<text x="{_MARGIN}" y="24" font-size="14">{escape(title)}</text>
<rect x="{_MARGIN}" y="{_MARGIN}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="currentColor" opacity=".4"/>
<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="currentColor" stroke-dasharray="4 4" opacity=".6"/>
{ticks}
{lines}
<text x="{_x(0.5)}" y="{whole - 8}" text-anchor="middle">predicted probability</text>
<text x="14" y="{_y(0.5)}" text-anchor="middle" transform="rotate(-90 14 {_y(0.5)})">accuracy</text>
</svg>
"""


def _bins(scores: Sequence[float], right: Sequence[bool]) -> list[tuple[float, float, float]]:
    """Return mean score, accuracy and fraction of all rows for each bin that is not empty."""
    values: NDArray[np.float64] = np.asarray(scores, np.float64)
    labels = np.asarray(right, bool)
    bins = np.minimum((values * _BINS).astype(int), _BINS - 1)
    masks = [bins == number for number in range(_BINS) if (bins == number).any()]
    return [(float(values[mask].mean()), float(labels[mask].mean()), float(mask.mean())) for mask in masks]


def _curve(name: str, scores: Sequence[float], right: Sequence[bool], index: int) -> str:
    color = _COLORS[index % len(_COLORS)]
    points = _bins(scores, right)
    line = " ".join(f"{_x(score):.1f},{_y(accuracy):.1f}" for score, accuracy, _ in points)
    dots = "".join(
        f'<circle cx="{_x(score):.1f}" cy="{_y(accuracy):.1f}" r="{2.5 + 9 * size**0.5:.1f}" '
        f'fill="{color}" opacity=".55"/>'
        for score, accuracy, size in points
    )
    dash = ("", "6 3", "2 3", "8 3 2 3")[index % 4]
    y = _SIDE + 2 * _MARGIN + 6 + 20 * index
    error = calibration_error(scores, right)
    legend = f"{escape(name)}: expected calibration error {error:.3f}, n = {len(scores):,}"
    return (
        f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2" stroke-dasharray="{dash}"/>{dots}'
        f'<line x1="{_MARGIN}" y1="{y}" x2="{_MARGIN + 24}" y2="{y}" stroke="{color}" stroke-width="2" '
        f'stroke-dasharray="{dash}"/><text x="{_MARGIN + 30}" y="{y + 4}">{legend}</text>'
    )


def _tick(value: float) -> str:
    return (
        f'<text x="{_x(value)}" y="{_y(0) + 16}" text-anchor="middle">{value:.1f}</text>'
        f'<text x="{_x(0) - 6}" y="{_y(value) + 4}" text-anchor="end">{value:.1f}</text>'
    )


def _x(value: float) -> float:
    return _MARGIN + value * _SIDE


def _y(value: float) -> float:
    return _MARGIN + (1 - value) * _SIDE
