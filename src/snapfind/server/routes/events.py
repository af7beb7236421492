"""Events: what shoppers did with the answers. The schema is docs/reference/events.md."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from snapfind.core.errors import TooLarge
from snapfind.core.types import Box
from snapfind.events.event import Event, EventKind
from snapfind.server.middleware.auth import needs
from snapfind.server.schemas.products import BoxShape, Given
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Serving

__all__ = ["router"]

router = APIRouter(prefix="/v1/events", tags=["events"], responses=ERRORS)

_Short = Annotated[str, Field(max_length=256)]


class EventBody(Given):
    """One thing that a shopper did. `search` is the request_id of the search that it follows from."""

    kind: EventKind
    search: Annotated[str, Field(max_length=64)] = ""
    session: Annotated[str, Field(max_length=200, description="kept as a keyed hash only")] = ""
    product: _Short = ""
    position: int | None = Field(None, ge=1, le=1_000_000, description="place in the answer, from 1")
    propensity: float | None = Field(None, gt=0, le=1)
    score: float | None = Field(None, ge=0, le=1)
    category: _Short = Field("", description="of a switch: the new one")
    box: BoxShape | None = Field(None, description="of a change of box: the new one")
    before: _Short | BoxShape | None = Field(None, description="the category or the box before")
    quantity: float | None = Field(None, ge=0, le=1e9)
    amount: float | None = Field(None, ge=-1e12, le=1e12, description="money of a purchase")
    space: Annotated[str, Field(max_length=128, description="`space` of the reply to the search")] = ""
    arm: Annotated[str, Field(max_length=64)] = ""
    id: Annotated[str, Field(max_length=64, pattern=r"^[\x21-\x7e]*$", description="sent again, it counts once")] = ""
    at: AwareDatetime | None = Field(None, description="when, if not now", examples=["2026-01-31T12:00:00Z"])

    def event(self, version: str) -> Event:
        """The value. Raises BadInput for what does not fit its kind."""
        fields = self.model_dump(exclude={"box", "before", "at"})
        box = Box(*self.box) if self.box else None
        before = Box(*self.before) if isinstance(self.before, tuple) else self.before
        return Event(**fields, box=box, before=before, version=version, at=self.at or datetime.now(UTC))


class EventsBody(Given):
    """One or many events."""

    events: list[EventBody] = Field(min_length=1)


class EventsReply(Reply):
    """How many events were new and are stored."""

    stored: int


class CountsReply(Reply):
    """Events by kind."""

    counts: dict[str, int]


class ForgottenReply(Reply):
    """How many events of that session were deleted."""

    deleted: int


@router.post("", response_model=EventsReply, dependencies=[needs("search")])
async def post_events(body: EventsBody, service: Serving, trace: Now) -> EventsReply:
    """Tell what shoppers did; stored for good when this returns.

    ```sh
    curl --json '{"events": [{"kind": "click", "search": "9f86d081884c7d65", "product": "tea-1", "position": 1}]}' \\
      http://127.0.0.1:8000/v1/events
    ```
    """
    most = service.settings.whole("max_events")
    if len(body.events) > most:
        raise TooLarge(f"{len(body.events)} events in one write; the most is {most}", field="events")
    given = [one.event(service.version) for one in body.events]
    stored = await service.writing.run(trace, lambda: service.shop.events.write(given))
    return reply(trace, EventsReply, stored=stored)


@router.get("/counts", response_model=CountsReply, dependencies=[needs("admin")])
async def event_counts(service: Serving, trace: Now) -> CountsReply:
    """How many events of each kind are kept.

    ```sh
    curl http://127.0.0.1:8000/v1/events/counts
    ```
    """
    counts = await service.reading.run(trace, service.shop.events.counts)
    return reply(trace, CountsReply, counts=counts)


@router.delete("", response_model=ForgottenReply, dependencies=[needs("admin")])
async def forget_session(
    service: Serving, trace: Now, session: Annotated[str, Query(min_length=1, max_length=200)]
) -> ForgottenReply:
    """Delete every event of a session, and the photos that were kept of its searches.

    ```sh
    curl -X DELETE 'http://127.0.0.1:8000/v1/events?session=anna'
    ```
    """
    gone = await service.writing.run(trace, lambda: service.forget(session))
    return reply(trace, ForgottenReply, deleted=gone)
