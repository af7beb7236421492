"""Journal of a catalog's curation: apply fixes, undo them, dismiss findings.

curate/journal.jsonl in the catalog folder is append-only. A line is written before its action, and the actions are
idempotent, so a crash in between does no harm. A line holds the whole finding, so that a fix can be undone after any
number of surveys. Nothing is deleted: pictures are hidden, and categories are set. Later surveys skip dismissed
findings by their id.
"""

import json
import os
from collections.abc import Callable, Container, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from snapfind.catalog.catalog import Catalog
from snapfind.core.errors import Conflict, NotFound, SnapfindError
from snapfind.curation.findings import Change, Finding, Findings, parse_finding

__all__ = ["JournalEntry", "Outcome", "apply", "dismiss", "read_applied", "read_dismissed", "undo"]


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A finding that is applied or dismissed.

    Args:
        finding: The finding.
        at: Time of the action, ISO 8601 in UTC.
    """

    finding: Finding
    at: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of an action on a finding.

    Args:
        id: Id of the finding.
        done: Whether the action succeeded.
        message: The result or the error as a sentence.
    """

    id: str
    done: bool
    message: str


def read_applied(folder: Path) -> dict[str, JournalEntry]:
    """Read which fixes are applied.

    Args:
        folder: The catalog folder.

    Returns:
        Finding id -> entry, in order of time.
    """
    return _read(folder, "apply", "undo")


def read_dismissed(folder: Path) -> dict[str, JournalEntry]:
    """Read which findings are dismissed.

    Args:
        folder: The catalog folder.

    Returns:
        Finding id -> entry, in order of time.
    """
    return _read(folder, "dismiss", "restore")


def _read(folder: Path, action: str, inverse: str) -> dict[str, JournalEntry]:
    """Return the findings whose last action is `action` and not `inverse`."""
    entries: dict[str, JournalEntry] = {}
    path = _file(folder)
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            fields = json.loads(line)
            entry = JournalEntry(parse_finding(fields["finding"]), fields["at"])
        except (ValueError, KeyError, TypeError):
            continue  # a line cut off by a crash: its action was never started
        if fields["action"] == action:
            entries[entry.finding.id] = entry
        elif fields["action"] == inverse:
            entries.pop(entry.finding.id, None)
    return entries


def apply(catalog: Catalog, ids: Sequence[str] | None = None) -> list[Outcome]:
    """Apply the fixes of findings of the last survey. A failure does not stop the others.

    Args:
        catalog: The catalog.
        ids: Ids of the findings. Default: all that are safe without review and not dismissed.

    Returns:
        An outcome for each finding.
    """
    folder = catalog.folder.path
    applied, known = read_applied(folder), _known(folder)
    if ids is None:
        done = {*applied, *read_dismissed(folder)}
        ids = [one.id for one in known.values() if one.safe and one.id not in done]
    return [_try(id, partial(_apply, catalog, known.get(id), id, id in applied)) for id in ids]


def undo(catalog: Catalog, ids: Sequence[str] | None = None) -> list[Outcome]:
    """Undo applied fixes. A failure does not stop the others.

    Args:
        catalog: The catalog.
        ids: Ids of the findings. Default: all applied ones, newest first.

    Returns:
        An outcome for each finding.
    """
    applied = read_applied(catalog.folder.path)
    return [
        _try(id, partial(_undo, catalog, applied.get(id), id)) for id in (reversed(applied) if ids is None else ids)
    ]


def dismiss(catalog: Catalog, ids: Sequence[str], *, restore: bool = False) -> list[Outcome]:
    """Dismiss findings of the last survey, so that later surveys skip them. The products stay unchanged.

    Args:
        catalog: The catalog.
        ids: Ids of the findings.
        restore: Whether to restore dismissed findings instead.

    Returns:
        An outcome for each finding. A failure does not stop the others.
    """
    folder = catalog.folder.path
    known, dismissed, applied = _known(folder), read_dismissed(folder), read_applied(folder)
    if restore:
        return [_try(id, partial(_restore, folder, dismissed.get(id), id)) for id in ids]
    return [_try(id, partial(_dismiss, folder, known.get(id), id, {*dismissed, *applied})) for id in ids]


