"""Evaluation: test sets, metrics, confidence intervals, significance, reports and contact sheets."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

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

__getattr__ = lazy_exports(
    __name__,
    {
        "calibration": ["auroc", "calibration_error", "reliability_svg"],
        "click_metrics": ["ClickFigures", "click_figures"],
        "contact_sheet": ["SheetCard", "SheetRow", "render_sheet", "sheet_row"],
        "metrics": ["METRICS", "average_precision", "ndcg", "precision", "recall", "reciprocal_rank"],
        "queries": ["LabeledQuery", "read_queries"],
        "report": ["EvaluatedQuery", "Figure", "Report", "compare"],
        "run": ["evaluate"],
        "significance": ["Difference", "difference"],
    },
)
