"""Event store: SQLite in the catalog folder, or another database by URL.

Privacy: no network address is stored. A session is stored as HMAC-SHA256 with a salt that is replaced after
`salt_days`. A salt is deleted with its last event, so that nobody can link a session to its events any more. Until then
`forget` finds all events of a session.
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
from snapfind.events.prune_clock import trusted_time
from snapfind.events.table import COLUMNS, event_of, events, metadata, millis, row_of, salts

__all__ = ["EventStore"]

_PAGE = 5000


class EventStore:
    """Store of events. It is thread-safe.

    Args:
        engine: Database.
        salt_days: Days after which the salt of session hashes is replaced.

    Raises:
        CatalogBroken: The database cannot be opened.

    Example:
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
            raise CatalogBroken(f"the event store cannot be opened ({_reason(error)}); check its URL") from error

    @classmethod
    def at(cls, place: Path | str, *, salt_days: float = 30) -> "EventStore":
        """Open a store.

        Args:
            place: SQLite file (a Path), or a URL such as `postgresql+psycopg://…` (a str).
            salt_days: Days after which the salt of session hashes is replaced.

        Returns:
            The store.

        Raises:
            CatalogBroken: The database cannot be opened.
        """
        if isinstance(place, str):
            return cls(create_engine(place), salt_days=salt_days)
        engine = create_engine(f"sqlite:///{place}", poolclass=QueuePool)
        event.listen(engine, "connect", _set_pragmas)
        return cls(engine, salt_days=salt_days)

    def write(self, items: Sequence[Event]) -> int:
        """Store events. They are durable when it returns.

        Args:
            items: Events. One whose `id` is already stored is skipped.

        Returns:
            Number of new events.

        Raises:
            NoRoom: The disk is full.
        """
        salt = self._current_salt()
        hashes = {session: _hash(session, salt) for session in {one.session for one in items}}
        rows = [row_of(one, hashes[one.session], one.id or secrets.token_hex(16)) for one in items]
        if not rows:
            return 0
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        try:
            with self._engine.begin() as connection:
                before = connection.scalar(_count_stored(rows)) or 0
                connection.execute(dialect.insert(events).on_conflict_do_nothing(), rows)
                return (connection.scalar(_count_stored(rows)) or 0) - before
        except OperationalError as error:
            raise NoRoom(f"the events cannot be written ({_reason(error)}); free some space") from error

    def read(
        self, *, kind: EventKind | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[Event]:
        """Read events in order of time.

        Args:
            kind: Only events of this kind.
            since: Earliest time.
            until: Time before which events are read.

        Yields:
            Events whose `session` is the stored hash.
        """
        for row in self.rows(kind=kind, since=since, until=until):
            yield event_of(row)

    def rows(
        self, *, kind: EventKind | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[dict[str, Any]]:
        """Read events as rows of the table, page by page.

        Args:
            kind: Only events of this kind.
            since: Earliest time.
            until: Time before which events are read.

        Yields:
            Column -> value.
        """
        with self._engine.connect().execution_options(yield_per=_PAGE) as connection:
            for row in connection.execute(_query(kind, since, until)).mappings():
                yield dict(row)

    def columns(
        self, *, since: datetime | None = None, until: datetime | None = None, page_size: int = 50_000
    ) -> Iterator[dict[str, tuple[Any, ...]]]:
        """Read events as columns. It takes a third of the time of `rows`.

        Args:
            since: Earliest time.
            until: Time before which events are read.
            page_size: Number of rows at a time.

        Yields:
            Column -> values.
        """
        with self._engine.connect().execution_options(yield_per=page_size) as connection:
            for page in connection.execute(_query(None, since, until)).partitions():
                yield dict(zip(COLUMNS, zip(*page)))

    def counts(self) -> dict[str, int]:
        """Return the number of events of each kind."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(events.c.kind, func.count()).group_by(events.c.kind))
            return {str(kind): int(count) for kind, count in rows}

    def searches(self, session: str) -> list[str]:
        """Return the ids of a session's searches, under all stored salts.

        Args:
            session: The session.

        Returns:
            Ids of the searches.
        """
        with self._engine.connect() as connection:
            hashes = [_hash(session, salt) for salt in connection.scalars(select(salts.c.salt))]
            query = select(events.c.search).where(events.c.session.in_(hashes), events.c.search != "").distinct()
            return [str(one) for one in connection.scalars(query)] if session else []

    def forget(self, session: str) -> int:
        """Delete all events of a session, under all stored salts.

        Args:
            session: The session.

        Returns:
            Number of deleted events.
        """
        with self._engine.begin() as connection:
            hashes = [_hash(session, salt) for salt in connection.scalars(select(salts.c.salt))]
            return connection.execute(delete(events).where(events.c.session.in_(hashes))).rowcount if session else 0

    def trusted_now(self, now: datetime | None = None) -> datetime:
        """Return the time for deletion by age: the clock, unless it jumped ahead (events/prune_clock.py).

        Args:
            now: Current time. Default: the clock of the machine.

        Returns:
            The trusted time.
        """
        return trusted_time(self._engine, now or datetime.now(UTC))

    def prune(self, days: float, *, now: datetime | None = None) -> int:
        """Delete old events, and salts without events.

        Args:
            days: Age from which events are deleted.
            now: Current time. Default: the clock of the machine.

        Returns:
            Number of deleted events.
        """
        oldest = millis((now or datetime.now(UTC)) - timedelta(days=days))
        with self._engine.begin() as connection:
            deleted = connection.execute(delete(events).where(events.c.at < oldest)).rowcount
            newer = select(func.max(salts.c.begun)).where(salts.c.begun <= oldest).scalar_subquery()
            connection.execute(delete(salts).where(salts.c.begun < newer))
        self._salt = None
        return deleted

    def _current_salt(self) -> bytes:
        now = millis(datetime.now(UTC))
        with self._lock:
            if self._salt is None or now - self._salt[0] > self._salt_days * 86_400_000:
                self._salt = self._load_salt(now)
            return self._salt[1]

    def _load_salt(self, now: int) -> tuple[int, bytes]:
        with self._engine.begin() as connection:
            last = connection.execute(select(salts).order_by(salts.c.begun.desc()).limit(1)).first()
            if last is not None and now - last.begun <= self._salt_days * 86_400_000:
                return int(last.begun), bytes(last.salt)
            salt = secrets.token_bytes(32)
            connection.execute(salts.insert().values(begun=now, salt=salt))
            return now, salt

    def select(self, query: Select[*tuple[Any, ...]]) -> list[dict[str, Any]]:
        """Run a query over the tables of events/table.py.

        Args:
            query: The query.

        Returns:
            Rows as column -> value.
        """
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def copy(self, target: Path) -> Path:
        """Copy an SQLite store consistently, also during writes.

        Args:
            target: New file.

        Returns:
            The file.
        """
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM INTO :target"), {"target": str(target)})
        return target

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _set_pragmas(connection: Any, _: object) -> None:
    """Let readers work during writes, and make commits durable."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _count_stored(rows: Sequence[dict[str, Any]]) -> Any:
    return select(func.count()).where(events.c.id.in_([row["id"] for row in rows]))


def _query(kind: EventKind | None, since: datetime | None, until: datetime | None) -> Select[Any]:
    query = select(events).order_by(events.c.at, events.c.id)
    if kind is not None:
        query = query.where(events.c.kind == kind)
    if since is not None:
        query = query.where(events.c.at >= millis(since))
    return query if until is None else query.where(events.c.at < millis(until))


def _hash(session: str, salt: bytes) -> str:
    return hmac.new(salt, session.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32] if session else ""


def _reason(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).split("\n", maxsplit=1)[0][:160]
