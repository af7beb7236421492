"""Interleaving experiment: a second model answers a share of the photo searches together with the active one.

shop.snap/trial.jsonl has a line for each such search: its id, both rankings, and the model of each returned product.
Clicks are events with the id of the search. They are counted later (flywheel/ab_test.py).
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
    """An interleaving experiment.

    Attributes:
        model: Name of the second model.
        share: Share of the searches, 0..1.
        began: Start, ISO 8601.
    """

    model: str
    share: float
    began: str


@dataclass(frozen=True, slots=True)
class InterleavedSearch:
    """A search of an experiment.

    Attributes:
        search: Id of the search.
        active: Product ids of the active model.
        other: Product ids of the second model.
        shown: Product ids of the interleaved answer.
        teams: `a` (active) or `b` for each product of the answer.
    """

    search: str
    active: tuple[str, ...]
    other: tuple[str, ...]
    shown: tuple[str, ...]
    teams: str


def takes_part(trial: Trial, who: str) -> bool:
    """Tell whether a session takes part in an experiment.

    Args:
        trial: The experiment.
        who: Id of the session, or of the search if there is none.

    Returns:
        The same result for the same id.
    """
    number = int.from_bytes(hashlib.sha256(f"{trial.began}\0{who}".encode()).digest()[:8])
    return number < trial.share * 2**64


def interleave_answers(
    active: Answer, other: Answer, seed: str, limit: int, offset: int = 0
) -> tuple[Answer, InterleavedSearch]:
    """Interleave two answers by team draft.

    Args:
        active: Answer of the active model, from its first hit on.
        other: Answer of the second model, from its first hit on.
        seed: Seed of the random draft.
        limit: Maximum number of hits.
        offset: Number of hits to skip.

    Returns:
        The interleaved answer, and its record without the id of the search.
    """
    hits: dict[str, dict[str, Hit]] = {"a": _by_id(active), "b": _by_id(other)}
    draft = team_draft(list(hits["a"]), list(hits["b"]), seed, offset + limit)[offset:]
    shown = tuple(hits[team][product] for product, team in draft)
    timings = {name: active.timings.get(name, 0.0) + other.timings.get(name, 0.0) for name in active.timings}
    answer = Answer(shown, timings, active.box, active.regions, active.categories, space=active.space)
    teams = "".join(team for _, team in draft)
    return answer, InterleavedSearch(
        "", tuple(hits["a"]), tuple(hits["b"]), tuple(product for product, _ in draft), teams
    )


def _by_id(answer: Answer) -> dict[str, Hit]:
    return {hit.product.id: hit for hit in answer}


class TrialLog:
    """Log of the searches of the current experiment. Thread-safe.

    Args:
        folder: Folder of the catalog.
    """

    def __init__(self, folder: Path) -> None:
        self._path, self._lock = folder / FILE, Lock()

    def note(self, tried: InterleavedSearch) -> None:
        """Append a search.

        Args:
            tried: The search.
        """
        row = [tried.search, tried.active, tried.other, tried.shown, tried.teams]
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def __iter__(self) -> Iterator[InterleavedSearch]:
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):  # the last one can be incomplete after a crash
                    search, *rankings, teams = json.loads(line)
                    active, other, shown = (_ids(ranking) for ranking in rankings)
                    yield InterleavedSearch(search, active, other, shown, teams)

    def clear(self) -> None:
        """Delete all entries."""
        self._path.unlink(missing_ok=True)


def _ids(ranking: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(one) for one in ranking)
