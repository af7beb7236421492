"""Click models: they learn what the simulator hides, serve what they learned, and an artifact cannot lie."""

import json
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.simulation.two_domains import SOURCE_FIELDS, TARGET_FIELDS, World, simulate

from snapfind.core.errors import BadInput, ModelBroken
from snapfind.evaluation.calibration import auroc
from snapfind.ranking.cdanet import Augmentation
from snapfind.ranking.export import build_click_model, write_ranker
from snapfind.ranking.fit import METHODS, ClickModelConfig, fit, predict_clicks
from snapfind.ranking.rows import SOURCE, mixed_batches, rows_of
from snapfind.search.rerank.click_model import load
from snapfind.training.loop import TrainingConfig

UNION = (*TARGET_FIELDS, *(own for own in SOURCE_FIELDS if own not in TARGET_FIELDS))
WORLD = World(shoppers=100, source_items=40, target_items=20, source_rows=3000, target_rows=1500, judged_rows=1000)
QUICK = ClickModelConfig(steps=15, training=TrainingConfig(epochs=4, rate=4e-3, average=0.9))


@pytest.fixture(scope="module")
def domains():
    return simulate(WORLD, 0)


@pytest.fixture(scope="module")
def parts(domains):
    source, *target = domains
    return rows_of(source.columns, UNION, SOURCE), *(rows_of(part.columns, UNION) for part in target)


def learned(method, parts, config=QUICK):
    return fit(method, parts[1], parts[2], TARGET_FIELDS, source=parts[0], source_fields=SOURCE_FIELDS, config=config)


def test_the_truth_of_the_simulator_ranks_its_clicks(domains):
    for part in domains:
        clicked = part.columns["clicked"]
        assert auroc(part.truth.tolist(), clicked.tolist()) > 0.75
        assert part.truth.mean() == pytest.approx(clicked.mean(), abs=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_something(method, parts):
    fitted = learned(method, parts)
    said = predict_clicks(fitted, parts[3])
    clicked = (parts[3].labels > 0).tolist()
    assert auroc(said.tolist(), clicked) > 0.55
    assert said.mean() == pytest.approx(np.mean(clicked), abs=0.06)


def test_the_same_seed_gives_the_same_model(parts):
    first, second = (predict_clicks(learned("cdanet", parts), parts[3]) for _ in range(2))
    assert np.array_equal(first, second)


def test_the_second_stage_has_a_new_tower_and_asks_for_nothing_of_the_source(parts):
    fitted = learned("cdanet", parts)
    assert isinstance(fitted.network, Augmentation)
    before = predict_clicks(fitted, parts[3])
    hidden = replace(parts[3], encoded=replace(parts[3].encoded, ids=parts[3].encoded.ids.copy()))
    hashed = [own.name for own in UNION if own.kind == "hashed"]
    for place, name in enumerate(hashed):
        if name.startswith("source."):
            hidden.encoded.ids[:, place] = 7
    assert np.array_equal(predict_clicks(fitted, hidden), before)


def test_two_domains_need_the_other_one_and_clicks(parts):
    with pytest.raises(BadInput, match="second domain"):
        fit("cdanet", parts[1], parts[2], TARGET_FIELDS, config=QUICK)
    unclicked = replace(parts[1], labels=np.zeros_like(parts[1].labels))
    with pytest.raises(BadInput, match="with a click"):
        fit("single", unclicked, parts[2], TARGET_FIELDS, config=QUICK)
    with pytest.raises(BadInput, match="validation rows need"):
        fit("single", parts[1], replace(parts[2], labels=np.zeros_like(parts[2].labels)), TARGET_FIELDS, config=QUICK)


def test_batches_go_through_every_row_and_follow_from_their_number(parts):
    batch = mixed_batches([parts[1], parts[0]], [100, 50], steps=5, seed=3)
    seen = [batch(epoch, step) for epoch in range(3) for step in range(5)]
    rows = np.concatenate([ids[domains == 0] for ids, _, _, _, domains in seen])
    assert len(rows) == 1500 and sorted(map(tuple, rows.tolist())) == sorted(map(tuple, parts[1].encoded.ids.tolist()))
    again = mixed_batches([parts[1], parts[0]], [100, 50], steps=5, seed=3)(1, 2)
    assert all(bool((one == other).all()) for one, other in zip(again[:1], seen[7][:1]))


@pytest.mark.parametrize("method", ["single", "cdanet"])
def test_numpy_serves_what_pytorch_learned(method, parts, domains, tmp_path):
    fitted = learned(method, parts)
    columns = {name: domains[3].columns[name][:300] for name in domains[3].columns}
    golden = {own.name: list(columns[own.name][:5]) for own in TARGET_FIELDS}
    plain = json.loads(json.dumps(golden, default=lambda value: value.item()))
    served = write_ranker(
        tmp_path / "r", build_click_model(fitted, TARGET_FIELDS), plain, 5, {"space": "s", "method": method}
    )
    wanted = predict_clicks(fitted, rows_of(columns, UNION))
    assert np.allclose(served.predict_clicks(columns, 300), wanted, atol=1e-5)
    check_that_it_cannot_lie(tmp_path / "r")


def check_that_it_cannot_lie(folder):
    with pytest.raises(ModelBroken, match="made for s"):
        load(folder, "another")
    told = json.loads((folder / "manifest.json").read_text())
    for name, value in (("kind", "encoder"), ("candidates", 5000), ("calibration", [float("nan"), 0]), ("fields", [])):
        (folder / "manifest.json").write_text(json.dumps({**told, name: value}))
        with pytest.raises(ModelBroken):
            load(folder, "s")
    small = [{**own, "buckets": 1 << 20} if own["kind"] == "hashed" else own for own in told["fields"]]
    (folder / "manifest.json").write_text(json.dumps({**told, "fields": small}))
    with pytest.raises(ModelBroken, match="rows, its fields say"):
        load(folder, "s")
    (folder / "manifest.json").write_text(json.dumps({**told, "calibration": [2.0, 1.0]}))
    with pytest.raises(ModelBroken, match="golden"):
        load(folder, "s")
    (folder / "manifest.json").write_text(json.dumps(told))
    weights = bytearray((folder / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(weights)
    with pytest.raises(ModelBroken, match="weights"):
        load(folder, "s")


def test_a_baseline_is_not_served(parts):
    with pytest.raises(BadInput, match="not served"):
        build_click_model(learned("dcn", parts), TARGET_FIELDS)
