"""Routes for catalog quality: findings of the last check, fixes with undo, and zero-result queries."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from snapfind.core.errors import Conflict, NotFound
from snapfind.curation import journal
from snapfind.curation.findings import KINDS, Finding, Findings
from snapfind.curation.journal import JournalEntry, Outcome
from snapfind.events.zero_results import ZeroResultStatistics, zero_result_statistics
from snapfind.server.middleware.auth import needs
from snapfind.server.routes.jobs import JobReply, submit
from snapfind.server.schemas.products import served_name
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Service, Serving

__all__ = ["router"]

router = APIRouter(prefix="/v1/quality", tags=["quality"], dependencies=[needs("admin")], responses=ERRORS)
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")]
_PICTURES = 6  # of a finding in a reply


class SampleSchema(BaseModel):
    """A picture of a finding. `changes` tells whether the fix hides it."""

    id: str
    product: str
    name: str
    url: str
    changes: bool


class FindingSchema(BaseModel):
    """A finding. `fix` describes what `apply` does, null if there is no automatic fix."""

    id: str
    kind: str = Field(description=f"one of: {', '.join(KINDS)}")
    message: str
    pictures: list[SampleSchema] = Field(description="at most 6, first those that the fix changes")
    fix: str | None
    safe: bool = Field(description="safe to apply without review: hides only pictures that remain elsewhere")
    score: float = Field(ge=0, le=1)
    applied: str | None = Field(description="when the fix was applied; null: not applied")


class SurveySchema(BaseModel):
    """Time and size of the last check of the catalog."""

    at: str
    products: int
    pictures: int
    counts: dict[str, int] = Field(description="findings by kind")


class CountedText(BaseModel):
    """A query text without a match, and its number of searches."""

    text: str
    count: int


class SwitchSchema(BaseModel):
    """Number of switches from one category (empty: none) to another."""

    before: str
    after: str
    count: int


class ZeroResultsSchema(BaseModel):
    """Statistics of zero-result queries."""

    days: int
    searches: int
    without_match: int
    texts: list[CountedText]
    switches: list[SwitchSchema]


class QualityReply(Reply):
    """The last check (null: none yet), its findings, applied fixes, and zero-result queries."""

    survey: SurveySchema | None
    findings: list[FindingSchema]
    applied: list[FindingSchema] = Field(description="applied fixes, newest first; each can be undone")
    zero_results: ZeroResultsSchema


class FindingReply(Reply):
    """Result of the operation, and the current state of the finding."""

    message: str
    finding: FindingSchema


@router.get("", response_model=QualityReply)
async def get_quality(
    service: Serving,
    trace: Now,
    limit: Annotated[int, Query(ge=1, le=1000, description="maximum number of findings of each kind")] = 60,
    days: Annotated[int, Query(ge=1, le=3650, description="days of events for zero-result queries")] = 30,
) -> QualityReply:
    """Get the findings of the last check, and zero-result queries.

    ```sh
    curl http://127.0.0.1:8000/v1/quality
    ```
    """
    folder = service.shop.folder.path

    def load() -> tuple[Findings | None, dict[str, JournalEntry], ZeroResultStatistics]:
        since = datetime.now(UTC) - timedelta(days=days)
        last, dismissed = Findings.load(folder), journal.read_dismissed(folder)
        last = replace(last, items=tuple(one for one in last.items if one.id not in dismissed)) if last else None
        return last, journal.read_applied(folder), zero_result_statistics(service.shop.events, since)

    last, applied, zero_results = await service.reading.run(trace, load)
    listed = [one for kind in KINDS for one in last.of(kind)[:limit]] if last else []
    return reply(
        trace,
        QualityReply,
        survey=_survey_schema(last) if last else None,
        findings=[_schema(one, applied, trace.root) for one in listed if one.id not in applied],
        applied=[_schema(one.finding, applied, trace.root) for one in reversed(applied.values())][:limit],
        zero_results=_zero_results_schema(zero_results, days),
    )


@router.post("/check", response_model=JobReply, status_code=202)
async def start_check(service: Serving, trace: Now) -> JobReply:
    """Start a job that checks the whole catalog for duplicates, wrong labels and bad pictures. Changes nothing.

    ```sh
    curl -X POST http://127.0.0.1:8000/v1/quality/check
    ```
    """
    return reply(trace, JobReply, job=submit(service, "curate", {}))


@router.post("/{id}/apply", response_model=FindingReply)
async def apply_finding(id: Id, service: Serving, trace: Now) -> FindingReply:
    """Apply the fix of a finding: hide pictures, or set a category. Nothing is deleted.

    ```sh
    curl -X POST http://127.0.0.1:8000/v1/quality/0a1b2c3d4e5f/apply
    ```
    """

    def apply() -> tuple[Outcome, Finding | None]:
        last = Findings.load(service.catalog.folder.path)
        known = next((one for one in last.items if one.id == id), None) if last else None
        return journal.apply(service.catalog, [id])[0], known

    outcome, known = await service.writing.run(trace, apply)
    return _finding_reply(service, trace, outcome, known)


@router.post("/{id}/undo", response_model=FindingReply)
async def undo_finding(id: Id, service: Serving, trace: Now) -> FindingReply:
    """Undo an applied fix: show the pictures again, or restore the category.

    ```sh
    curl -X POST http://127.0.0.1:8000/v1/quality/0a1b2c3d4e5f/undo
    ```
    """

    def undo() -> tuple[Outcome, Finding | None]:
        one = journal.read_applied(service.catalog.folder.path).get(id)
        return journal.undo(service.catalog, [id])[0], one.finding if one else None

    outcome, known = await service.writing.run(trace, undo)
    return _finding_reply(service, trace, outcome, known)


@router.post("/{id}/dismiss", response_model=FindingReply)
async def dismiss_finding(
    id: Id,
    service: Serving,
    trace: Now,
    restore: Annotated[bool, Query(description="restore a dismissed finding")] = False,
) -> FindingReply:
    """Dismiss a finding, so that later checks do not report it. With `restore`, restore it. Products stay unchanged.

    ```sh
    curl -X POST http://127.0.0.1:8000/v1/quality/0a1b2c3d4e5f/dismiss
    ```
    """

    def dismiss() -> tuple[Outcome, Finding | None]:
        folder = service.catalog.folder.path
        last, before = Findings.load(folder), journal.read_dismissed(folder)
        known = {one.id: one for one in last.items} if last else {}
        known |= {name: one.finding for name, one in before.items()}
        return journal.dismiss(service.catalog, [id], restore=restore)[0], known.get(id)

    outcome, known = await service.writing.run(trace, dismiss)
    return _finding_reply(service, trace, outcome, known)


def _finding_reply(service: Service, trace: Now, outcome: Outcome, known: Finding | None) -> FindingReply:
    """Build the reply. Raise NotFound for an unknown id, Conflict if the operation failed."""
    if known is None:
        raise NotFound(outcome.message, field="id")
    if not outcome.done:
        raise Conflict(outcome.message)
    applied = journal.read_applied(service.shop.folder.path)
    return reply(trace, FindingReply, message=outcome.message, finding=_schema(known, applied, trace.root))


def _survey_schema(last: Findings) -> SurveySchema:
    counts = Counter(one.kind for one in last.items)
    return SurveySchema(at=last.at, products=last.products, pictures=last.pictures, counts=dict(counts))


def _schema(finding: Finding, applied: dict[str, JournalEntry], root: str) -> FindingSchema:
    changed = set(finding.change.pictures) if finding.change else set()
    return FindingSchema(
        id=finding.id,
        kind=finding.kind,
        message=finding.message,
        pictures=[
            SampleSchema(
                id=sample.picture,
                product=sample.product,
                name=served_name(sample.name),
                url=f"{root}/v1/pictures/{sample.picture}.jpg",
                changes=sample.picture in changed,
            )
            for sample in finding.samples[:_PICTURES]
        ],
        fix=finding.change.description if finding.change else None,
        safe=finding.safe,
        score=finding.score,
        applied=applied[finding.id].at if finding.id in applied else None,
    )


def _zero_results_schema(statistics: ZeroResultStatistics, days: int) -> ZeroResultsSchema:
    return ZeroResultsSchema(
        days=days,
        searches=statistics.searches,
        without_match=statistics.without_match,
        texts=[CountedText(text=text, count=count) for text, count in statistics.texts],
        switches=[SwitchSchema(before=one.before, after=one.after, count=one.count) for one in statistics.switches],
    )
