"""Purity finds wrong labels, the three stages learn identities, clicks give classes that nobody labelled."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[learn]")
pytest.importorskip("onnx", reason="learning needs the extra snapfind[learn]")

from sklearn.metrics import normalized_mutual_info_score  # noqa: E402
from torch import nn  # noqa: E402

from snapfind.encoders.vectors import unit  # noqa: E402
from snapfind.learn.clicks import (  # noqa: E402
    ClickLearner,
    Search,
    Weights,
    clean_triplets,
    click_batches,
    co_clicks,
    virtual_ids,
)
from snapfind.learn.heads import Heads, first_matrix  # noqa: E402
from snapfind.learn.identity import Stages, learn_identity  # noqa: E402
from snapfind.learn.maps import Maps  # noqa: E402
from snapfind.learn.margins import Prototypes  # noqa: E402
from snapfind.learn.purity import pure  # noqa: E402
from snapfind.learn.shopper import Habits, simulate  # noqa: E402
from snapfind.learn.training import Plan, train  # noqa: E402

CLASSES, EACH, WIDTH = 12, 20, 24


def things(seed, each=EACH, spread=0.5):
    """Rows around one centre a class; the first half of the numbers is nothing but noise."""
    rng = np.random.default_rng([1, seed])
    centres = np.random.default_rng(0).normal(size=(CLASSES, WIDTH // 2))
    labels = np.repeat(np.arange(CLASSES), each)
    told = centres[labels] + spread * rng.normal(size=(len(labels), WIDTH // 2))
    return np.hstack([3 * rng.normal(size=told.shape), told]).astype(np.float32), labels


def wrong(labels, part, seed=0):
    rng = np.random.default_rng([2, seed])
    moved = (labels + rng.integers(1, CLASSES, len(labels))) % CLASSES
    return np.where(rng.random(len(labels)) < part, moved, labels)


def test_the_purity_filter_keeps_right_labels_and_drops_wrong_ones():
    rows, labels = things(0, spread=0.5)
    noisy = wrong(labels, 0.2)
    kept = pure(unit(rows[:, WIDTH // 2 :]), noisy, neighbours=10, least=3)
    assert kept[noisy == labels].mean() > 0.95 and kept[noisy != labels].mean() < 0.2


def test_a_label_is_never_emptied():
    rows = unit(np.random.default_rng(0).normal(size=(30, 4)))
    assert pure(rows, np.arange(30)).all()


def learnt(noise, purify, seed=0):
    photos, labels = things(seed)
    studio = np.stack([things(9)[0][things(9)[1] == own].mean(0) for own in range(CLASSES)])
    kept = np.concatenate([photos, studio])[:, None].astype(np.float16)
    products = np.concatenate([wrong(labels, noise, seed), np.arange(CLASSES)])
    source = Maps(kept, products, np.arange(len(kept)) < len(photos))
    rows = unit(kept[:, 0])
    matrix = first_matrix(rows, products, 16)
    heads = Heads(matrix, rows[: len(photos)].mean(0), rows[len(photos) :].mean(0))
    short = Plan(epochs=3, rate=3e-3, seed=seed)
    stages = Stages(short, replace(short, epochs=1), replace(short, epochs=5), purify=purify, part=0.8)
    learner, used = learn_identity(nn.Identity(), heads, source, np.arange(len(photos)), CLASSES, stages)
    test, truth = things(5)
    asked = learner.vectors(torch.from_numpy(test), query=True).numpy()
    there = learner.vectors(torch.from_numpy(studio.astype(np.float32)), query=False).numpy()
    raw = (unit(test) @ unit(studio).T).argmax(1)
    return ((asked @ there.T).argmax(1) == truth).mean(), (raw == truth).mean(), len(used) / len(photos)


def test_three_stages_find_more_than_the_raw_features():
    found, raw, used = learnt(0.0, purify=False)
    assert found > raw + 0.1 and used == 1.0


def test_with_wrong_labels_the_filter_drops_photos_and_still_learns():
    found, raw, used = learnt(0.3, purify=True)
    assert found > raw and 0.4 < used < 0.95


def test_co_clicks_are_symmetric_and_an_item_is_not_its_own_neighbour():
    graph = co_clicks([Search(0, (0, 1, 2), (0, 2)), Search(1, (1, 2), (1,)), Search(1, (2, 3), (3,))], 4)
    assert np.array_equal(graph, graph.T) and not graph.diagonal().any()
    assert graph[0, 2] == 1 and graph[1, 3] == 1 and graph[0, 1] == 0


def shop():
    rows, labels = things(3, each=30, spread=0.6)
    rows = unit(rows[:, WIDTH // 2 :] + 0.4)
    return rows[::2], labels[::2], rows[1::2], labels[1::2]


def test_virtual_ids_come_nearer_to_the_hidden_classes_with_more_clicks():
    photos, own, items, hidden = shop()
    scores = photos @ items.T
    found = []
    for count in (60, 1500):
        log = simulate(
            scores, own, items=hidden, kinds=np.arange(CLASSES) // 3, searches=count, habits=Habits(), seed=1
        )
        ids, of_photos = virtual_ids(log, len(photos), len(items), CLASSES, dim=16)
        assert ids.max() < CLASSES and (of_photos >= -1).all()
        found.append(normalized_mutual_info_score(hidden, ids))
    assert found[0] < found[1] and found[1] > 0.7


def test_the_same_seed_makes_the_same_log_and_triplets_name_what_was_passed_over():
    photos, own, items, hidden = shop()
    logs = [simulate(photos @ items.T, own, hidden, np.zeros(CLASSES), 200, Habits(), seed=4) for _ in range(2)]
    assert logs[0] == logs[1]
    ids, _ = virtual_ids(logs[0], len(photos), len(items), CLASSES)
    triplets = clean_triplets(logs[0], photos, items, ids)
    assert len(triplets) and (ids[triplets[:, 1]] != ids[triplets[:, 2]]).all()


def test_clicks_teach_the_features():
    photos, own, items, hidden = shop()
    log = simulate(photos @ items.T, own, hidden, np.arange(CLASSES) // 3, 1500, Habits(), seed=1)
    ids = virtual_ids(log, len(photos), len(items), CLASSES, dim=16)
    triplets = clean_triplets(log, photos, items, ids[0])
    batch, _ = click_batches(log, (photos, items), ids, triplets, size=32, seed=0)
    torch.manual_seed(0)
    width = photos.shape[1]
    heads = Heads(np.eye(width, dtype=np.float32), photos.mean(0), items.mean(0))
    learner = ClickLearner(heads, Prototypes(torch.randn(CLASSES, width)), Weights())
    outcome = train(learner, batch, 20, Plan(epochs=6, rate=1e-2))
    assert outcome.history[-1].loss < outcome.history[0].loss
    rows = torch.from_numpy(np.concatenate([photos, items]))
    vectors = outcome.module.heads(rows, torch.arange(len(rows)) < len(photos)).detach().numpy()
    after = (hidden[(vectors[: len(photos)] @ vectors[len(photos) :].T).argmax(1)] == own).mean()
    before = (hidden[(photos @ items.T).argmax(1)] == own).mean()
    assert after >= before - 0.02
