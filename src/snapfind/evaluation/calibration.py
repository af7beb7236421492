"""Are probabilities true? Expected calibration error, AUROC, and a reliability plot as SVG.

Naeini, Cooper, Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (2015), bins of equal
width; the area under the ROC curve is the chance that a right one stands above a wrong one (Mann & Whitney 1947).
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

__all__ = ["auroc", "calibration_error", "reliability_svg"]

_BINS = 10
_SIDE, _EDGE = 320, 46  # pixels of the plot and of the margin for its labels
_INKS = ("#0b62a8", "#b35900", "#5b2a86", "#1b7a4b")  # told apart by the color-blind, with a sign of its own each


def calibration_error(scores: Sequence[float], right: Sequence[bool]) -> float:
    """Mean gap 0..1 between score and part that is right, over 10 bins of equal width, weighted by their size."""
    return sum(size * abs(said - true) for said, true, size in _bins(scores, right))


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """Chance 0..1 that a positive has a higher score than a negative, ties half; .5 where one kind is missing."""
    values, sign = np.asarray(scores, np.float64), np.asarray(positive, bool)
    above, below = int(sign.sum()), int((~sign).sum())
    if not above or not below:
        return 0.5
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[sign].sum() - above * (above + 1) / 2) / (above * below))


def reliability_svg(curves: Mapping[str, tuple[Sequence[float], Sequence[bool]]], title: str) -> str:
    """Name -> (scores, right) as lines of said against true, a dot as large as its bin; dark and light."""
    lines = "\n".join(_curve(name, *curve, place) for place, (name, curve) in enumerate(curves.items()))
    ticks = "\n".join(_tick(tenth / 10) for tenth in range(0, 11, 2))
    whole = _SIDE + 2 * _EDGE
    height = whole + 20 * len(curves)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {height}" role="img"
  font-family="system-ui, sans-serif" font-size="12">
<title>{escape(title)}</title>
<style>svg {{ color: #1c2024; background: #fff }} @media (prefers-color-scheme: dark) {{ svg {{ color: #e9ecef;
  background: #14171a }} }} text {{ fill: currentColor }}</style>
<text x="{_EDGE}" y="24" font-size="14">{escape(title)}</text>
<rect x="{_EDGE}" y="{_EDGE}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="currentColor" opacity=".4"/>
<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="currentColor" stroke-dasharray="4 4" opacity=".6"/>
{ticks}
{lines}
<text x="{_x(0.5)}" y="{whole - 8}" text-anchor="middle">probability said</text>
<text x="14" y="{_y(0.5)}" text-anchor="middle" transform="rotate(-90 14 {_y(0.5)})">part that is right</text>
</svg>
"""


def _bins(scores: Sequence[float], right: Sequence[bool]) -> list[tuple[float, float, float]]:
    """Mean score, part that is right, share of all, for each bin that holds something."""
    values: NDArray[np.float64] = np.asarray(scores, np.float64)
    true = np.asarray(right, bool)
    places = np.minimum((values * _BINS).astype(int), _BINS - 1)
    kept = [places == one for one in range(_BINS) if (places == one).any()]
    return [(float(values[own].mean()), float(true[own].mean()), float(own.mean())) for own in kept]


def _curve(name: str, scores: Sequence[float], right: Sequence[bool], place: int) -> str:
    ink = _INKS[place % len(_INKS)]
    points = _bins(scores, right)
    line = " ".join(f"{_x(said):.1f},{_y(true):.1f}" for said, true, _ in points)
    dots = "".join(
        f'<circle cx="{_x(said):.1f}" cy="{_y(true):.1f}" r="{2.5 + 9 * size**0.5:.1f}" fill="{ink}" opacity=".55"/>'
        for said, true, size in points
    )
    dash = ("", "6 3", "2 3", "8 3 2 3")[place % 4]
    at = _SIDE + 2 * _EDGE + 6 + 20 * place
    error = calibration_error(scores, right)
    legend = f"{escape(name)}: expected calibration error {error:.3f}, n = {len(scores):,}"
    return (
        f'<polyline points="{line}" fill="none" stroke="{ink}" stroke-width="2" stroke-dasharray="{dash}"/>{dots}'
        f'<line x1="{_EDGE}" y1="{at}" x2="{_EDGE + 24}" y2="{at}" stroke="{ink}" stroke-width="2" '
        f'stroke-dasharray="{dash}"/><text x="{_EDGE + 30}" y="{at + 4}">{legend}</text>'
    )


def _tick(value: float) -> str:
    return (
        f'<text x="{_x(value)}" y="{_y(0) + 16}" text-anchor="middle">{value:.1f}</text>'
        f'<text x="{_x(0) - 6}" y="{_y(value) + 4}" text-anchor="end">{value:.1f}</text>'
    )


def _x(value: float) -> float:
    return _EDGE + value * _SIDE


def _y(value: float) -> float:
    return _EDGE + (1 - value) * _SIDE
