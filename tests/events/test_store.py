"""The event store: durable, counted once, private, forgettable; the same on SQLite and PostgreSQL."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from snapfind.core.errors import BadInput, CatalogBroken
from snapfind.core.types import Box
from snapfind.events.event import KINDS, Event
from snapfind.events.parquet import export_events
from snapfind.events.store import EventStore
from tests.waiting import until

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    opened = EventStore.at(tmp_path / "events.db")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """A PostgreSQL of its own on a socket; skips where Debian's postgresql or psycopg is not installed."""
    pytest.importorskip("psycopg")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    bin, home = found[-1].parent, tmp_path_factory.mktemp("postgres")
    shutil.chown(home, "postgres") if _is_root() else None
    for parent in home.parents:
        if _is_root() and parent.name.startswith(("pytest", "popen")):
            parent.chmod(0o755)
    as_owner = ["runuser", "-u", "postgres", "--"] if _is_root() else []

    def run(*words):
        subprocess.run([*as_owner, *map(str, words)], check=True, capture_output=True, cwd="/")

    run(bin / "initdb", "-D", home / "data", "-A", "trust", "-U", "postgres")
    options = f"-c listen_addresses='' -c unix_socket_directories={home} -c fsync=off"
    run(bin / "pg_ctl", "-D", home / "data", "-w", "-l", home / "log", "-o", options, "start")
    yield f"postgresql+psycopg://postgres@/postgres?host={home}"
    stop = [*as_owner, str(bin / "pg_ctl"), "-D", str(home / "data"), "-m", "immediate", "stop"]
    subprocess.run(stop, check=False, capture_output=True, cwd="/")


def _is_root():
    import os

    return os.geteuid() == 0


def click(**fields):
    return Event("click", **{"search": "s1", "session": "anna", "product": "tea-1", "position": 1, "at": NOW, **fields})


def all_kinds():
    return [
        Event("search", search="s1", session="anna", text="tea", filter="x = 5", photos=1, results=("a", "b"), at=NOW),
        Event("impression", search="s1", product="a", position=1, propensity=0.5, score=0.25, at=NOW),
        click(arm="canary", space="lite0-1", version="1"),
        Event("category_switch", search="s1", category="tea", before="mugs", at=NOW),
        Event("box_change", search="s1", box=Box(0, 0, 0.5, 0.5), before=Box(0.25, 0, 1, 1), at=NOW),
        Event("cart", search="s1", product="a", quantity=2, at=NOW),
        Event("purchase", search="s1", product="a", quantity=1, amount=9.5, at=NOW),
    ]  # fmt: skip


def check_store(store):
    given = all_kinds()
    assert {event.kind for event in given} == set(KINDS)
    assert store.write(given) == len(given)
    read = {event.kind: event for event in store.read()}
    for event in given:
        kept = read[event.kind]
        names = [name for name in Event.__dataclass_fields__ if name not in {"id", "session"}]
        assert {name: getattr(kept, name) for name in names} == {name: getattr(event, name) for name in names}
    assert store.counts() == dict.fromkeys(KINDS, 1)
    assert store.write([click(id="one"), click(id="one")]) == 1 and store.write([click(id="one")]) == 0
    assert store.forget("anna") == 3 and store.forget("anna") == 0 and store.forget("") == 0


def test_events_come_back_as_they_went_in(store):
    check_store(store)


def test_the_same_on_postgresql(postgres):
    store = EventStore.at(postgres)
    check_store(store)
    store.close()


def test_no_session_is_kept_and_one_is_the_same_until_the_salt_changes(tmp_path, store):
    store.write([click(), click(), click(session="bert")])
    hashes = [event.session for event in store.read()]
    assert hashes[0] != "anna" and len(set(hashes)) == 2
    assert b"anna" not in (tmp_path / "events.db").read_bytes() + (tmp_path / "events.db-wal").read_bytes()
    other = EventStore.at(tmp_path / "other.db")
    other.write([click()])
    assert next(other.read()).session not in hashes
    other.close()


def test_salts_rotate_and_a_person_is_forgotten_under_all_of_them(tmp_path):
    store = EventStore.at(tmp_path / "events.db", salt_days=0.05 / 86_400)
    until(lambda: store.write([click()]) and len({event.session for event in store.read()}) == 3, "three salts")
    count = store.counts()["click"]
    assert count >= 3 and store.forget("anna") == count
    store.close()


