"""Evaluation: test sets, metrics, confidence intervals, significance, reports and contact sheets."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.evaluation.calibration import auroc, calibration_error, reliability_svg
    from snapfind.evaluation.click_metrics import ClickFigures, click_figures
    from snapfind.evaluation.contact_sheet import SheetCard, SheetRow, render_sheet, sheet_row
    from snapfind.evaluation.metrics import METRICS, average_precision, ndcg, precision, recall, reciprocal_rank
    from snapfind.evaluation.queries import LabeledQuery, read_queries
    from snapfind.evaluation.report import EvaluatedQuery, Figure, Report, compare
    from snapfind.evaluation.run import evaluate
    from snapfind.evaluation.significance import Difference, difference

__all__ = [
    "METRICS",
    "ClickFigures",
    "Difference",
    "EvaluatedQuery",
    "Figure",
    "LabeledQuery",
    "Report",
    "SheetCard",
    "SheetRow",
    "auroc",
    "average_precision",
    "calibration_error",
    "click_figures",
    "compare",
    "difference",
    "evaluate",
    "ndcg",
    "precision",
    "read_queries",
    "recall",
    "reciprocal_rank",
    "reliability_svg",
    "render_sheet",
    "sheet_row",
]

_MODULES = {
    "ClickFigures": "click_metrics",
    "Difference": "significance",
    "EvaluatedQuery": "report",
    "Figure": "report",
    "LabeledQuery": "queries",
    "METRICS": "metrics",
    "Report": "report",
    "SheetCard": "contact_sheet",
    "SheetRow": "contact_sheet",
    "auroc": "calibration",
    "average_precision": "metrics",
    "calibration_error": "calibration",
    "click_figures": "click_metrics",
    "compare": "report",
    "difference": "significance",
    "evaluate": "run",
    "ndcg": "metrics",
    "precision": "metrics",
    "read_queries": "queries",
    "recall": "metrics",
    "reciprocal_rank": "metrics",
    "reliability_svg": "calibration",
    "render_sheet": "contact_sheet",
    "sheet_row": "contact_sheet",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:  # imported on first use, so that the import of the package stays cheap
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
