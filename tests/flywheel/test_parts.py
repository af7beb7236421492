"""What a turn is made of: labels from events, gates, votes, records. No PyTorch is needed for these."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapfind.catalog.models.trial import InterleavedSearch, Trial, takes_part
from snapfind.core.errors import BadInput, CatalogBroken
from snapfind.evaluation.report import Answered, Report
from snapfind.events.event import Event
from snapfind.flywheel import gates
from snapfind.flywheel.ab_test import judge, sign_test
from snapfind.flywheel.config import Rules
from snapfind.flywheel.labels import Candidate, capped, labels, parted, settled
from snapfind.flywheel.records import Turn, data_hash, number_of_next, turns, write
from tests.catalog.conftest import Shop
from tests.pictures import picture

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def act(kind, search, product, after=0, session="anna"):
    return Event(kind, search=search, product=product, session=session, at=NOW + timedelta(seconds=after))


def candidate(number, product="p", session=""):
    return Candidate(f"s{number}", Path(f"{number}.jpg"), product, "click", session, NOW + timedelta(seconds=number))


def report(hits, slices):
    return Report(
        tuple(
            Answered(str(n), frozenset("r"), ("r",) if hit else ("w",), properties={"category": kind})
            for n, (hit, kind) in enumerate(zip(hits, slices))
        )
    )


def test_a_purchase_settles_a_search_and_of_equal_acts_the_last():
    found = settled(
        [
            act("click", "a", "second", 2),
            act("click", "a", "first", 1),
            act("purchase", "b", "bought", 1),
            act("click", "b", "looked at", 5),
            act("impression", "c", "shown"),
        ]
    )
    assert {search: event.product for search, event in found.items()} == {"a": "second", "b": "bought"}


def test_labels_are_kept_photos_of_products_that_are_still_there(tmp_path):
    shop = Shop(tmp_path)
    with shop.open() as catalog:
        catalog.add(shop.table)
        catalog.asked.keep("one", picture(0))
        catalog.asked.keep("two", picture(1))
        catalog.events.write([act("click", s, p) for s, p in (("one", "tea-1"), ("two", "gone"), ("three", "tea-2"))])
        assert [(found.search, found.product) for found in labels(catalog)] == [("one", "tea-1")]


def test_no_person_and_no_product_speaks_for_all():
    many = [candidate(n, session="bot") for n in range(100)] + [candidate(100 + n, f"p{n}", f"s{n}") for n in range(10)]
    kept = capped(many, a_session=5, a_product=3)
    assert sum(one.session == "bot" for one in kept) == 3
    assert len(kept) == 13 and kept == sorted(kept, key=lambda one: one.at)


@given(st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=1, max_size=60))
def test_a_session_is_on_one_side_in_every_turn(sessions):
    given_ = [candidate(n, session=session) for n, session in enumerate(sessions)]
    learnable, held = parted(given_, 5)
    assert len(learnable) + len(held) == len(given_)
    assert not {one.session for one in learnable} & {one.session for one in held}
    assert parted(given_[: len(given_) // 2], 5)[1] == [one for one in held if one in given_[: len(given_) // 2]]


def test_a_slice_that_falls_stops_a_model_that_is_better_on_the_whole():
    slices = ["fruit"] * 40 + ["milk"] * 20
    before = report([1, 0] * 20 + [1] * 20, slices)
    after = report([1] * 40 + [1] * 15 + [0] * 5, slices)
    rules = Rules(slice_loss=0.1)
    assert gates.proved("fresh", before, after, rules).holds
    stopped = gates.no_slice_falls("fresh", before, after, rules)
    assert not stopped.holds and "milk (20 photos), -0.250" in stopped.told
    assert gates.no_slice_falls("fresh", before, after, Rules(slice_loss=0.3)).holds
    assert gates.no_slice_falls("fresh", before, after, Rules(slice_least=21)).holds


def test_a_gain_must_not_be_luck():
    before, after = report([0] * 4, "aaaa"), report([1, 0, 0, 0], "aaaa")
    assert gates.proved("fresh", before, after, Rules()).holds
    assert not gates.proved("fresh", before, after, Rules(gain=0.1)).holds
    assert not gates.proved("fresh", after, before, Rules()).holds
    assert gates.proved("fresh", after, before, Rules(loss=0.3)).holds


def test_labels_that_impressions_do_not_explain_are_one_sided():
    shown = {f"p{n}": 10 for n in range(20)}
    fair = [candidate(n, f"p{n % 20}") for n in range(100)]
    assert gates.not_one_sided(fair, shown).holds
    assert not gates.not_one_sided(fair + [candidate(n, "p3") for n in range(60)], shown).holds


def test_votes_are_by_session_and_clicks_by_team():
    tried = [InterleavedSearch(f"s{n}", ("x", "y"), ("y", "x"), ("x", "y"), "ab") for n in range(10)]
    clicks = [act("click", f"s{n}", "y", session=f"p{n}") for n in range(8)]
    clicks += [act("click", "s8", "x", session="p8"), act("click", "s8", "x", session="p8")]
    clicks += [act("click", "s9", "x", session="p9"), act("click", "s9", "y", session="p9")]
    clicks += [act("click", "elsewhere", "x"), act("click", "s1", "not shown")]
    found = judge(tried, clicks)
    assert (found.searches, found.active, found.other, found.even) == (10, 1, 8, 1)
    assert (found.active_clicks, found.other_clicks) == (2, 9)
    assert found.p == pytest.approx(sign_test(1, 8)) and found.preference == pytest.approx(8 / 9)


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
    turn = Turn(1, "a", "b", "0", {"least": 2}, {"photos": 3}, "old", guards=[gates.Guard("g", True, "said")])
    write(tmp_path, turn)
    assert list(turns(tmp_path)) == [turn] and number_of_next(tmp_path) == 2
    (tmp_path / "0002.json").write_text('{"number": 2}')
    with pytest.raises(CatalogBroken, match=r"0002\.json is no record"):
        list(turns(tmp_path))


def test_the_hash_of_the_data_changes_with_photo_and_label(tmp_path):
    def hashed(content, product):
        (tmp_path / "1.jpg").write_bytes(content)
        return data_hash([Candidate("s", tmp_path / "1.jpg", product, "click", "", NOW)])

    assert len({hashed(b"x", "p"), hashed(b"y", "p"), hashed(b"x", "q")}) == 3
    assert hashed(b"x", "p") == hashed(b"x", "p")


@pytest.mark.parametrize("wrong", [{"share": 2}, {"slice_loss": -1}, {"least": 1}, {"fresh": 0}])
def test_rules_that_make_no_sense_are_refused(wrong):
    with pytest.raises(BadInput, match=next(iter(wrong))):
        Rules(**wrong)
