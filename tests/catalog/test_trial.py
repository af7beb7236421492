"""A model on trial answers beside the active one, in one list, until it is switched to or sent away."""

import shutil

import pytest

import snapfind
from snapfind.core.errors import BadInput, NotFound
from tests.pictures import picture, save
from tests.second_model import second_model


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A shop with two models, the fitted one answers."""
    folder = tmp_path_factory.mktemp("fitted")
    for number in range(6):
        save(number, folder / "more" / f"m{number}.png")
    with snapfind.open(folder / "shop.snap") as catalog:
        catalog.add(folder / "more")
        catalog.models.switch(second_model(catalog, folder / "artifact"))
    return folder / "shop.snap"


@pytest.fixture
def tried(shop, fitted):
    """The raw model is on trial, the fitted one answers."""
    shutil.copytree(fitted, shop.path)
    with shop.open() as catalog:
        catalog.models.try_out(catalog.info()["previous"], 0.5)
        yield catalog


def test_both_answers_stand_in_one_list_and_every_hit_has_its_team(tried):
    answer, told = tried.search_interleaved(picture(5), "seed", limit=6)
    assert [hit.product.id for hit in answer] == list(told.shown) and len(told.teams) == 6
    assert told.active[0] == told.other[0] == answer[0].product.id == "m5"
    assert told.active == tuple(hit.product.id for hit in tried.search(picture(5), limit=6))
    again, _ = tried.search_interleaved(picture(5), "seed", limit=3)
    rest, _ = tried.search_interleaved(picture(5), "seed", limit=3, offset=3)
    assert [hit.product.id for hit in (*again, *rest)] == list(told.shown)


def test_a_trial_outlives_the_process_and_ends_with_a_switch(shop, tried):
    name = tried.trial.model
    tried.close()
    with shop.open() as catalog:
        assert catalog.trial.model == name and catalog.trial.share == 0.5
        catalog.models.switch(name)
        assert catalog.trial is None and catalog.search_interleaved(picture(5), "x", limit=3)[1] is None
        with pytest.raises(BadInput, match="answers already"):
            catalog.models.try_out(name)
        with pytest.raises(BadInput, match="share 2"):
            catalog.models.try_out(catalog.info()["previous"], 2)
        with pytest.raises(NotFound, match="no model 'other'"):
            catalog.models.try_out("other")


def test_the_log_survives_a_torn_line(tried):
    _, told = tried.search_interleaved(picture(5), "seed", limit=4)
    tried.trial_log.note(told)
    tried.trial_log.note(told)
    path = tried.folder.path / "trial.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    assert list(tried.trial_log) == [told]
