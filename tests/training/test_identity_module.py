"""Purity finds wrong labels, the three stages learn identities."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")
pytest.importorskip("onnx", reason="learning needs the extra snapfind[train]")

from torch import nn  # noqa: E402

from snapfind.encoders.arrays import unit  # noqa: E402
from snapfind.training.data.feature_cache import FeatureCache  # noqa: E402
from snapfind.training.data.label_filter import agrees_with_neighbors  # noqa: E402
from snapfind.training.export import SHIPPED  # noqa: E402
from snapfind.training.loop import TrainingConfig  # noqa: E402
from snapfind.training.losses.margin import Prototypes  # noqa: E402
from snapfind.training.methods.identity import identify  # noqa: E402
from snapfind.training.methods.identity_module import Identity, Stages, learn_identity  # noqa: E402
from snapfind.training.models.efficientnet import read_network  # noqa: E402
from snapfind.training.models.heads import Heads, discriminant_matrix  # noqa: E402
from tests.training.test_catalog_adaptation import shown  # noqa: E402

CLASSES, EACH, WIDTH = 12, 20, 24


def things(seed, each=EACH, spread=0.5):
    """Rows around one center a class; the first half of the numbers is nothing but noise."""
    rng = np.random.default_rng([1, seed])
    centers = np.random.default_rng(0).normal(size=(CLASSES, WIDTH // 2))
    labels = np.repeat(np.arange(CLASSES), each)
    told = centers[labels] + spread * rng.normal(size=(len(labels), WIDTH // 2))
    return np.hstack([3 * rng.normal(size=told.shape), told]).astype(np.float32), labels


def wrong(labels, part, seed=0):
    rng = np.random.default_rng([2, seed])
    moved = (labels + rng.integers(1, CLASSES, len(labels))) % CLASSES
    return np.where(rng.random(len(labels)) < part, moved, labels)


def test_the_purity_filter_keeps_right_labels_and_drops_wrong_ones():
    rows, labels = things(0, spread=0.5)
    noisy = wrong(labels, 0.2)
    kept = agrees_with_neighbors(unit(rows[:, WIDTH // 2 :]), noisy, neighbors=10, least=3)
    assert kept[noisy == labels].mean() > 0.95 and kept[noisy != labels].mean() < 0.2


def test_a_label_is_never_emptied():
    rows = unit(np.random.default_rng(0).normal(size=(30, 4)))
    assert agrees_with_neighbors(rows, np.arange(30)).all()


def learned(noise, purify, seed=0, batch=64, **how):
    photos, labels = things(seed)
    studio = np.stack([things(9)[0][things(9)[1] == own].mean(0) for own in range(CLASSES)])
    kept = np.concatenate([photos, studio])[:, None].astype(np.float16)
    products = np.concatenate([wrong(labels, noise, seed), np.arange(CLASSES)])
    source = FeatureCache(kept, products, np.arange(len(kept)) < len(photos))
    rows = unit(kept[:, 0])
    matrix = discriminant_matrix(rows, products, 16)
    heads = Heads(matrix, rows[: len(photos)].mean(0), rows[len(photos) :].mean(0))
    short = TrainingConfig(epochs=3, rate=3e-3, seed=seed)
    stages = Stages(short, replace(short, epochs=1), replace(short, epochs=5), purify=purify, part=0.8, batch=batch)
    learner, used = learn_identity(nn.Identity(), heads, source, np.arange(len(photos)), CLASSES, stages, **how)
    test, truth = things(5)
    asked = learner.vectors(torch.from_numpy(test), query=True).numpy()
    there = learner.vectors(torch.from_numpy(studio.astype(np.float32)), query=False).numpy()
    raw = (unit(test) @ unit(studio).T).argmax(1)
    return ((asked @ there.T).argmax(1) == truth).mean(), (raw == truth).mean(), len(used) / len(photos)


def test_three_stages_find_more_than_the_raw_features():
    found, raw, used = learned(0.0, purify=False)
    assert found > raw + 0.1 and used == 1.0


def test_with_wrong_labels_the_filter_drops_photos_and_still_learns():
    found, raw, used = learned(0.3, purify=True)
    assert found > raw and 0.4 < used < 0.95


@pytest.mark.parametrize("epoch", [2, 4, 7])  # in each of the three stages
def test_a_run_that_was_stopped_in_any_stage_draws_the_same_prototypes(tmp_path, epoch):
    seen = []

    def stop(told):
        seen.append(told)
        if len(seen) == epoch:
            raise KeyboardInterrupt

    whole, stopped = [], []
    learned(0.3, True, batch=4, on_epoch=whole.append)
    with pytest.raises(KeyboardInterrupt):
        learned(0.3, True, batch=4, checkpoint_folder=tmp_path, on_epoch=stop)
    learned(0.3, True, batch=4, checkpoint_folder=tmp_path, on_epoch=stopped.append)
    assert [one.loss for one in stopped] == [one.loss for one in whole[epoch:]]


def test_the_blocks_go_a_part_of_the_way(tmp_path):
    short, raw = TrainingConfig(epochs=1), read_network(SHIPPED).state_dict()
    stages, moved = Stages(short, short, short, batch=16), {}
    for part in (1.0, None):  # the first learns, the other finds its checkpoints
        folder = tmp_path / str(part)
        identify(shown(5), folder, tmp_path / "work", depth="blocks", alpha=part, stages=stages, views=2, dim=16)
        now = read_network(folder).state_dict()
        moved[part] = sum(float((now[name] - old).square().sum()) for name, old in raw.items()) ** 0.5
    assert moved[None] == pytest.approx(0.6 * moved[1.0], rel=0.05) and moved[1.0] > 0, "as catalog adaptation goes"
    told = json.loads((tmp_path / "None" / "manifest.json").read_text())
    assert told["config"]["alpha"] == 0.6


def test_the_warm_start_is_the_supervised_contrastive_loss_written_out():
    """Khosla et al., arXiv 2004.11362, equation 2, a row at a time; rows without a partner say nothing."""
    rng = np.random.default_rng(0)
    rows, labels = unit(rng.normal(size=(7, 6))), np.array([0, 0, 1, 1, 1, 2, 3])
    photos = np.array([True, False, True, True, False, True, False])
    heads = Heads(np.eye(6, dtype=np.float32), np.full(6, 0.1, np.float32), np.full(6, -0.1, np.float32))
    learner = Identity(nn.Identity(), heads, Prototypes(torch.ones(4, 6)), Stages(scale=5.0))
    vectors = unit(rows - np.where(photos, 0.1, -0.1)[:, None])
    losses = []
    for row in range(7):
        others = [other for other in range(7) if other != row]
        total = sum(np.exp(5.0 * vectors[row] @ vectors[other]) for other in others)
        same = [other for other in others if labels[other] == labels[row]]
        if same:
            losses.append(-np.mean([np.log(np.exp(5.0 * vectors[row] @ vectors[one]) / total) for one in same]))
    found = learner(torch.from_numpy(rows), torch.from_numpy(photos), torch.from_numpy(labels))
    assert len(losses) == 5 and found.item() == pytest.approx(np.mean(losses), rel=1e-5)
