"""Curation: find duplicates, label errors and bad pictures in a catalog, and fix them with undo."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapfind.curation.findings import KINDS, Change, Finding, Findings, FindingSample
    from snapfind.curation.journal import JournalEntry, Outcome, apply, dismiss, read_applied, read_dismissed, undo
    from snapfind.curation.report import render_report
    from snapfind.curation.survey import survey_catalog

__all__ = [
    "KINDS",
    "Change",
    "Finding",
    "FindingSample",
    "Findings",
    "JournalEntry",
    "Outcome",
    "apply",
    "dismiss",
    "read_applied",
    "read_dismissed",
    "render_report",
    "survey_catalog",
    "undo",
]

_MODULES = {
    "Change": "findings",
    "Finding": "findings",
    "FindingSample": "findings",
    "Findings": "findings",
    "JournalEntry": "journal",
    "KINDS": "findings",
    "Outcome": "journal",
    "apply": "journal",
    "dismiss": "journal",
    "read_applied": "journal",
    "read_dismissed": "journal",
    "render_report": "report",
    "survey_catalog": "survey",
    "undo": "journal",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:  # imported on first use, so that the import of the package stays cheap
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
