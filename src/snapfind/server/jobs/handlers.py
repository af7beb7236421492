"""How each kind of job is done: import, fit, build, use, snapshot, export, quality, a turn of the flywheel."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from snapfind.catalog.catalog import Catalog
from snapfind.catalog.ingest.csv_safety import write_rows
from snapfind.catalog.ingest.report import AddReport
from snapfind.catalog.storage.export import write_table
from snapfind.catalog.storage.folder import write_whole
from snapfind.core.config import Settings
from snapfind.core.errors import BadInput, NotFound
from snapfind.curation.findings import KINDS
from snapfind.curation.survey import survey
from snapfind.flywheel.config import Rules
from snapfind.flywheel.run import run as run_turn
from snapfind.index.payload import FIXED
from snapfind.server.jobs.queue import Job, Progress, Work
from snapfind.server.jobs.unzip import Unpacked, unpack
from snapfind.server.schemas.redact import without_folders

__all__ = ["ERROR_FILE", "artifact_of", "works"]

ERROR_FILE = "errors.csv"


def works(catalogue: Catalog) -> Mapping[str, Work]:
    """Kind -> how it is done."""

    def fit(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        return {"model": catalogue.fit(kept=job.spec.get("kept", False), progress=progress)}

    def build(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        return {"model": catalogue.build(job.spec["encoder"], progress=progress)}

    def use(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        return {"model": catalogue.use(artifact_of(catalogue.settings, job.spec["artifact"]), progress=progress)}

    def snapshot(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        target = place / f"{job.id}.tar"
        target.unlink(missing_ok=True)
        return {"bytes": catalogue.snapshot(target), "file": target.name}

    def export(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        target = place / f"{job.id}.{job.spec['format']}"
        rows = catalogue.export(filter=job.spec["filter"], vectors=job.spec["vectors"])
        count = write_table(rows, target, FIXED | catalogue.schema, vectors=job.spec["vectors"])
        return {"rows": count, "bytes": target.stat().st_size, "file": target.name}

    def curate(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        found = survey(catalogue, progress)
        return {"findings": len(found.found)} | {kind: len(found.of(kind)) for kind in KINDS if found.of(kind)}

    def turn(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        made = run_turn(catalogue, Rules(**job.spec))
        return {"turn": made.number, "decision": made.decision, "why": made.why, "model": made.model}

    return {
        "import": partial(_import, catalogue),
        "fit": fit,
        "build": build,
        "use": use,
        "snapshot": snapshot,
        "export": export,
        "curate": curate,
        "turn": turn,
    }


def artifact_of(settings: Settings, name: str) -> Path:
    """An artifact right inside the server's folder of models; links lead nowhere else. Raises NotFound."""
    root = settings.text("models")
    if not root:
        raise NotFound("this server has no folder of models; start it with SNAPFIND_MODELS=FOLDER")
    folder = Path(root).expanduser().resolve()
    found = (folder / name).resolve()
    if found.parent != folder or not (found / "manifest.json").is_file():
        raise NotFound(f"no artifact {name!r} in the server's folder of models", field="artifact")
    return found


def _import(catalogue: Catalog, job: Job, place: Path, progress: Progress) -> dict[str, Any]:
    """Add the table and the pictures of an import."""
    given = place / "given"
    settings = catalogue.settings
    unpacked = _unpacked(given, settings)
    table = job.spec["table"]
    source = given / table if table else given / "pictures"
    if not table and unpacked.failures and not any(source.iterdir()):
        first = unpacked.failures[0]
        raise BadInput(f"the archive has no picture that can be used; {first.path}: {first.reason}")
    sync = job.spec["sync"] and not (unpacked.failures and not table)
    report = catalogue.add(
        source,
        root=given / "pictures",
        sync=sync,
        columns=job.spec.get("columns", {}),  # jobs of an older version have none
        kinds=job.spec.get("kinds", {}),
        progress=progress,
    )
    report.failures += unpacked.failures
    report.notes += unpacked.notes
    if job.spec["sync"] and not sync:
        report.notes.append("nothing was removed: entries of an archive were left out, so what is gone is not known")
    _write_failures(place / ERROR_FILE, report)
    catalogue.index.flush()
    counts = ("added", "changed", "updated", "unchanged", "removed")
    told: dict[str, Any] = {name: getattr(report, name) for name in counts}
    return told | {"failed": len(report.failures), "notes": report.notes, "seconds": round(report.seconds, 2)}


def _unpacked(given: Path, settings: Settings) -> Unpacked:
    """Unpack the archives of an import; what was left out is kept for when the job is begun again."""
    pictures, kept = given / "pictures", given / "unpacked.json"
    limits = {"most": settings.whole("max_import"), "most_each": settings.whole("max_bytes")}
    found = Unpacked.parse(json.loads(kept.read_bytes())) if kept.exists() else Unpacked()
    for archive in sorted(given.glob("archive-*.zip")):
        found = found.plus(unpack(archive, pictures, **limits))
        write_whole(kept, json.dumps(asdict(found), ensure_ascii=False).encode())
        archive.unlink()
    return found


def _write_failures(target: Path, report: AddReport) -> None:
    draft = target.with_suffix(".new")
    with draft.open("w", newline="", encoding="utf-8") as file:
        rows = [["id", "code", "path", "reason"]]
        for failure in report.failures:
            path, reason = (without_folders(text, [target.parent]) for text in (failure.path, failure.reason))
            rows.append([failure.id, failure.code, path, reason])
        write_rows(file, rows)
    draft.replace(target)
