"""A model on trial: it answers a share of the photo searches together with the active one, in one interleaved list.

shop.snap/trial.jsonl has a line for each such search: its id, both answers, and whose pick each shown product was.
Clicks come as events with the id of the search; which model they speak for is counted later (flywheel/ab_test.py).
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from snapfind.core.types import Answer, Hit
from snapfind.search.interleave import team_draft

__all__ = ["InterleavedSearch", "Trial", "TrialLog", "interleave_answers", "takes_part"]

FILE = "trial.jsonl"


@dataclass(frozen=True, slots=True)
class Trial:
    """`model` is tried on a `share` (0..1) of the searches since `began` (ISO time)."""

    model: str
    share: float
    began: str


@dataclass(frozen=True, slots=True)
class InterleavedSearch:
    """One search of a trial: product ids of the active model and of the other, as shown, and the team of each."""

    search: str
    active: tuple[str, ...]
    other: tuple[str, ...]
    shown: tuple[str, ...]
    teams: str


def takes_part(trial: Trial, who: str) -> bool:
    """Whether a session (or a search without one) takes part: always the same for the same."""
    draw = int.from_bytes(hashlib.sha256(f"{trial.began}\0{who}".encode()).digest()[:8])
    return draw < trial.share * 2**64


def interleave_answers(
    active: Answer, other: Answer, seed: str, limit: int, offset: int = 0
) -> tuple[Answer, InterleavedSearch]:
    """The answer that is shown, from `offset` on; both answers begin at the first hit. `Tried.search` is left empty."""
    hits: dict[str, dict[str, Hit]] = {"a": _by_id(active), "b": _by_id(other)}
    drafted = team_draft(list(hits["a"]), list(hits["b"]), seed, offset + limit)[offset:]
    shown = tuple(hits[team][product] for product, team in drafted)
    timings = {name: active.timings.get(name, 0.0) + other.timings.get(name, 0.0) for name in active.timings}
    answer = Answer(shown, timings, active.box, active.regions, active.categories, space=active.space)
    teams = "".join(team for _, team in drafted)
    return answer, InterleavedSearch(
        "", tuple(hits["a"]), tuple(hits["b"]), tuple(product for product, _ in drafted), teams
    )


def _by_id(answer: Answer) -> dict[str, Hit]:
    return {hit.product.id: hit for hit in answer}


class TrialLog:
    """The searches of the trial under way. Any thread may write."""

    def __init__(self, folder: Path) -> None:
        self._path, self._lock = folder / FILE, Lock()

    def note(self, tried: InterleavedSearch) -> None:
        """Add a line."""
        row = [tried.search, tried.active, tried.other, tried.shown, tried.teams]
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def __iter__(self) -> Iterator[InterleavedSearch]:
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):  # the last one may be torn by a crash
                    search, *rankings, teams = json.loads(line)
                    active, other, shown = (_ids(ranking) for ranking in rankings)
                    yield InterleavedSearch(search, active, other, shown, teams)

    def clear(self) -> None:
        """Begin anew."""
        self._path.unlink(missing_ok=True)


def _ids(ranking: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(one) for one in ranking)