def test_old_events_go_and_with_them_their_salts(store):
    store.write([click(at=NOW - timedelta(days=400)), click(at=NOW - timedelta(days=10))])
    assert store.prune(365, now=NOW) == 1
    assert [event.at for event in store.read()] == [NOW - timedelta(days=10)]
    assert store.prune(5, now=NOW) == 1 and store.counts() == {}


DAY = timedelta(days=1)


def pruned(store, now):
    store.prune(365, now=store.trusted_now(now))
    return store.counts().get("click", 0)


def test_a_clock_that_jumps_ahead_deletes_nothing_until_it_has_gone_on_for_a_day(store):
    store.write([click(at=NOW - 400 * DAY), click(at=NOW - 10 * DAY), click(at=NOW)])
    assert pruned(store, NOW) == 2
    ahead = NOW + 5000 * DAY
    for minute in range(5):  # started again and again with the wrong time
        assert pruned(store, ahead + timedelta(minutes=minute)) == 2
    assert pruned(store, NOW + DAY) == 2  # and set right
    assert pruned(store, ahead) == 2  # wrong once more
    assert pruned(store, ahead + DAY) == 0  # a day on: it is that time


@pytest.mark.parametrize("pause", [1, 6, 30, 1000])
def test_old_events_go_after_a_pause_of_any_length(store, pause):
    store.write([click(at=NOW - 364 * DAY), click(at=NOW)])
    assert pruned(store, NOW) == 2
    later = NOW + pause * DAY
    store.write([click(at=later)])
    pruned(store, later)
    assert pruned(store, later + DAY) == (1 if pause > 365 else 2)


def test_a_clock_that_goes_back_deletes_nothing(store):
    store.write([click(at=NOW)])
    pruned(store, NOW)
    assert pruned(store, datetime(1970, 1, 3, tzinfo=UTC)) == 1 and pruned(store, NOW) == 1


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "1969-12-31T00:00:00+00:00", "9999-12-31T23:59:59-12:00"])
def test_dates_at_the_ends_of_time_are_refused(at):
    with pytest.raises(BadInput, match="between 1970 and 2200"):
        click(at=datetime.fromisoformat(at))


@pytest.mark.parametrize("zone", [None, UTC])
def test_reading_between_the_ends_of_time(store, zone):
    store.write(all_kinds())
    first, last = datetime.min.replace(tzinfo=zone), datetime.max.replace(tzinfo=zone)
    assert len(list(store.read(since=first, until=last))) == len(KINDS)


def test_reading_a_kind_and_a_span_of_time(store):
    store.write([*all_kinds(), click(at=NOW + timedelta(days=1))])
    assert len(list(store.read(kind="click"))) == 2
    assert len(list(store.read(kind="click", since=NOW + timedelta(hours=1)))) == 1
    assert len(list(store.read(until=NOW + timedelta(hours=1)))) == 7


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "hover"},
        {"product": ""},
        {"position": 0},
        {"propensity": 0.0},
        {"propensity": 1.1},
        {"score": float("nan")},
        {"at": datetime(2026, 1, 1)},
    ],
)
def test_what_does_not_fit_is_refused(fields):
    with pytest.raises(BadInput):
        Event(**{"kind": "click", "product": "a", **fields})


def test_what_was_written_survives_a_kill(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path; from snapfind.events.store import EventStore\n"
        "from snapfind.events.event import Event\n"
        f"store = EventStore.at(Path({str(tmp_path / 'events.db')!r}))\n"
        "for n in range(50):\n    store.write([Event('click', product=str(n))]); print(n, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    store = EventStore.at(tmp_path / "events.db")
    assert {event.product for event in store.read()} >= set(done.stdout.split()) and "49" in done.stdout
    store.close()


def test_an_export_is_a_parquet_file_that_duckdb_reads(store, tmp_path):
    import duckdb

    store.write([click(position=1 + number % 5, product=f"p{number % 7}") for number in range(2000)])
    assert export_events(store, tmp_path / "events.parquet") == 2000
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select count(*), count(distinct product), min(\"at\")::varchar from '{tmp_path / 'events.parquet'}'"
        ).fetchone()
    assert found[:2] == (2000, 7) and found[2].startswith("2026-11-24 12:00:00")
    with pytest.raises(BadInput):
        export_events(store, tmp_path / "events.csv")


def test_a_database_that_cannot_be_had_is_named(tmp_path):
    (tmp_path / "events.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(CatalogBroken, match="event store"):
        EventStore.at(tmp_path / "events.db")
