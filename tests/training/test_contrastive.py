"""The gradient in parts is the gradient; two ranks are one rank with twice the batch."""

import copy
import math

import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")

from torch import distributed, multiprocessing, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from snapfind.training.loop import TrainingConfig, train  # noqa: E402
from snapfind.training.losses.contrastive import encode_in_parts, gather_rows, info_nce, sigmoid_loss  # noqa: E402
from tests.training.leaving import leave  # noqa: E402


class Tower(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 8))

    def forward(self, rows):
        return nn.functional.normalize(self.layers(rows), dim=1)


class TwoTower(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.left, self.right = Tower(), Tower()

    def forward(self, left, right):
        return info_nce(gather_rows(self.left(left)), gather_rows(self.right(right)))


def gradients(module):
    return [parameter.grad.clone() for parameter in module.parameters()]


@pytest.mark.parametrize("loss", [info_nce, sigmoid_loss])
@pytest.mark.parametrize("part", [1, 5, 24])
def test_the_gradient_in_parts_is_that_of_the_whole_batch(loss, part):
    towers, rows = TwoTower(), torch.randn(2, 24, 6)
    value = loss(towers.left(rows[0]), towers.right(rows[1]))
    value.backward()
    whole = gradients(towers)
    towers.zero_grad()
    again = loss(encode_in_parts(towers.left, rows[0], part), encode_in_parts(towers.right, rows[1], part))
    again.backward()
    assert torch.allclose(again, value, atol=1e-5)
    for own, expected in zip(gradients(towers), whole):
        assert torch.allclose(own, expected, atol=1e-6)


def test_with_dropout_both_passes_draw_alike():
    torch.manual_seed(1)
    tower, seen = Tower(0.5), []
    tower.layers[2].register_forward_hook(lambda module, given, out: seen.append(out.detach().clone()))
    encode_in_parts(tower, torch.randn(8, 6), 4).sum().backward()
    again = sorted(map(float, (own.sum() for own in seen[2:])))
    assert again == sorted(map(float, (own.sum() for own in seen[:2]))) and len(seen) == 4


def test_info_nce_is_lowest_for_pairs_that_agree():
    rows = nn.functional.normalize(torch.randn(8, 5), dim=1)
    assert info_nce(rows, rows) < info_nce(rows, rows.roll(1, 0))
    assert sigmoid_loss(rows, rows) < sigmoid_loss(rows, rows.roll(1, 0))


def rank(number, ranks, folder):
    if ranks > 1:
        torch.set_num_threads(1)
        distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=number, world_size=ranks)
    rows = torch.randn(2, 16, 6, generator=torch.Generator().manual_seed(5))

    def batch(epoch, step):
        own = rows.roll(epoch + step, 1)[:, number * 16 // ranks : (number + 1) * 16 // ranks]
        return own[0], own[1]

    outcome = train(TwoTower(), batch, 3, TrainingConfig(epochs=2, rate=1e-2, warm=0.0))
    torch.save(outcome.module.state_dict(), f"{folder}/{ranks}-{number}.pt")
    if ranks > 1:
        leave()


@pytest.mark.enable_socket
def test_two_ranks_learn_what_one_rank_with_twice_the_batch_learns(tmp_path):
    rank(0, 1, str(tmp_path))
    multiprocessing.spawn(rank, (2, str(tmp_path)), nprocs=2)
    one, first, second = (torch.load(tmp_path / name, weights_only=True) for name in ("1-0.pt", "2-0.pt", "2-1.pt"))
    start = copy.deepcopy(TwoTower().state_dict())
    for name, value in one.items():
        assert torch.equal(first[name], second[name])
        assert torch.allclose(first[name], value, atol=2e-5), name
        assert not torch.allclose(start[name], value, atol=1e-4)


def _unit_rows(seed, rows=5, dim=4):
    vectors = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return functional.normalize(vectors, dim=1)


def test_the_sigmoid_loss_is_that_of_siglip():
    left, right, same = _unit_rows(0), _unit_rows(1), torch.eye(5, dtype=torch.bool)
    same[0, 3] = same[3, 0] = True
    wanted = 0.0
    for i in range(5):
        for j in range(5):
            logit = 7.0 * float(left[i] @ right[j]) - 3.0
            wanted += math.log1p(math.exp(-logit if same[i, j] else logit)) / 5
    assert float(sigmoid_loss(left, right, scale=7.0, bias=-3.0, same=same)) == pytest.approx(wanted)


def test_info_nce_averages_over_positives_and_both_directions():
    left, right, same = _unit_rows(2), _unit_rows(3), torch.eye(5, dtype=torch.bool)
    same[1, 2] = True  # not symmetric, so the two directions differ
    wanted = 0.0
    for rows, columns, positive in ((left, right, same), (right, left, same.T)):
        for i in range(5):
            logits = [6.0 * float(rows[i] @ columns[j]) for j in range(5)]
            total = math.log(sum(math.exp(logit) for logit in logits))
            own = [logits[j] - total for j in range(5) if positive[i, j]]
            wanted -= sum(own) / len(own) / 10
    assert float(info_nce(left, right, scale=6.0, same=same)) == pytest.approx(wanted)


@pytest.mark.parametrize("loss", [info_nce, sigmoid_loss])
def test_hard_negatives_weigh_more_and_their_mean_weight_is_one(loss):
    left, right = _unit_rows(4), _unit_rows(5)
    flat = torch.zeros_like(left)
    flat[:, 0] = 1.0  # all negatives are equally hard: the weights change nothing
    assert float(loss(flat, flat, hard=0.7)) == pytest.approx(float(loss(flat, flat)))
    assert float(loss(left, right, hard=0.7)) > float(loss(left, right))
