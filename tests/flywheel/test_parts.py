"""Parts of a flywheel run: labels from events, quality gates, votes, records. They need no PyTorch."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapfind.catalog.models.trial import InterleavedSearch, Trial, takes_part
from snapfind.core.errors import BadInput, CatalogBroken
from snapfind.evaluation.report import EvaluatedQuery, Report
from snapfind.events.event import Event
from snapfind.flywheel import gates
from snapfind.flywheel.ab_test import count_votes, sign_test
from snapfind.flywheel.config import FlywheelConfig
from snapfind.flywheel.labels import ClickLabel, cap_labels, choices_by_search, read_labels, split_labels
from snapfind.flywheel.records import FlywheelRun, data_hash, next_number, read_runs, write_run
from tests.catalog.conftest import Shop
from tests.pictures import picture

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def act(kind, search, product, after=0, session="anna"):
    return Event(kind, search=search, product=product, session=session, at=NOW + timedelta(seconds=after))


def label(number, product="p", session=""):
    return ClickLabel(f"s{number}", Path(f"{number}.jpg"), product, "click", session, NOW + timedelta(seconds=number))


def report(hits, slices):
    return Report(
        tuple(
            EvaluatedQuery(str(n), frozenset("r"), ("r",) if hit else ("w",), properties={"category": kind})
            for n, (hit, kind) in enumerate(zip(hits, slices))
        )
    )


def test_a_purchase_counts_before_clicks_and_of_equal_events_the_last():
    choices = choices_by_search(
        [
            act("click", "a", "second", 2),
            act("click", "a", "first", 1),
            act("purchase", "b", "bought", 1),
            act("click", "b", "looked at", 5),
            act("impression", "c", "shown"),
        ]
    )
    assert {search: event.product for search, event in choices.items()} == {"a": "second", "b": "bought"}


def test_labels_are_stored_photos_of_products_that_still_exist(tmp_path):
    shop = Shop(tmp_path)
    with shop.open() as catalog:
        catalog.add(shop.table)
        catalog.query_photos.keep("one", picture(0))
        catalog.query_photos.keep("two", picture(1))
        catalog.events.write([act("click", s, p) for s, p in (("one", "tea-1"), ("two", "gone"), ("three", "tea-2"))])
        assert [(label.search, label.product) for label in read_labels(catalog)] == [("one", "tea-1")]


def test_no_person_and_no_product_speaks_for_all():
    many = [label(n, session="bot") for n in range(100)] + [label(100 + n, f"p{n}", f"s{n}") for n in range(10)]
    capped = cap_labels(many, per_session=5, per_product=3)
    assert sum(one.session == "bot" for one in capped) == 3
    assert len(capped) == 13 and capped == sorted(capped, key=lambda one: one.at)


@given(st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=1, max_size=60))
def test_a_session_is_on_one_side_in_every_run(sessions):
    every = [label(n, session=session) for n, session in enumerate(sessions)]
    train, test = split_labels(every, 5)
    assert len(train) + len(test) == len(every)
    assert not {one.session for one in train} & {one.session for one in test}
    assert split_labels(every[: len(every) // 2], 5)[1] == [one for one in test if one in every[: len(every) // 2]]


def test_a_slice_that_falls_stops_a_model_that_is_better_on_the_whole():
    slices = ["fruit"] * 40 + ["milk"] * 20
    before = report([1, 0] * 20 + [1] * 20, slices)
    after = report([1] * 40 + [1] * 15 + [0] * 5, slices)
    config = FlywheelConfig(max_slice_loss=0.1)
    assert gates.check_overall("fresh", before, after, config).passed
    stopped = gates.check_slices("fresh", before, after, config)
    assert not stopped.passed and "milk (20 photos), -0.250" in stopped.detail
    assert gates.check_slices("fresh", before, after, FlywheelConfig(max_slice_loss=0.3)).passed
    assert gates.check_slices("fresh", before, after, FlywheelConfig(min_slice_photos=21)).passed


def test_a_gain_must_not_be_luck():
    before, after = report([0] * 4, "aaaa"), report([1, 0, 0, 0], "aaaa")
    assert gates.check_overall("fresh", before, after, FlywheelConfig()).passed
    assert not gates.check_overall("fresh", before, after, FlywheelConfig(min_gain=0.1)).passed
    assert not gates.check_overall("fresh", after, before, FlywheelConfig()).passed
    assert gates.check_overall("fresh", after, before, FlywheelConfig(max_loss=0.3)).passed


def test_labels_that_impressions_do_not_explain_are_not_balanced():
    impressions = {f"p{n}": 10 for n in range(20)}
    fair = [label(n, f"p{n % 20}") for n in range(100)]
    assert gates.check_label_balance(fair, impressions).passed
    assert not gates.check_label_balance(fair + [label(n, "p3") for n in range(60)], impressions).passed


def test_votes_are_by_session_and_clicks_by_team():
    tried = [InterleavedSearch(f"s{n}", ("x", "y"), ("y", "x"), ("x", "y"), "ab") for n in range(10)]
    clicks = [act("click", f"s{n}", "y", session=f"p{n}") for n in range(8)]
    clicks += [act("click", "s8", "x", session="p8"), act("click", "s8", "x", session="p8")]
    clicks += [act("click", "s9", "x", session="p9"), act("click", "s9", "y", session="p9")]
    clicks += [act("click", "elsewhere", "x"), act("click", "s1", "not shown")]
    result = count_votes(tried, clicks)
    assert (result.searches, result.active, result.other, result.even) == (10, 1, 8, 1)
    assert (result.active_clicks, result.other_clicks) == (2, 9)
    assert result.p == pytest.approx(sign_test(1, 8)) and result.preference == pytest.approx(8 / 9)


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_sign_test_agrees_with_counting_every_outcome(first, second):
    n, k = first + second, min(first, second)
    tail = sum(math.comb(n, i) for i in range(n + 1) if i <= k or i >= n - k) / 2**n
    assert sign_test(first, second) == pytest.approx(min(1.0, tail if 2 * k != n else 1.0))
    assert sign_test(first, second) == sign_test(second, first)


def test_a_share_of_the_sessions_is_drawn_and_always_the_same():
    trial = Trial("m", 0.25, "2026-01-31T12:00:00+00:00")
    who = [f"session {n}" for n in range(2000)]
    part = [takes_part(trial, one) for one in who]
    assert 0.21 < sum(part) / len(part) < 0.29 and part == [takes_part(trial, one) for one in who]
    assert all(takes_part(Trial("m", 1, ""), one) for one in who)


def test_a_record_comes_back_as_it_was_written(tmp_path):
    run = FlywheelRun(
        1, "a", "b", "0", {"min_photos": 2}, {"photos": 3}, "old", gates=[gates.GateResult("g", True, "d")]
    )
    write_run(tmp_path, run)
    assert list(read_runs(tmp_path)) == [run] and next_number(tmp_path) == 2
    (tmp_path / "0002.json").write_text('{"number": 2}')
    with pytest.raises(CatalogBroken, match=r"0002\.json is not the record"):
        list(read_runs(tmp_path))


def test_the_hash_of_the_data_changes_with_photo_and_label(tmp_path):
    def hashed(content, product):
        (tmp_path / "1.jpg").write_bytes(content)
        return data_hash([ClickLabel("s", tmp_path / "1.jpg", product, "click", "", NOW)])

    assert len({hashed(b"x", "p"), hashed(b"y", "p"), hashed(b"x", "q")}) == 3
    assert hashed(b"x", "p") == hashed(b"x", "p")


@pytest.mark.parametrize("wrong", [{"share": 2}, {"max_slice_loss": -1}, {"min_photos": 1}, {"holdout_every": 0}])
def test_a_configuration_out_of_range_is_refused(wrong):
    with pytest.raises(BadInput, match=next(iter(wrong))):
        FlywheelConfig(**wrong)
