"""Curation: find duplicates, label errors and bad pictures in a catalog, and fix them with undo."""

from typing import TYPE_CHECKING

from snapfind._lazy import lazy_exports

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

__getattr__ = lazy_exports(
    __name__,
    {
        "findings": ["KINDS", "Change", "Finding", "FindingSample", "Findings"],
        "journal": ["JournalEntry", "Outcome", "apply", "dismiss", "read_applied", "read_dismissed", "undo"],
        "report": ["render_report"],
        "survey": ["survey_catalog"],
    },
)
