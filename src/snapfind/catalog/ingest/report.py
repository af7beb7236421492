"""Report of an import: counts, failures and exit code."""

from dataclasses import dataclass, field

from snapfind.catalog.ingest.duplicates import Duplicate
from snapfind.catalog.ingest.sources import Failure

__all__ = ["AddReport"]


@dataclass(slots=True)
class AddReport:
    """Result of adding a source. Counts are numbers of media files.

    Attributes:
        added: New files.
        changed: Files with other bytes than before.
        updated: Files whose product has other fields than before, but whose bytes are the same.
        unchanged: Files that are stored already.
        removed: Points that the source no longer has, with `sync`.
        failures: Files and rows that could not be added.
        notes: Sentences on what was left out or renamed.
        duplicates: New files that the catalog already has under another name.
        seconds: Duration.
        dry_run: Nothing was written.
    """

    added: int = 0
    changed: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    seconds: float = 0.0
    dry_run: bool = False

    @property
    def embedded(self) -> int:
        """Number of files that were encoded."""
        return self.added + self.changed

    @property
    def stored(self) -> int:
        """Number of files of the source that the catalog has now."""
        return self.embedded + self.updated + self.unchanged

    @property
    def exit_code(self) -> int:
        """0: no failures, 1: some failures, 2: nothing was added."""
        if not self.failures:
            return 0
        return 1 if self.stored else 2
