"""Applying what a finding proposes, taking it back, and dismissing it: a line in a journal, then a public verb.

curate/journal.jsonl in the folder is only ever added to; each line holds the whole finding, so that it can be taken
back however many looks later. Nothing is deleted: pictures are hidden, categories are set and set back. Doing what is
done already, after a crash between the line and the deed, does no harm. A dismissed finding is not shown again: its id
follows from what was found, so the next look leaves it out too.
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
from snapfind.curation.findings import Change, Finding, Findings, parse

__all__ = ["Applied", "Outcome", "applied", "apply", "dismiss", "dismissed", "undo"]


@dataclass(frozen=True, slots=True)
class Applied:
    """A finding whose mend was applied, or that was dismissed, and not taken back; when (UTC)."""

    finding: Finding
    at: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one finding: whether it was done, and a sentence."""

    id: str
    done: bool
    said: str


def applied(folder: Path) -> dict[str, Applied]:
    """Finding id -> what is applied now, in the order in which it was."""
    return _standing(folder, "apply", "undo")


def dismissed(folder: Path) -> dict[str, Applied]:
    """Finding id -> the findings that are dismissed now, in the order in which they were.

    Args:
        folder: The catalog's folder.
    """
    return _standing(folder, "dismiss", "restore")


def _standing(folder: Path, verb: str, back: str) -> dict[str, Applied]:
    """What was done by `verb` and not taken `back`."""
    now: dict[str, Applied] = {}
    path = _file(folder)
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            told = json.loads(line)
            one = Applied(parse(told["finding"]), told["at"])
        except (ValueError, KeyError, TypeError):
            continue  # a line cut off by a crash: its deed was never begun
        if told["did"] == verb:
            now[one.finding.id] = one
        elif told["did"] == back:
            now.pop(one.finding.id, None)
    return now


def apply(catalog: Catalog, ids: Sequence[str] | None = None) -> list[Outcome]:
    """Apply findings of the last look by id; None: those that are safe unseen. One that fails stops no other."""
    folder = catalog.folder.path
    now, known = applied(folder), _known(folder)
    done = {*now, *dismissed(folder)}
    wanted = [one.id for one in known.values() if one.safe and one.id not in done] if ids is None else ids
    return [_tried(one, partial(_apply, catalog, known.get(one), one, one in now)) for one in wanted]


def undo(catalog: Catalog, ids: Sequence[str] | None = None) -> list[Outcome]:
    """Take applied findings back by id, None: all of them, the last one first."""
    now = applied(catalog.folder.path)
    wanted = list(reversed(now)) if ids is None else ids
    return [_tried(one, partial(_undo, catalog, now.get(one), one)) for one in wanted]


def dismiss(catalog: Catalog, ids: Sequence[str], *, restore: bool = False) -> list[Outcome]:
    """Dismiss findings of the last look, so that no look shows them again. Pictures and categories stay as they are.

    Args:
        catalog: The catalog that was looked at.
        ids: Ids of findings.
        restore: Show dismissed findings again instead.

    Returns:
        One outcome for each id, in their order. One that fails stops no other.
    """
    folder = catalog.folder.path
    known, now, done = _known(folder), dismissed(folder), applied(folder)
    if restore:
        return [_tried(id, partial(_restore, folder, now.get(id), id)) for id in ids]
    return [_tried(id, partial(_dismiss, folder, known.get(id), id, {*now, *done})) for id in ids]


def _dismiss(folder: Path, found: Finding | None, id: str, done: Container[str]) -> str:
    if id in done:
        raise Conflict(f"finding {id[:40]!r} is applied or dismissed already")
    if found is None:
        raise NotFound(f"no finding {id[:40]!r} in the last look; look again: snapfind curate")
    _write(folder, "dismiss", found)
    return f"dismissed: {found.said}"


def _restore(folder: Path, one: Applied | None, id: str) -> str:
    if one is None:
        raise NotFound(f"finding {id[:40]!r} is not dismissed")
    _write(folder, "restore", one.finding)
    return f"shown again: {one.finding.said}"


def _known(folder: Path) -> dict[str, Finding]:
    last = Findings.load(folder)
    return {one.id: one for one in last.found} if last else {}


def _tried(id: str, deed: Callable[[], str]) -> Outcome:
    try:
        return Outcome(id, True, deed())
    except SnapfindError as error:
        return Outcome(id, False, error.message)


def _apply(catalog: Catalog, found: Finding | None, id: str, done: bool) -> str:
    if done:
        raise Conflict(f"finding {id[:40]!r} is applied already")
    if found is None:
        raise NotFound(f"no finding {id[:40]!r} in the last look; look again: snapfind curate")
    if found.change is None:
        raise Conflict(f"finding {id} has no mend that can be applied: {found.said}")
    change = found.change
    if change.verb == "relabel":
        _expect(catalog, change.product, change.before)
    _write(catalog.folder.path, "apply", found)
    if change.verb == "hide":
        hidden = catalog.hide(change.pictures)
        gone = _gone(catalog, found)
        left = (
            f"; {', '.join(gone)} {'has' if len(gone) == 1 else 'have'} no picture left and cannot be found"
            if gone
            else ""
        )
        return f"{len(hidden)} hidden: {found.said}{left}"
    catalog.update(change.product, {"category": change.after or None})
    return f"{change.product}: category {change.before} -> {change.after}"


def _gone(catalog: Catalog, found: Finding) -> list[str]:
    """Products of a finding that have no picture in the search any more."""
    left = {str(point.payload["_product"]) for point in catalog.points()}
    return [product for product in dict.fromkeys(one.product for one in found.shown) if product not in left]


def _undo(catalog: Catalog, one: Applied | None, id: str) -> str:
    if one is None:
        raise NotFound(f"finding {id[:40]!r} is not applied; nothing is to be taken back")
    change = one.finding.change
    assert change is not None
    if change.verb == "hide":
        said = f"{len(catalog.show(change.pictures))} shown again: {one.finding.said}"
    else:
        _set_back(catalog, change)
        said = f"{change.product}: category {change.after} -> {change.before}"
    _write(catalog.folder.path, "undo", one.finding)
    return said


def _set_back(catalog: Catalog, change: Change) -> None:
    if catalog.get(change.product).category != change.before:  # else the deed was never done, or is undone already
        _expect(catalog, change.product, change.after)
        catalog.update(change.product, {"category": change.before or None})


def _expect(catalog: Catalog, product: str, category: str) -> None:
    current = catalog.get(product).category
    if current != category:
        raise Conflict(f"product {product} has the category {current!r} by now, not {category!r}: it is left as it is")


def _write(folder: Path, did: str, found: Finding) -> None:
    told = {"did": did, "at": datetime.now(UTC).isoformat(timespec="seconds"), "finding": asdict(found)}
    path = _file(folder)
    path.parent.mkdir(exist_ok=True)
    with path.open("a+b") as file:
        if file.tell():  # a line cut off by a crash is closed first
            file.seek(-1, os.SEEK_END)
            file.write(b"" if file.read(1) == b"\n" else b"\n")
        file.write(json.dumps(told, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _file(folder: Path) -> Path:
    return folder / "curate" / "journal.jsonl"
