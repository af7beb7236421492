"""A model on trial answers beside the active one, in one list, until it is switched to or sent away."""

import pytest

from snapfind.errors import BadInput, NotFound
from tests.pictures import picture, save


@pytest.fixture
def tried(shop):
    """Two models: the raw one on trial, the fitted one active."""
    for number in range(12):
        save(number, shop.folder / "more" / f"m{number}.png")
    with shop.open() as catalogue:
        catalogue.add(shop.folder / "more")
        raw = catalogue.info()["model"]
        catalogue.fit()
        catalogue.try_out(raw, 0.5)
        yield catalogue


def test_both_answers_stand_in_one_list_and_every_hit_has_its_team(tried):
    answer, told = tried.search_tried(picture(5), "seed", limit=6)
    assert [hit.product.id for hit in answer] == list(told.shown) and len(told.teams) == 6
    assert told.active[0] == told.other[0] == answer[0].product.id == "m5"
    assert told.active == tuple(hit.product.id for hit in tried.search(picture(5), limit=6))
    again, _ = tried.search_tried(picture(5), "seed", limit=3)
    rest, _ = tried.search_tried(picture(5), "seed", limit=3, offset=3)
    assert [hit.product.id for hit in (*again, *rest)] == list(told.shown)


def test_a_trial_outlives_the_process_and_ends_with_a_switch(shop, tried):
    name = tried.trial.model
    tried.close()
    with shop.open() as catalogue:
        assert catalogue.trial.model == name and catalogue.trial.share == 0.5
        catalogue.switch(name)
        assert catalogue.trial is None and catalogue.search_tried(picture(5), "x", limit=3)[1] is None
        with pytest.raises(BadInput, match="answers already"):
            catalogue.try_out(name)
        with pytest.raises(BadInput, match="share 2"):
            catalogue.try_out(catalogue.info()["previous"], 2)
        with pytest.raises(NotFound, match="no model 'other'"):
            catalogue.try_out("other")


def test_the_log_survives_a_torn_line(tried):
    _, told = tried.search_tried(picture(5), "seed", limit=4)
    tried.trial_log.note(told)
    tried.trial_log.note(told)
    path = tried.folder.path / "trial.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    assert list(tried.trial_log) == [told]
