"""How each kind of job is done: import, fit, build, use, snapshot, export, quality, a turn of the flywheel."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snapfind.catalog.catalog import Catalog
from snapfind.catalog.export import write_table
from snapfind.catalog.report import AddReport
from snapfind.curate.findings import KINDS
from snapfind.curate.survey import survey
from snapfind.errors import NotFound
from snapfind.flywheel.rules import Rules
from snapfind.flywheel.turn import run as run_turn
from snapfind.index.payload import FIXED
from snapfind.server.jobs import Job, Progress, Work
from snapfind.server.private import without_folders
from snapfind.server.unpack import unpack
from snapfind.settings import Settings

__all__ = ["ERROR_FILE", "artifact_of", "works"]

ERROR_FILE = "errors.csv"


def works(catalogue: Catalog) -> Mapping[str, Work]:
    """Kind -> how it is done."""

    def add(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        given = place / "given"
        settings = catalogue.settings
        for archive in sorted(given.glob("archive-*.zip")):
            pictures = given / "pictures"
            unpack(archive, pictures, most=settings.whole("max_import"), most_each=settings.whole("max_bytes"))
            archive.unlink()
        table = job.spec["table"]
        source = given / table if table else given / "pictures"
        columns = job.spec.get("columns", {})  # jobs of an older version have none
        report = catalogue.add(
            source, root=given / "pictures", sync=job.spec["sync"], columns=columns, progress=progress
        )
        _write_failures(place / ERROR_FILE, report)
        catalogue.index.flush()
        counts = ("added", "changed", "updated", "unchanged", "removed")
        told: dict[str, Any] = {name: getattr(report, name) for name in counts}
        return told | {"failed": len(report.failures), "notes": report.notes, "seconds": round(report.seconds, 2)}

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
        "import": add,
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


def _write_failures(target: Path, report: AddReport) -> None:
    draft = target.with_suffix(".new")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "code", "path", "reason"])
        for failure in report.failures:
            path, reason = (without_folders(text, [target.parent]) for text in (failure.path, failure.reason))
            writer.writerow([failure.id, failure.code, path, reason])
    draft.replace(target)
