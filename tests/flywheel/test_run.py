"""Flywheel runs on a small shop: a model from clicks, the experiment, and a poisoned log."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from typer.testing import CliRunner

import snapfind
from snapfind.cli.app import app
from snapfind.core.errors import BadInput, NotFound
from snapfind.evaluation.queries import LabeledQuery
from snapfind.events.event import Event
from snapfind.flywheel.config import FlywheelConfig
from snapfind.flywheel.records import read_runs
from snapfind.flywheel.run import conclude_experiment, folder_of, run_flywheel
from snapfind.media.image.background import cut_out_product
from snapfind.media.image.photo_simulation import simulate_photo
from tests.pictures import picture, save

PRODUCTS, PHOTOS = 6, 10
CONFIG = FlywheelConfig(min_photos=20, minutes=0.2, share=1, max_slice_loss=1, max_loss=1)


def photo(product, number):
    return simulate_photo(cut_out_product(picture(product)), np.random.default_rng([product, number]))


@pytest.fixture
def shop(tmp_path):
    """Six products, and sixty shoppers who clicked what they had photographed."""
    for number in range(PRODUCTS):
        save(number, tmp_path / "studio" / f"p{number}.png")
    with snapfind.open(tmp_path / "shop.snap") as catalog:
        catalog.add(tmp_path / "studio")
        events = []
        for number in range(PRODUCTS * PHOTOS):
            search, session = f"search-{number}", f"shopper {number}"
            catalog.query_photos.keep(search, photo(number % PRODUCTS, number // PRODUCTS))
            at = datetime.now(UTC) - timedelta(minutes=number)
            results = tuple(f"p{other}" for other in range(PRODUCTS))
            events.append(Event("search", search=search, session=session, photos=1, results=results, at=at))
            events.append(Event("click", search=search, session=session, product=f"p{number % PRODUCTS}", at=at))
        catalog.events.write(events)
        yield catalog


@pytest.fixture
def frozen(tmp_path):
    found = []
    for number in range(PRODUCTS):
        path = tmp_path / f"frozen{number}.png"
        photo(number, 99).save(path)
        found.append(LabeledQuery(path.name, path, None, frozenset({f"p{number}"})))
    return found


@pytest.mark.parametrize("depth", ["fit", "heads"])
def test_a_run_trains_a_model_that_wins_the_experiment_and_goes_live(shop, frozen, depth):
    if depth == "heads":
        pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")
        pytest.importorskip("onnx", reason="learning needs the extra snapfind[train]")
    config = replace(CONFIG, depth=depth)
    old = shop.info()["model"]
    record = run_flywheel(shop, config, frozen)
    assert record.decision == "experiment" and record.model == shop.trial.model != old == shop.info()["model"]
    assert record.data["photos"] + record.data["held_out"] == PRODUCTS * PHOTOS and len(record.data["sha256"]) == 64
    assert set(record.metrics) == {"fresh", "frozen"} and all(gate.passed for gate in record.gates)
    with pytest.raises(BadInput, match="experiment with"):
        run_flywheel(shop, config, frozen)
    waiting = conclude_experiment(shop, votes=5)
    assert waiting.decision == "experiment" and "5 votes are needed" in waiting.reason
    for number in range(12):  # shoppers who click what the new model put there
        search = f"tried-{number}"
        _, tried = shop.search_interleaved(photo(number % PRODUCTS, 50 + number), search, limit=6)
        shop.trial_log.note(type(tried)(search, *(getattr(tried, n) for n in ("active", "other", "shown", "teams"))))
        pick = tried.shown[tried.teams.index("b")]
        shop.events.write([Event("click", search=search, session=f"new {number}", product=pick)])
    done = conclude_experiment(shop, votes=5)
    assert done.decision == "switched" and shop.info()["model"] == record.model and shop.trial is None
    assert [one.decision for one in read_runs(folder_of(shop))] == ["switched"]
    with pytest.raises(NotFound, match="no experiment"):
        conclude_experiment(shop)


def test_a_poisoned_log_is_stopped_and_leaves_nothing(shop, frozen):
    for number in range(40):  # forty made-up shoppers who click one product whatever they show
        search = f"bot-{number}"
        shop.query_photos.keep(search, photo(number % PRODUCTS, number))
        shop.events.write([Event("click", search=search, session=f"bot {number}", product="p0")])
    before = shop.info()["models"]
    record = run_flywheel(shop, CONFIG, frozen)
    assert record.decision == "stopped" and "p0" in record.reason and shop.trial is None
    assert shop.info()["models"] == before


def test_too_few_labels_stop_a_run_and_the_command_line_says_so(shop, tmp_path):
    shop.close()
    place = str(tmp_path / "shop.snap")
    found = CliRunner().invoke(app, ["flywheel", "run", place, "--least", "500"])
    assert found.exit_code == 0 and "500 photos of 2 products are needed" in found.output.replace("\n", " ")
    told = json.loads(CliRunner().invoke(app, ["flywheel", "history", place, "--json"]).output)
    assert [one["decision"] for one in told] == ["stopped"]
