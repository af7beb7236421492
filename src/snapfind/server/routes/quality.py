"""Quality: what the last look at the catalogue found, what shoppers did not find, and mends with a way back."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from snapfind.core.errors import Conflict, NotFound
from snapfind.curation import journal
from snapfind.curation.findings import KINDS, Finding, Findings
from snapfind.curation.journal import Applied, Outcome
from snapfind.events.zero_results import Unmet, unmet
from snapfind.server.middleware.auth import needs
from snapfind.server.routes.jobs import JobReply, submit
from snapfind.server.schemas.products import served_name
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Service, Serving

__all__ = ["router"]

router = APIRouter(prefix="/v1/quality", tags=["quality"], dependencies=[needs("admin")], responses=ERRORS)
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")]
_PICTURES = 6  # shown of a finding


class FoundPicture(BaseModel):
    """A picture that a finding speaks of; `changes`: the mend would hide it."""

    id: str
    product: str
    name: str
    url: str
    changes: bool


class FindingShape(BaseModel):
    """One thing found. `mend` says what `apply` would do, null where only a person can."""

    id: str
    kind: str = Field(description=f"one of: {', '.join(KINDS)}")
    said: str
    pictures: list[FoundPicture] = Field(description="at most 6; first those that would change")
    mend: str | None
    safe: bool = Field(description="the mend takes nothing out of the shop that it does not show elsewhere")
    score: float = Field(ge=0, le=1)
    applied: str | None = Field(description="when its mend was applied; null: it is not")


class LookShape(BaseModel):
    """The last look at the catalogue: when, and at how much."""

    at: str
    products: int
    pictures: int
    counts: dict[str, int] = Field(description="findings by kind")


class CountedText(BaseModel):
    """Words that shoppers searched for without a match, and how often."""

    text: str
    count: int


class SwitchShape(BaseModel):
    """How often shoppers switched from a category (empty: none) to another one."""

    before: str
    after: str
    count: int


class UnmetShape(BaseModel):
    """What shoppers did not find."""

    days: int
    searches: int
    without_match: int
    texts: list[CountedText]
    switches: list[SwitchShape]


class QualityReply(Reply):
    """The last look (null: there was none yet), its findings, what is applied, and what shoppers did not find."""

    look: LookShape | None
    findings: list[FindingShape]
    applied: list[FindingShape] = Field(description="mends that can be taken back, the last one first")
    unmet: UnmetShape


class FindingReply(Reply):
    """What came of it, and the finding as it is now."""

    said: str
    finding: FindingShape


@router.get("", response_model=QualityReply)
async def get_quality(
    service: Serving,
    trace: Now,
    limit: Annotated[int, Query(ge=1, le=1000, description="findings of each kind")] = 60,
    days: Annotated[int, Query(ge=1, le=3650, description="of events")] = 30,
) -> QualityReply:
    """What the last look found, and what shoppers did not find.

    ```sh
    curl http://127.0.0.1:8000/v1/quality
    ```
    """
    folder = service.shop.folder.path

    def look() -> tuple[Findings | None, dict[str, Applied], Unmet]:
        since = datetime.now(UTC) - timedelta(days=days)
        last, gone = Findings.load(folder), journal.dismissed(folder)
        last = replace(last, found=tuple(one for one in last.found if one.id not in gone)) if last else None
        return last, journal.applied(folder), unmet(service.shop.events, since)

    last, now, asked = await service.reading.run(trace, look)
    shown = [one for kind in KINDS for one in last.of(kind)[:limit]] if last else []
    return reply(
        trace,
        QualityReply,
        look=_look(last) if last else None,
        findings=[_shape(one, now, trace.root) for one in shown if one.id not in now],
        applied=[_shape(one.finding, now, trace.root) for one in reversed(now.values())][:limit],
        unmet=_unmet(asked, days),
    )


@router.post("/look", response_model=JobReply, status_code=202)
async def look_again(service: Serving, trace: Now) -> JobReply:
    """Look at the whole catalogue for duplicates, wrong labels and bad pictures: a job. It changes nothing.

    ```sh
    curl -X POST http://127.0.0.1:8000/v1/quality/look
    ```
    """
    return reply(trace, JobReply, job=submit(service, "curate", {}))


@router.post("/{id}/apply", response_model=FindingReply)
async def apply_finding(id: Id, service: Serving, trace: Now) -> FindingReply:
    """Do what a finding proposes: hide pictures, or set a category. Nothing is deleted.

    ```sh
    curl -X POST http://127.0.0.1:8000/v1/quality/0a1b2c3d4e5f/apply
    ```
    """

    def work() -> tuple[Outcome, Finding | None]:
        last = Findings.load(service.catalogue.folder.path)
        known = next((one for one in last.found if one.id == id), None) if last else None
        return journal.apply(service.catalogue, [id])[0], known

    outcome, known = await service.writing.run(trace, work)
    return _told(service, trace, outcome, known)


@router.post("/{id}/undo", response_model=FindingReply)
async def undo_finding(id: Id, service: Serving, trace: Now) -> FindingReply:
    """Take an applied finding back: show the pictures again, set the category back.

    ```sh
    curl -X POST http://127.0.0.1:8000/v1/quality/0a1b2c3d4e5f/undo
    ```
    """

    def work() -> tuple[Outcome, Finding | None]:
        one = journal.applied(service.catalogue.folder.path).get(id)
        return journal.undo(service.catalogue, [id])[0], one.finding if one else None

    outcome, known = await service.writing.run(trace, work)
    return _told(service, trace, outcome, known)


@router.post("/{id}/dismiss", response_model=FindingReply)
async def dismiss_finding(
    id: Id, service: Serving, trace: Now, restore: Annotated[bool, Query(description="show it again")] = False
) -> FindingReply:
    """Dismiss a finding, so that no look shows it again; with `restore`, show it again. The products stay as they are.

    ```sh
    curl -X POST http://127.0.0.1:8000/v1/quality/0a1b2c3d4e5f/dismiss
    ```
    """

    def work() -> tuple[Outcome, Finding | None]:
        folder = service.catalogue.folder.path
        last, before = Findings.load(folder), journal.dismissed(folder)
        known = {one.id: one for one in last.found} if last else {}
        known |= {name: one.finding for name, one in before.items()}
        return journal.dismiss(service.catalogue, [id], restore=restore)[0], known.get(id)

    outcome, known = await service.writing.run(trace, work)
    return _told(service, trace, outcome, known)


def _told(service: Service, trace: Now, outcome: Outcome, known: Finding | None) -> FindingReply:
    """Raises NotFound for an id that is not known, Conflict where it could not be done."""
    if known is None:
        raise NotFound(outcome.said, field="id")
    if not outcome.done:
        raise Conflict(outcome.said)
    now = journal.applied(service.shop.folder.path)
    return reply(trace, FindingReply, said=outcome.said, finding=_shape(known, now, trace.root))


def _look(last: Findings) -> LookShape:
    counts = Counter(one.kind for one in last.found)
    return LookShape(at=last.at, products=last.products, pictures=last.pictures, counts=dict(counts))


def _shape(one: Finding, now: dict[str, Applied], root: str) -> FindingShape:
    changed = set(one.change.pictures) if one.change else set()
    return FindingShape(
        id=one.id,
        kind=one.kind,
        said=one.said,
        pictures=[
            FoundPicture(
                id=each.picture,
                product=each.product,
                name=served_name(each.name),
                url=f"{root}/v1/pictures/{each.picture}.jpg",
                changes=each.picture in changed,
            )
            for each in one.shown[:_PICTURES]
        ],
        mend=one.change.said if one.change else None,
        safe=one.safe,
        score=one.score,
        applied=now[one.id].at if one.id in now else None,
    )


def _unmet(asked: Unmet, days: int) -> UnmetShape:
    return UnmetShape(
        days=days,
        searches=asked.searches,
        without_match=asked.without_match,
        texts=[CountedText(text=text, count=count) for text, count in asked.texts],
        switches=[SwitchShape(before=one.before, after=one.after, count=one.count) for one in asked.switches],
    )
