"""Margins move only the own class, and the sampled softmax stands for the full one."""

import math

import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.nn import functional  # noqa: E402

from snapfind.training.losses.margin import Prototypes, angular_margin, cosine_margin, margin_loss, sample_classes  # noqa: E402


@given(st.floats(-0.999, 0.999), st.floats(0.0, 0.5))
def test_the_angular_margin_turns_the_own_angle_and_leaves_the_others(cosine, margin):
    cosines, labels = torch.tensor([[cosine, 0.3, -0.2]]), torch.tensor([0])
    moved = angular_margin(cosines, labels, margin)
    assert torch.equal(moved[:, 1:], cosines[:, 1:])
    assert moved[0, 0] <= cosine + 1e-5
    if math.acos(cosine) + margin <= math.pi:
        assert moved[0, 0].item() == pytest.approx(math.cos(math.acos(cosine) + margin), abs=1e-4)


def test_without_a_margin_both_are_the_plain_softmax():
    cosines, labels = torch.rand(5, 7) * 2 - 1, torch.tensor([0, 3, 6, 1, 1])
    plain = functional.cross_entropy(16 * cosines, labels)
    for margin in (cosine_margin, angular_margin):
        assert torch.allclose(margin_loss(margin(cosines, labels, 0.0), labels, scale=16), plain, atol=1e-4)


def test_a_margin_makes_the_loss_larger_and_its_gradient_is_finite_at_both_ends():
    cosines = torch.tensor([[1.0, 0.1], [-1.0, 0.1]], requires_grad=True)
    labels = torch.tensor([0, 0])
    loss = margin_loss(angular_margin(cosines, labels, 0.3), labels, scale=16)
    loss.backward()
    assert loss > margin_loss(cosines, labels, scale=16) and torch.isfinite(cosines.grad).all()


@given(st.integers(2, 40), st.floats(0.05, 1.0), st.integers(0, 99))
def test_sampled_classes_hold_the_batch_and_no_class_twice(classes, part, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (6,), generator=generator)
    chosen, places = sample_classes(labels, classes, part, generator)
    assert torch.equal(chosen[places], labels)
    assert len(chosen.unique()) == len(chosen) == max(len(labels.unique()), round(part * classes))


def test_the_sampled_softmax_learns_what_the_full_one_does_within_noise():
    """400 identities in 32 dimensions: the share of unseen vectors that find their own, over three seeds."""

    def learned(part, seed):
        generator = torch.Generator().manual_seed(seed)
        centers = functional.normalize(torch.randn(400, 32, generator=generator))
        labels = torch.arange(400).repeat(6)
        rows = centers[labels] + 0.16 * torch.randn(2400, 32, generator=generator)
        train, test = functional.normalize(rows[:2000]), functional.normalize(rows[2000:])
        prototypes = Prototypes(torch.randn(400, 32, generator=generator))
        optimizer = torch.optim.Adam(prototypes.parameters(), 0.05)
        for _ in range(12):
            for batch in torch.randperm(2000, generator=generator).split(100):
                chosen, places = sample_classes(labels[batch], 400, part, generator)
                cosines = prototypes(train[batch], chosen)
                loss = margin_loss(angular_margin(cosines, places, 0.2), places, scale=16)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return (prototypes(test).argmax(1) == labels[2000:]).float().mean().item()

    full, part = ([learned(part, seed) for seed in range(3)] for part in (1.0, 0.25))
    assert min(full) > 0.8
    assert abs(sum(full) - sum(part)) / 3 < 0.05
