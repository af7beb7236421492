"""Run records of the flywheel: one JSON file per run, `shop.snap/flywheel/0001.json`.

A record holds the hash of the data, the version, the configuration, metrics, quality gates and the decision, so that a
run can be audited and repeated.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from snapfind.catalog.storage.folder import write_whole
from snapfind.core.errors import CatalogBroken
from snapfind.flywheel.gates import GateResult
from snapfind.flywheel.labels import ClickLabel

__all__ = ["FlywheelRun", "data_hash", "next_number", "read_runs", "write_run"]


@dataclass(frozen=True, slots=True)
class FlywheelRun:
    """Record of a flywheel run. Times are ISO 8601, hashes SHA-256.

    Args:
        number: Number of the run, from 1.
        started: Start time.
        finished: End time of the run, or of its experiment. Empty while it runs.
        version: Version of snapfind.
        config: The configuration, see `FlywheelConfig`.
        data: Hash and numbers of the labels.
        model_before: Id of the active model at the start.
        model: Id of the new model, empty if none was trained.
        metrics: Test set -> metrics of both models.
        gates: Results of the quality gates.
        decision: "stopped" by a gate, "experiment" while the A/B test runs, "switched" to the new model, or "kept",
            which means that the old model stays.
        reason: Why, as a sentence.
        experiment: Result of the interleaving experiment, see `ExperimentResult`. Empty without one.
    """

    number: int
    started: str
    finished: str
    version: str
    config: dict[str, Any]
    data: dict[str, Any]
    model_before: str
    model: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    gates: list[GateResult] = field(default_factory=list)
    decision: str = "stopped"
    reason: str = ""
    experiment: dict[str, Any] = field(default_factory=dict)


def data_hash(labels: Sequence[ClickLabel]) -> str:
    """Return the SHA-256 of the photos and labels in their order.

    Args:
        labels: Labels whose photos exist.

    Returns:
        The hash in hexadecimal.
    """
    digest = hashlib.sha256()
    for label in labels:
        digest.update(f"{label.search}\0{label.product}\0".encode())
        digest.update(hashlib.sha256(label.photo.read_bytes()).digest())
    return digest.hexdigest()


def write_run(folder: Path, run: FlywheelRun) -> Path:
    """Write the record of a run. An existing record with the same number is replaced atomically.

    Args:
        folder: Folder of the records. It is created if needed.
        run: The record.

    Returns:
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{run.number:04d}.json"
    write_whole(path, json.dumps(asdict(run), indent=2, ensure_ascii=False).encode())
    return path


def read_runs(folder: Path) -> Iterator[FlywheelRun]:
    """Read all records, oldest first.

    Args:
        folder: Folder of the records. It may be missing.

    Yields:
        The records.

    Raises:
        CatalogBroken: A file is not a valid record.
    """
    for path in sorted(folder.glob("[0-9]*.json")):
        try:
            fields = json.loads(path.read_bytes())
            yield FlywheelRun(**{**fields, "gates": [GateResult(**gate) for gate in fields["gates"]]})
        except (ValueError, KeyError, TypeError) as error:
            raise CatalogBroken(f"{path} is not the record of a flywheel run ({error}); remove it") from error


def next_number(folder: Path) -> int:
    """Return the number of the next run.

    Args:
        folder: Folder of the records. It may be missing.

    Returns:
        1 more than the last number.
    """
    return max((int(path.stem) for path in folder.glob("[0-9]*.json")), default=0) + 1
