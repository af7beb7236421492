"""Figures of the events: what DuckDB counts is what a loop over the events counts."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from snapfind.core.errors import BadInput
from snapfind.events.event import Event
from snapfind.events.parquet import export_events
from snapfind.events.statistics import click_rates, coverage, exploration
from snapfind.events.store import EventStore
from snapfind.events.zero_results import zero_result_statistics

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def log():
    """Impressions of 300 searches by a ranker that draws, and clicks that grow rarer down the list."""
    rng = np.random.default_rng(0)
    events = []
    for number in range(300):
        at = NOW + timedelta(seconds=number)
        for place in range(1, 6):
            shown = {"search": f"s{number}", "product": f"p{rng.integers(40)}-{place}", "position": place, "at": at}
            events.append(Event("impression", propensity=float(rng.choice([0.25, 1.0])), **shown))
            if rng.random() < 0.6 / place:
                events += [Event("click", **shown)] * int(rng.integers(1, 3))  # a second click counts once
    return events


@pytest.fixture(scope="module")
def exported(log, tmp_path_factory):
    return written(log, tmp_path_factory.mktemp("events"))


def written(events, folder):
    store = EventStore.at(folder / "events.db")
    store.write(events)
    export_events(store, folder / "events.parquet")
    store.close()
    return folder / "events.parquet"


def test_click_rates_by_position(log, exported):
    clicks = {(event.search, event.product) for event in log if event.kind == "click"}
    shown = Counter(event.position for event in log if event.kind == "impression")
    clicked = Counter(
        event.position for event in log if event.kind == "impression" and (event.search, event.product) in clicks
    )
    found = click_rates(exported)
    assert [(one.position, one.impressions, one.clicks) for one in found] == [
        (at, 300, clicked[at]) for at in sorted(shown)
    ]
    assert all(one.low < one.rate == one.clicks / one.impressions < one.high for one in found)
    assert len(click_rates(exported, limit=2)) == 2


def test_a_search_without_impressions_counts_its_results(tmp_path):
    events = [
        Event("search", search="a", results=("x", "y", "z"), position=11, verdict="match", at=NOW),
        Event("click", search="a", product="y", at=NOW),
        Event("search", search="b", results=("x", "y"), verdict="match", at=NOW),
        Event("impression", search="b", product="x", position=1, propensity=0.5, at=NOW),
    ]
    found = click_rates(written(events, tmp_path))
    assert [(one.position, one.impressions, one.clicks) for one in found] == [
        (1, 1, 0),
        (11, 1, 0),
        (12, 1, 1),
        (13, 1, 0),
    ]


def test_coverage_and_exploration(log, exported):
    shown = Counter(event.product for event in log if event.kind == "impression")
    clicked = {event.product for event in log if event.kind == "click"}
    total, half, reached = sum(shown.values()), 0, 0
    for count in sorted(shown.values(), reverse=True):
        half, reached = half + 1, reached + count
        if 2 * reached >= total:
            break
    found = coverage(exported, 500)
    assert (found.shown, found.clicked, found.share, found.half) == (len(shown), len(clicked), len(shown) / 500, half)
    drawn = [1 - event.propensity for event in log if event.kind == "impression"]
    assert exploration(exported).share == pytest.approx(np.mean(drawn)) and exploration(exported).known == 1
    with pytest.raises(BadInput, match="at least 1"):
        coverage(exported, 0)


def test_searches_without_a_match_and_switches(tmp_path):
    events = [Event("search", text="red tea", verdict="none", results=("a",), at=NOW) for _ in range(3)]
    events += [Event("search", photos=1, verdict="none", at=NOW), Event("search", text="cup", verdict="match", at=NOW)]
    events += [Event("category_switch", category="tea", before="mugs", at=NOW) for _ in range(2)]
    events += [Event("category_switch", category="mugs", at=NOW)]
    events += [Event("search", text="old", verdict="none", at=NOW - timedelta(days=2))]
    store = EventStore.at(tmp_path / "events.db")
    store.write(events)
    result = zero_result_statistics(store, NOW - timedelta(days=1))
    assert (result.searches, result.without_match, result.texts) == (5, 4, (("red tea", 3),))
    assert [(one.before, one.after, one.count) for one in result.switches] == [("mugs", "tea", 2), ("", "mugs", 1)]
    assert len(zero_result_statistics(store, NOW - timedelta(days=3), limit=1).texts) == 1
    store.close()


def test_no_events_give_empty_figures(tmp_path):
    path = written([], tmp_path)
    assert click_rates(path) == ()
    assert coverage(path, 10).share == exploration(path).share == 0


def test_what_is_no_export_is_named(tmp_path):
    with pytest.raises(BadInput, match="there is no export of events"):
        click_rates(tmp_path / "missing.parquet")
    (tmp_path / "other.parquet").write_bytes(b"something else")
    with pytest.raises(BadInput, match="is not an export of events"):
        click_rates(tmp_path / "other.parquet")
