"""The event log becomes searches without telling who searched; learning from it leaves an artifact."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")
pytest.importorskip("onnx", reason="learning needs the extra snapfind[train]")

from dataclasses import replace  # noqa: E402

from snapfind.core.errors import BadInput  # noqa: E402
from snapfind.events.event import Event  # noqa: E402
from snapfind.events.store import EventStore  # noqa: E402
from snapfind.training.data.click_log import Search  # noqa: E402
from snapfind.training.methods.clicks import TRAINING, from_log, searches_of  # noqa: E402
from snapfind.training.methods.virtual_ids import virtual_ids  # noqa: E402
from tests.training.test_catalog_adaptation import PRODUCTS, shown  # noqa: E402

NUMBERS = {f"p{number}": number for number in range(PRODUCTS)}


@pytest.fixture
def store(tmp_path):
    with_store = EventStore.at(tmp_path / "events.db")
    yield with_store
    with_store.close()


def log_of(searches, seed=0):
    """Shoppers who click two products that belong together: 0 and 1, 2 and 3, 4 and 5."""
    rng = np.random.default_rng(seed)
    for number in range(searches):
        pair = 2 * int(rng.integers(PRODUCTS // 2))
        order = [f"p{place}" for place in rng.permutation(PRODUCTS)]
        yield Event("search", search=f"s{number}", session="anna", text="private words", results=tuple(order))
        for product in (pair, pair + 1):
            yield Event("click", search=f"s{number}", session="anna", product=f"p{product}", position=1)


def test_searches_come_back_in_order_of_what_was_shown_and_clicked(store):
    happened = [
        Event("search", search="a", product="p5", results=("p3", "gone", "p1")),
        Event("click", search="a", product="p1", position=3),
        Event("purchase", search="a", product="p3"),
        Event("search", search="b", results=("p1",)),
        Event("impression", search="c", product="p2", position=1),
        Event("click", search="c", product="p4"),
        Event("click", search="d", product="gone"),
        Event("click", product="p0"),
    ]
    first = datetime(2026, 1, 1, tzinfo=UTC)
    store.write([replace(one, at=first + timedelta(seconds=place)) for place, one in enumerate(happened)])
    found = searches_of(store.read(), NUMBERS)
    assert [one.photo for one in found] == [0, 1]
    assert found[0].results == (3, 1) and found[0].clicked == (1, 3)
    assert found[1].results == (2, 4) and found[1].clicked == (4,)


def test_searches_of_one_shopper_are_not_joined_and_what_was_forgotten_is_gone(store):
    store.write(list(log_of(30)))
    found = searches_of(store.read(), NUMBERS)
    assert len({one.photo for one in found}) == len(found) == 30
    assert {field for one in found for field in vars(type(one))["__slots__"]} == {
        *("photo", "results", "clicked", "tab", "switched"),
    }, "no shopper, no text"
    assert store.forget("anna") == 90 and searches_of(store.read(), NUMBERS) == []


def test_what_is_clicked_together_gets_one_virtual_id(store):
    store.write(list(log_of(60)))
    found = searches_of(store.read(), NUMBERS)
    ids, _ = virtual_ids(found, len(found), PRODUCTS, PRODUCTS // 2)
    assert ids[0] == ids[1] and ids[2] == ids[3] and ids[4] == ids[5] and len(set(ids.tolist())) == 3


def test_learning_from_the_log_leaves_an_artifact_that_names_no_shopper(store, tmp_path):
    store.write(list(log_of(40)))
    found = searches_of(store.read(), NUMBERS)
    short = {"training": replace(TRAINING, epochs=2), "dim": 16, "views": 2}
    done = from_log(shown(5), found, tmp_path / "artifact", tmp_path / "work", **short)
    told = (tmp_path / "artifact" / "manifest.json").read_text()
    assert json.loads(told)["log"]["searches"] == 40 and done.encoder.space.dim == 32, (
        "16 learned, 16 of the closed form"
    )
    assert "anna" not in told and "private" not in told and '"s1"' not in told
    assert done.outcome.history[-1].loss < done.outcome.history[0].loss
    rest = []
    again = from_log(shown(5), found, tmp_path / "other", tmp_path / "work", on_epoch=rest.append, **short)
    assert not rest and again.encoder.space.id == done.encoder.space.id, "a finished run is not done again"


def test_too_few_clicks_are_one_sentence(tmp_path):
    few = [Search(number, (0, 1), (0,)) for number in range(19)]
    with pytest.raises(BadInput, match="19 search"):
        from_log(shown(5), few, tmp_path / "artifact", tmp_path / "work")
    assert not (tmp_path / "artifact").exists()


def test_a_log_that_has_grown_is_learned_anew(tmp_path):
    def learned_of(count):
        told = []
        store = EventStore.at(tmp_path / f"events-{count}.db")
        store.write(list(log_of(count)))
        searches = searches_of(store.read(), NUMBERS)
        store.close()
        training = replace(TRAINING, epochs=1)
        from_log(
            shown(5),
            searches,
            tmp_path / "artifact",
            tmp_path / "work",
            training=training,
            dim=16,
            on_epoch=told.append,
        )
        return len(told)

    assert [learned_of(count) for count in (30, 30, 50)] == [1, 0, 1], "as many batches, another log"
