"""The event store: SQLite in the catalog's folder, or another database by URL.

Privacy: no address of a shopper comes in here; of a session only HMAC-SHA256 under a salt that is replaced after
`salt_days`, and a salt goes when the last event under it is too old, so that nobody can tie a session to its
events any more. Until then `forget` finds all events of a session that is named.
"""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Select, create_engine, delete, event, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from snapfind.core.errors import CatalogBroken, NoRoom
from snapfind.events.event import Event, EventKind
from snapfind.events.prune_clock import trusted
from snapfind.events.table import COLUMNS, event_of, events, metadata, millis, row_of, salts

__all__ = ["EventStore"]

_PAGE = 5000


class EventStore:
    """Takes events and gives them back; any thread may call it.

    >>> store = EventStore.at(Path("shop.snap/events.db"))
    >>> store.write([Event("click", search="…", session="anna", product="tea-1", position=1)])
    1
    """

    def __init__(self, engine: Engine, *, salt_days: float = 30) -> None:
        self._engine, self._salt_days = engine, salt_days
        self._lock = threading.Lock()
        self._salt: tuple[int, bytes] | None = None
        try:
            metadata.create_all(engine)
        except SQLAlchemyError as error:
            raise CatalogBroken(f"the event store cannot be opened ({_said(error)}); check its address") from error

    @classmethod
    def at(cls, place: Path | str, *, salt_days: float = 30) -> "EventStore":
        """A store in a file of SQLite (a Path), or at a URL such as `postgresql+psycopg://…`. Raises CatalogBroken."""
        if isinstance(place, str):
            return cls(create_engine(place), salt_days=salt_days)
        engine = create_engine(f"sqlite:///{place}", poolclass=QueuePool)
        event.listen(engine, "connect", _durable)
        return cls(engine, salt_days=salt_days)

    def write(self, given: Sequence[Event]) -> int:
        """Keep events; durable when it returns. One whose `id` is there already is left out. Returns how many are new.

        Raises NoRoom when the disk is full.
        """
        salt = self._current_salt()
        hashes = {session: _hashed(session, salt) for session in {one.session for one in given}}
        rows = [row_of(one, hashes[one.session], one.id or secrets.token_hex(16)) for one in given]
        if not rows:
            return 0
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        try:
            with self._engine.begin() as connection:
                before = connection.scalar(_held(rows)) or 0
                connection.execute(dialect.insert(events).on_conflict_do_nothing(), rows)
                return (connection.scalar(_held(rows)) or 0) - before
        except OperationalError as error:
            raise NoRoom(f"the events cannot be written ({_said(error)}); free some space") from error

    def read(
        self, *, kind: EventKind | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[Event]:
        """Events in order of time; `session` of each is the hash that was kept."""
        for row in self.rows(kind=kind, since=since, until=until):
            yield event_of(row)

    def rows(
        self, *, kind: EventKind | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[dict[str, Any]]:
        """The same as rows of the table, a page at a time."""
        with self._engine.connect().execution_options(yield_per=_PAGE) as connection:
            for row in connection.execute(_wanted(kind, since, until)).mappings():
                yield dict(row)

    def columns(
        self, *, since: datetime | None = None, until: datetime | None = None, most: int = 50_000
    ) -> Iterator[dict[str, tuple[Any, ...]]]:
        """The same as columns of at most `most` rows at a time: a third of the time of `rows`."""
        with self._engine.connect().execution_options(yield_per=most) as connection:
            for page in connection.execute(_wanted(None, since, until)).partitions():
                yield dict(zip(COLUMNS, zip(*page)))

    def counts(self) -> dict[str, int]:
        """Kind -> how many events there are."""
        with self._engine.connect() as connection:
            found = connection.execute(select(events.c.kind, func.count()).group_by(events.c.kind))
            return {str(kind): int(count) for kind, count in found}

    def searches(self, session: str) -> list[str]:
        """The ids of a session's searches, under every salt that is still kept."""
        with self._engine.connect() as connection:
            hashes = [_hashed(session, salt) for salt in connection.scalars(select(salts.c.salt))]
            wanted = select(events.c.search).where(events.c.session.in_(hashes), events.c.search != "").distinct()
            return [str(one) for one in connection.scalars(wanted)] if session else []

    def forget(self, session: str) -> int:
        """Delete every event of a session, under every salt that is still kept; returns how many."""
        with self._engine.begin() as connection:
            hashes = [_hashed(session, salt) for salt in connection.scalars(select(salts.c.salt))]
            return connection.execute(delete(events).where(events.c.session.in_(hashes))).rowcount if session else 0

    def trusted_now(self, now: datetime | None = None) -> datetime:
        """The time to measure ages by: the clock, unless it jumped ahead (events/prune_clock.py)."""
        return trusted(self._engine, now or datetime.now(UTC))

    def prune(self, days: float, *, now: datetime | None = None) -> int:
        """Delete what is older than `days`, and the salts under which nothing is left; returns how many events."""
        oldest = millis((now or datetime.now(UTC)) - timedelta(days=days))
        with self._engine.begin() as connection:
            gone = connection.execute(delete(events).where(events.c.at < oldest)).rowcount
            newer = select(func.max(salts.c.begun)).where(salts.c.begun <= oldest).scalar_subquery()
            connection.execute(delete(salts).where(salts.c.begun < newer))
        self._salt = None
        return gone

    def _current_salt(self) -> bytes:
        now = millis(datetime.now(UTC))
        with self._lock:
            if self._salt is None or now - self._salt[0] > self._salt_days * 86_400_000:
                self._salt = self._fresh_salt(now)
            return self._salt[1]

    def _fresh_salt(self, now: int) -> tuple[int, bytes]:
        with self._engine.begin() as connection:
            last = connection.execute(select(salts).order_by(salts.c.begun.desc()).limit(1)).first()
            if last is not None and now - last.begun <= self._salt_days * 86_400_000:
                return int(last.begun), bytes(last.salt)
            salt = secrets.token_bytes(32)
            connection.execute(salts.insert().values(begun=now, salt=salt))
            return now, salt

    def rows_of(self, wanted: Select[*tuple[Any, ...]]) -> list[dict[str, Any]]:
        """What a select over the tables of events/table.py gives, such as counts."""
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(wanted).mappings()]

    def copy(self, target: Path) -> Path:
        """A whole copy of a store in SQLite, while it is being written to."""
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM INTO :target"), {"target": str(target)})
        return target

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def _durable(connection: Any, _: object) -> None:
    """Readers go on while one writes; a commit is on the disk before it returns."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _held(rows: Sequence[dict[str, Any]]) -> Any:
    return select(func.count()).where(events.c.id.in_([row["id"] for row in rows]))


def _wanted(kind: EventKind | None, since: datetime | None, until: datetime | None) -> Select[Any]:
    wanted = select(events).order_by(events.c.at, events.c.id)
    if kind is not None:
        wanted = wanted.where(events.c.kind == kind)
    if since is not None:
        wanted = wanted.where(events.c.at >= millis(since))
    return wanted if until is None else wanted.where(events.c.at < millis(until))


def _hashed(session: str, salt: bytes) -> str:
    return hmac.new(salt, session.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32] if session else ""


def _said(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).split("\n", maxsplit=1)[0][:160]
