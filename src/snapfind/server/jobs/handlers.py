"""Job handlers: import, fit, build, use, snapshot, export, curate, flywheel run."""

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
from snapfind.curation.survey import survey_catalog
from snapfind.flywheel.config import FlywheelConfig
from snapfind.flywheel.run import run_flywheel
from snapfind.index.payload import FIXED
from snapfind.server.jobs.queue import Handler, Job, Progress
from snapfind.server.jobs.unzip import Unpacked, unpack
from snapfind.server.schemas.redact import without_folders

__all__ = ["ERROR_FILE", "artifact_of", "job_handlers"]

ERROR_FILE = "errors.csv"


def job_handlers(catalog: Catalog) -> Mapping[str, Handler]:
    """Return the handler of each kind of job for a catalog."""

    def fit(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        return {"model": catalog.models.fit(stored_photos=job.spec.get("stored_photos", False), progress=progress)}

    def build(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        return {"model": catalog.models.build(job.spec["encoder"], progress=progress)}

    def use(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        return {"model": catalog.models.use(artifact_of(catalog.settings, job.spec["artifact"]), progress=progress)}

    def snapshot(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        target = place / f"{job.id}.tar"
        target.unlink(missing_ok=True)
        return {"bytes": catalog.snapshot(target), "file": target.name}

    def export(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        target = place / f"{job.id}.{job.spec['format']}"
        rows = catalog.export(filter=job.spec["filter"], vectors=job.spec["vectors"])
        count = write_table(rows, target, FIXED | catalog.schema, vectors=job.spec["vectors"])
        return {"rows": count, "bytes": target.stat().st_size, "file": target.name}

    def curate(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        findings = survey_catalog(catalog, progress)
        counts = {kind: len(findings.of(kind)) for kind in KINDS}
        return {"findings": len(findings.items)} | {kind: count for kind, count in counts.items() if count}

    def flywheel(job: Job, place: Path, progress: Progress) -> dict[str, Any]:
        run = run_flywheel(catalog, FlywheelConfig(**job.spec))
        return {"run": run.number, "decision": run.decision, "reason": run.reason, "model": run.model}

    return {
        "import": partial(_import, catalog),
        "fit": fit,
        "build": build,
        "use": use,
        "snapshot": snapshot,
        "export": export,
        "curate": curate,
        "flywheel": flywheel,
    }


def artifact_of(settings: Settings, name: str) -> Path:
    """Return the folder of an artifact in the server's folder of models.

    Args:
        settings: `models` is the folder.
        name: Name of the artifact. It must be directly inside the folder, also after resolving links.

    Raises:
        NotFound: There is no such artifact, or no folder of models is set.
    """
    root = settings.text("models")
    if not root:
        raise NotFound("this server has no folder of models; set SNAPFIND_MODELS=FOLDER")
    folder = Path(root).expanduser().resolve()
    artifact = (folder / name).resolve()
    if artifact.parent != folder or not (artifact / "manifest.json").is_file():
        raise NotFound(f"no artifact {name!r} in the server's folder of models", field="artifact")
    return artifact


def _import(catalog: Catalog, job: Job, place: Path, progress: Progress) -> dict[str, Any]:
    """Add the uploaded table and pictures of an import."""
    uploads = place / "input"
    settings = catalog.settings
    unpacked = _unpack_archives(uploads, settings)
    table = job.spec["table"]
    source = uploads / table if table else uploads / "pictures"
    if not table and unpacked.failures and not any(source.iterdir()):
        first = unpacked.failures[0]
        raise BadInput(f"the archive has no usable picture; {first.path}: {first.reason}")
    sync = job.spec["sync"] and not (unpacked.failures and not table)
    report = catalog.add(
        source,
        root=uploads / "pictures",
        sync=sync,
        columns=job.spec.get("columns", {}),  # absent in jobs of an older version
        kinds=job.spec.get("kinds", {}),
        progress=progress,
    )
    report.failures += unpacked.failures
    report.notes += unpacked.notes
    if job.spec["sync"] and not sync:
        report.notes.append("nothing was deleted, because some entries of an archive were skipped")
    _write_failures(place / ERROR_FILE, report)
    catalog.index.flush()
    counts = ("added", "changed", "updated", "unchanged", "removed")
    result: dict[str, Any] = {name: getattr(report, name) for name in counts}
    return result | {"failed": len(report.failures), "notes": report.notes, "seconds": round(report.seconds, 2)}


def _unpack_archives(uploads: Path, settings: Settings) -> Unpacked:
    """Unpack the archives of an import. Failures are saved, for when the job is restarted."""
    pictures, record = uploads / "pictures", uploads / "unpacked.json"
    limits = {"max_bytes": settings.whole("max_import"), "max_file_bytes": settings.whole("max_bytes")}
    result = Unpacked.parse(json.loads(record.read_bytes())) if record.exists() else Unpacked()
    for archive in sorted(uploads.glob("archive-*.zip")):
        result = result.plus(unpack(archive, pictures, **limits))
        write_whole(record, json.dumps(asdict(result), ensure_ascii=False).encode())
        archive.unlink()
    return result


def _write_failures(target: Path, report: AddReport) -> None:
    draft = target.with_suffix(".new")
    with draft.open("w", newline="", encoding="utf-8") as file:
        rows = [["id", "code", "path", "reason"]]
        for failure in report.failures:
            path, reason = (without_folders(text, [target.parent]) for text in (failure.path, failure.reason))
            rows.append([failure.id, failure.code, path, reason])
        write_rows(file, rows)
    draft.replace(target)
