"""The record of a turn: what went in, by what code and rules, what came out, and why it went live or did not.

shop.snap/flywheel/0001.json, one file a turn. A person can read it, and with the same events and photos repeat it.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from snapfind.catalog.storage.folder import write_whole
from snapfind.core.errors import CatalogBroken
from snapfind.flywheel.gates import Guard
from snapfind.flywheel.labels import Candidate

__all__ = ["Turn", "data_hash", "number_of_next", "turns", "write"]


@dataclass(frozen=True, slots=True)
class Turn:
    """`decision` is "stopped", "trial", "switched" or "kept" (after a trial); times are ISO, hashes sha256."""

    number: int
    began: str
    finished: str
    version: str
    rules: dict[str, Any]
    data: dict[str, Any]
    model_before: str
    model: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    guards: list[Guard] = field(default_factory=list)
    decision: str = "stopped"
    why: str = ""
    verdict: dict[str, Any] = field(default_factory=dict)


def data_hash(candidates: Sequence[Candidate]) -> str:
    """Of the photos' bytes and their labels, in order."""
    digest = hashlib.sha256()
    for one in candidates:
        digest.update(f"{one.search}\0{one.product}\0".encode())
        digest.update(hashlib.sha256(one.photo.read_bytes()).digest())
    return digest.hexdigest()


def write(folder: Path, turn: Turn) -> Path:
    """Keep a turn; the file of its number is replaced whole."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{turn.number:04d}.json"
    write_whole(path, json.dumps(asdict(turn), indent=2, ensure_ascii=False).encode())
    return path


def turns(folder: Path) -> Iterator[Turn]:
    """All that are kept, oldest first. Raises CatalogBroken for a file that is none."""
    for path in sorted(folder.glob("[0-9]*.json")):
        try:
            told = json.loads(path.read_bytes())
            yield Turn(**{**told, "guards": [Guard(**guard) for guard in told["guards"]]})
        except (ValueError, KeyError, TypeError) as error:
            raise CatalogBroken(f"{path} is no record of a turn ({error}); remove it") from error


def number_of_next(folder: Path) -> int:
    """One more than the last."""
    return max((int(path.stem) for path in folder.glob("[0-9]*.json")), default=0) + 1
