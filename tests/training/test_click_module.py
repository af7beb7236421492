"""Clicks give classes that nobody labeled, triplets, and the categories of photos; shoppers are simulated."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")
pytest.importorskip("onnx", reason="learning needs the extra snapfind[train]")

from benchmarks.simulation.shoppers import Habits, Ranker, Truth, simulate  # noqa: E402
from sklearn.metrics import normalized_mutual_info_score  # noqa: E402

from snapfind.core.errors import BadInput  # noqa: E402
from snapfind.encoders.arrays import unit  # noqa: E402
from snapfind.training.data.click_log import Search  # noqa: E402
from snapfind.training.loop import TrainingConfig, train  # noqa: E402
from snapfind.training.losses.margin import Prototypes  # noqa: E402
from snapfind.training.losses.triplets import clean_triplets, mine_triplets  # noqa: E402
from snapfind.training.methods.click_module import Clicked, ClickLearner, Weights, click_batches  # noqa: E402
from snapfind.training.methods.virtual_categories import Leaves, Shares  # noqa: E402
from snapfind.training.methods.virtual_ids import count_co_clicks, embed_graph, replace_by_categories, virtual_ids  # noqa: E402
from snapfind.training.models.heads import Heads  # noqa: E402

CLASSES, EACH, WIDTH = 12, 30, 12
KINDS = np.arange(CLASSES) // 3  # four leaf categories
TABS = KINDS[np.arange(CLASSES)] // 2  # two tabs
CALM = Habits(taste=0.0)


def shop(spread=0.6):
    """Unit rows around one center a class, so far from it: photos, items, and what hides behind them."""
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(CLASSES), EACH)
    rows = unit(rng.normal(size=(CLASSES, WIDTH))[labels] + spread * rng.normal(size=(len(labels), WIDTH)) + 0.4)
    return rows[::2], rows[1::2], Truth(labels[::2], labels[1::2], KINDS)


def log_of(searches, habits=CALM, tabs=None, seed=1, spread=0.6):
    photos, items, truth = shop(spread)
    told = truth if tabs is None else replace(truth, tabs=TABS)
    return simulate(Ranker(photos @ items.T, tabs), told, searches, habits, seed)


def test_co_clicks_are_symmetric_and_an_item_is_not_its_own_neighbor():
    graph = count_co_clicks([Search(0, (0, 1, 2), (0, 2)), Search(1, (1, 2), (1,)), Search(1, (2, 3), (3,))], 4)
    assert np.array_equal(graph, graph.T) and not graph.diagonal().any()
    assert graph[0, 2] == 1 and graph[1, 3] == 1 and graph[0, 1] == 0


def test_virtual_ids_come_nearer_to_the_hidden_classes_with_more_clicks():
    photos, items, truth = shop()
    found = []
    for count in (60, 1500):
        ids, of_photos = virtual_ids(log_of(count), len(photos), len(items), CLASSES, dim=16)
        assert ids.max() < CLASSES and (of_photos >= -1).all()
        found.append(normalized_mutual_info_score(truth.items, ids))
    assert found[0] < found[1] and found[1] > 0.7


def test_a_log_without_co_clicks_has_no_virtual_ids():
    ids, of_photos = virtual_ids([Search(0, (0, 1), (0,))], 2, 3, 2)
    assert (ids == -1).all() and (of_photos == -1).all()


def test_leaf_categories_that_one_photo_clicks_share_a_virtual_id():
    leaves = np.array([0, 1, 2, 3])
    log = [Search(photo, (0, 1, 2, 3), (0, 1) if photo % 2 else (2, 3)) for photo in range(20)]
    own, of_photos = virtual_ids(replace_by_categories(log, leaves), 20, 4, 2, dim=2)
    assert own[0] == own[1] != own[2] == own[3]
    assert (of_photos[1::2] == own[0]).all() and (of_photos[::2] == own[2]).all()


def test_shoppers_are_drawn_from_the_seed_and_their_habits_show():
    logs = [log_of(400, seed=4), log_of(400, seed=4), log_of(400, seed=5)]
    assert logs[0] == logs[1] != logs[2]
    truth = shop()[2]

    def right(log):
        return np.mean([truth.items[item] == truth.photos[one.photo] for one in log for item in one.clicked])

    def place(log):
        return np.mean([one.results.index(item) for one in log for item in one.clicked])

    assert right(logs[0]) > right(log_of(400, Habits(taste=0.3))), "who likes a kind clicks it whatever he asked for"
    assert place(log_of(400, replace(CALM, patience=0.6))) < place(log_of(400, replace(CALM, patience=1.0)))


def test_a_wrong_tab_is_changed_now_and_then_and_the_list_holds_one_tab():
    truth = shop()[2]
    wrong = 1 - TABS[truth.photos]
    log = log_of(300, tabs=wrong)
    assert {TABS[truth.items[item]] for one in log if one.switched == 0 for item in one.results} == {0}
    assert all(one.switched in {-1, TABS[truth.photos[one.photo]]} for one in log)
    changed = np.mean([one.switched >= 0 for one in log])
    assert 0.6 < changed < 1, "who stays in the wrong tab clicks less, so most of the log changed it"
    assert all(one.switched == -1 for one in log_of(50, tabs=TABS[truth.photos]))


def test_triplets_name_what_was_passed_over_and_cleaning_drops_noise():
    photos, items, truth = shop()
    assert mine_triplets([Search(7, (4, 3, 2, 1), (3, 1))]).tolist() == [[7, 3, 4], [7, 1, 4], [7, 1, 2]]
    log = log_of(400)
    every = mine_triplets(log)
    ids, _ = virtual_ids(log, len(photos), len(items), CLASSES)
    kept = clean_triplets(every, photos, items, ids)
    assert 0 < len(kept) < len(every) and (ids[kept[:, 1]] != ids[kept[:, 2]]).all()

    def wrong(triplets):
        own = truth.photos[triplets[:, 0]]
        return np.mean((truth.items[triplets[:, 1]] != own) | (truth.items[triplets[:, 2]] == own))

    assert wrong(kept) < 0.7 * wrong(every)
    assert clean_triplets(mine_triplets([]), photos, items, ids).shape == (0, 3)


def learned(log, shares=None, epochs=6, spread=0.6):
    photos, items, truth = shop(spread)
    ids = virtual_ids(log, len(photos), len(items), CLASSES, dim=16)
    own, virtual = virtual_ids(replace_by_categories(log, KINDS[truth.items]), len(photos), 4, 2, dim=2)
    triplets = clean_triplets(mine_triplets(log), photos, items, ids[0])
    clicked = Clicked(log, photos, items, *ids, triplets, KINDS[truth.items], virtual)
    batch, _ = click_batches(clicked, size=32, seed=0)
    torch.manual_seed(0)
    heads = Heads(np.eye(WIDTH, dtype=np.float32), photos.mean(0), items.mean(0))
    leaves = shares and Leaves(torch.from_numpy(own), torch.arange(4) // 2, WIDTH, shares)
    learner = ClickLearner(heads, Prototypes(torch.randn(CLASSES, WIDTH)), Weights(), leaves)
    outcome = train(learner, batch, 20, TrainingConfig(epochs=epochs, rate=1e-2))
    assert outcome.history[-1].loss < outcome.history[0].loss
    return outcome.module


def test_clicks_teach_the_features():
    photos, items, truth = shop(spread=1.0)  # a fifth of the photos finds another class by the features as they are
    found = learned(log_of(1500, spread=1.0), spread=1.0)
    asked, there = (
        found.vectors(torch.from_numpy(side), query=query).numpy() for side, query in ((photos, True), (items, False))
    )
    after = (truth.items[(asked @ there.T).argmax(1)] == truth.photos).mean()
    before = (truth.items[(photos @ items.T).argmax(1)] == truth.photos).mean()
    assert after > before + 0.02  # over five seeds .06 to .09


def test_first_clicks_tell_leaves_and_changed_tabs_tell_tabs():
    photos, _, truth = shop()
    # a ranker that guesses one tab whatever it sees
    logs = [log_of(800, tabs=np.zeros(len(photos), np.int64), seed=seed) for seed in range(3)]

    def right(shares):
        """Part of the photos whose leaf, and whose tab, is told; the mean over the logs."""
        told = []
        for log in logs:
            found = learned(log, shares, epochs=4)
            scores = found.leaves.scores(found.vectors(torch.from_numpy(photos), query=True)).detach().numpy()
            leaf = scores.argmax(1)
            told.append(((leaf == KINDS[truth.photos]).mean(), (leaf // 2 == TABS[truth.photos]).mean()))
        return np.mean(told, axis=0)

    assert right(Shares(virtual=0, switch=0))[0] > 0.6, "of four leaves"
    none, switch = right(Shares(0, 0, 0)), right(Shares(virtual=0, first=0, switch=1))
    assert switch[1] > none[1] + 0.03, "directions that learn nothing lie about .5, as they were drawn"


def test_the_loss_of_categories_is_the_sum_over_leaves():
    torch.manual_seed(0)
    network = Leaves(torch.tensor([0, 0, 1, -1]), torch.tensor([0, 1, 1, 1]), 5, Shares(1.0, 0.0, 0.0))
    rows = torch.nn.functional.normalize(torch.randn(3, 5), dim=1)
    chances = network.scores(rows).softmax(1).detach()
    none = torch.full((3,), -1)
    loss = network(rows, torch.tensor([0, 1, -1]), none, none, none)
    wanted = -(chances[0, :2].sum().log() + chances[1, 2].log()) / 2
    assert torch.allclose(loss, wanted, atol=1e-5)
    assert network(rows, none, none, none, none) == 0, "nothing is known, nothing is learned"
    network.shares = Shares(0.0, 0.0, 1.0)
    loss = network(rows, none, none, torch.tensor([0, -1, 1]), torch.tensor([1, 1, -1]))
    tabs = chances[0, :1].sum().log(), chances[0, 1:].sum().log()
    assert torch.allclose(loss, torch.nn.functional.softplus(tabs[0] - tabs[1]) / 3, atol=1e-5)


def test_a_click_on_what_was_not_shown_is_one_sentence():
    with pytest.raises(BadInput, match=r"Photo 3 has clicks on \{7\}, which were not in its results"):
        Search(3, (1, 2), (2, 7))


def test_the_embedding_factorises_the_mutual_information_of_short_walks():
    """Qiu et al., arXiv 1710.02971, equation 2 (window 4, one negative sample), entry by entry."""
    rng = np.random.default_rng(0)
    graph = np.triu(rng.integers(0, 4, (9, 9)), 1).astype(np.float32)
    graph += graph.T
    degrees, steps = graph.sum(1), graph / graph.sum(1, keepdims=True)
    walks = sum(np.linalg.matrix_power(steps.astype(np.float64), length) for length in range(1, 5))
    wanted = np.zeros((9, 9))
    for one in range(9):
        for other in range(9):
            wanted[one, other] = np.log(max(1.0, degrees.sum() / 4 * walks[one, other] / degrees[other]))
    inner = (found := embed_graph(graph, 9)) @ found.T  # the root of its square: signs of eigenvalues are lost
    assert np.allclose(inner @ inner, wanted @ wanted, atol=1e-4)
    assert np.allclose(wanted, wanted.T, atol=1e-6)
