"""What an `add` did: counts, failures, and the exit code that follows from them."""

from dataclasses import dataclass, field

from snapfind.catalog.ingest.duplicates import Duplicate
from snapfind.catalog.ingest.sources import Failure

__all__ = ["AddReport"]


@dataclass(slots=True)
class AddReport:
    """Pictures by what became of them; `updated` counts those whose fields changed but not their bytes.

    `duplicates` are new pictures that the catalog, or this run, has under another name already.
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
        """Pictures that went through the encoder."""
        return self.added + self.changed

    @property
    def stored(self) -> int:
        """Pictures of the source that the catalog holds now."""
        return self.embedded + self.updated + self.unchanged

    @property
    def exit_code(self) -> int:
        """0 all done, 1 some rows failed, 2 nothing could be done."""
        if not self.failures:
            return 0
        return 1 if self.stored else 2
