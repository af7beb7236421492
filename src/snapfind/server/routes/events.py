"""Routes for the event log of shopper actions. The schema is docs/reference/events.md."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from snapfind.core.errors import TooLarge
from snapfind.core.types import Box
from snapfind.events.event import Event, EventKind
from snapfind.server.middleware.auth import needs
from snapfind.server.schemas.products import BoxSchema, RequestBody
from snapfind.server.schemas.responses import ERRORS, Reply, reply
from snapfind.server.service import Now, Serving

__all__ = ["router"]

router = APIRouter(prefix="/v1/events", tags=["events"], responses=ERRORS)

_Short = Annotated[str, Field(max_length=256)]


class EventBody(RequestBody):
    """An action of a shopper. `search` is the `request_id` of the search it belongs to."""

    kind: EventKind
    search: Annotated[str, Field(max_length=64)] = ""
    session: Annotated[str, Field(max_length=200, description="stored as a keyed hash only")] = ""
    product: _Short = ""
    position: int | None = Field(None, ge=1, le=1_000_000, description="position in the answer, from 1")
    propensity: float | None = Field(None, gt=0, le=1)
    score: float | None = Field(None, ge=0, le=1)
    category: _Short = Field("", description="of a category change: the new category")
    box: BoxSchema | None = Field(None, description="of a box change: the new box")
    before: _Short | BoxSchema | None = Field(None, description="the previous category or box")
    quantity: float | None = Field(None, ge=0, le=1e9)
    amount: float | None = Field(None, ge=-1e12, le=1e12, description="amount of a purchase, in the shop's currency")
    space: Annotated[str, Field(max_length=128, description="`space` of the reply to the search")] = ""
    arm: Annotated[str, Field(max_length=64)] = ""
    id: Annotated[
        str, Field(max_length=64, pattern=r"^[\x21-\x7e]*$", description="idempotency key: repeated events count once")
    ] = ""
    at: AwareDatetime | None = Field(
        None, description="time of the event; default: now", examples=["2026-01-31T12:00:00Z"]
    )

    def event(self, version: str) -> Event:
        """Convert to an Event.

        Raises:
            BadInput: A field does not fit the kind of the event.
        """
        fields = self.model_dump(exclude={"box", "before", "at"})
        box = Box(*self.box) if self.box else None
        before = Box(*self.before) if isinstance(self.before, tuple) else self.before
        return Event(**fields, box=box, before=before, version=version, at=self.at or datetime.now(UTC))


class EventsBody(RequestBody):
    """Events to store."""

    events: list[EventBody] = Field(min_length=1)


class EventsReply(Reply):
    """Number of new events."""

    stored: int


class CountsReply(Reply):
    """Number of events of each kind."""

    counts: dict[str, int]


class ForgottenReply(Reply):
    """Number of deleted events."""

    deleted: int


@router.post("", response_model=EventsReply, dependencies=[needs("search")])
async def post_events(body: EventsBody, service: Serving, trace: Now) -> EventsReply:
    r"""Store events. They are durable when the request returns.

    ```sh
    curl --json '{"events": [{"kind": "click", "search": "9f86d081884c7d65", "product": "tea-1", "position": 1}]}' \
      http://127.0.0.1:8000/v1/events
    ```
    """
    limit = service.settings.whole("max_events")
    if len(body.events) > limit:
        raise TooLarge(f"{len(body.events)} events in one request; the maximum is {limit}", field="events")
    events = [one.event(service.version) for one in body.events]
    stored = await service.writing.run(trace, lambda: service.shop.events.write(events))
    return reply(trace, EventsReply, stored=stored)


@router.get("/counts", response_model=CountsReply, dependencies=[needs("admin")])
async def event_counts(service: Serving, trace: Now) -> CountsReply:
    """Count the stored events of each kind.

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
    """Delete all events and stored query photos of a session.

    ```sh
    curl -X DELETE 'http://127.0.0.1:8000/v1/events?session=anna'
    ```
    """
    deleted = await service.writing.run(trace, lambda: service.forget(session))
    return reply(trace, ForgottenReply, deleted=deleted)