def _dismiss(folder: Path, finding: Finding | None, id: str, done: Container[str]) -> str:
    if id in done:
        raise Conflict(f"finding {id[:40]!r} is applied or dismissed already")
    if finding is None:
        raise _unknown(id)
    _write(folder, "dismiss", finding)
    return f"dismissed: {finding.message}"


def _restore(folder: Path, entry: JournalEntry | None, id: str) -> str:
    if entry is None:
        raise NotFound(f"finding {id[:40]!r} is not dismissed")
    _write(folder, "restore", entry.finding)
    return f"restored: {entry.finding.message}"


def _unknown(id: str) -> NotFound:
    return NotFound(f"no finding {id[:40]!r} in the last survey; run: snapfind curate check")


def _known(folder: Path) -> dict[str, Finding]:
    last = Findings.load(folder)
    return {one.id: one for one in last.items} if last else {}


def _try(id: str, action: Callable[[], str]) -> Outcome:
    try:
        return Outcome(id, True, action())
    except SnapfindError as error:
        return Outcome(id, False, error.message)


def _apply(catalog: Catalog, finding: Finding | None, id: str, done: bool) -> str:
    if done:
        raise Conflict(f"finding {id[:40]!r} is applied already")
    if finding is None:
        raise _unknown(id)
    if finding.change is None:
        raise Conflict(f"finding {id} has no automatic fix: {finding.message}")
    change = finding.change
    if change.action == "relabel":
        _check_category(catalog, change.product, change.before)
    _write(catalog.folder.path, "apply", finding)
    if change.action == "hide":
        hidden = catalog.hide(change.pictures)
        gone = _without_pictures(catalog, finding)
        left = (
            f"; {', '.join(gone)} {'has' if len(gone) == 1 else 'have'} no picture left and cannot be found"
            if gone
            else ""
        )
        return f"{len(hidden)} hidden: {finding.message}{left}"
    catalog.update(change.product, {"category": change.after or None})
    return f"{change.product}: category {change.before} -> {change.after}"


def _without_pictures(catalog: Catalog, finding: Finding) -> list[str]:
    """Return the products of a finding that have no picture in the index."""
    left = {str(point.payload["_product"]) for point in catalog.points()}
    return [product for product in dict.fromkeys(one.product for one in finding.samples) if product not in left]


def _undo(catalog: Catalog, entry: JournalEntry | None, id: str) -> str:
    if entry is None:
        raise NotFound(f"finding {id[:40]!r} is not applied, so it cannot be undone")
    change = entry.finding.change
    assert change is not None
    if change.action == "hide":
        message = f"{len(catalog.show(change.pictures))} visible again: {entry.finding.message}"
    else:
        _restore_category(catalog, change)
        message = f"{change.product}: category {change.after} -> {change.before}"
    _write(catalog.folder.path, "undo", entry.finding)
    return message


def _restore_category(catalog: Catalog, change: Change) -> None:
    if catalog.get(change.product).category != change.before:  # else it was never changed, or is restored already
        _check_category(catalog, change.product, change.after)
        catalog.update(change.product, {"category": change.before or None})


def _check_category(catalog: Catalog, product: str, category: str) -> None:
    current = catalog.get(product).category
    if current != category:
        raise Conflict(f"product {product} has the category {current!r}, not {category!r}; it stays unchanged")


def _write(folder: Path, action: str, finding: Finding) -> None:
    line = {"action": action, "at": datetime.now(UTC).isoformat(timespec="seconds"), "finding": asdict(finding)}
    path = _file(folder)
    path.parent.mkdir(exist_ok=True)
    with path.open("a+b") as file:
        if file.tell():  # a line cut off by a crash is closed first
            file.seek(-1, os.SEEK_END)
            file.write(b"" if file.read(1) == b"\n" else b"\n")
        file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _file(folder: Path) -> Path:
    return folder / "curate" / "journal.jsonl"
