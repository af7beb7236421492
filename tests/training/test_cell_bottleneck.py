"""The closed form is the divergence, noise is drawn in training only, and beta presses the divergence down."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")

from torch.distributions import Normal, kl_divergence  # noqa: E402

from snapfind.training.loop import TrainingConfig, train  # noqa: E402
from snapfind.training.methods.cell_bottleneck import (  # noqa: E402
    BottleneckConfig,
    BottleneckNet,
    corrupt,
    count_parameters,
    flip_labels,
    kl_to_normal,
    scale_to_size,
)

EVERY = BottleneckConfig((4, 6, 8), frozenset({0, 1, 2}), 3)


def test_the_closed_form_is_torchs_and_the_mean_of_samples():
    mean, deviation = torch.randn(50), torch.rand(50) + 0.1
    found = kl_to_normal(mean, deviation)
    own, standard = Normal(mean, deviation), Normal(0.0, 1.0)
    assert torch.allclose(found, kl_divergence(own, standard).mean(), atol=1e-6)
    drawn = own.sample((20000,))
    assert found.item() == pytest.approx((own.log_prob(drawn) - standard.log_prob(drawn)).mean().item(), abs=0.05)


def test_test_time_has_no_noise_and_training_has():
    network, images = BottleneckNet(EVERY), torch.rand(4, 1, 8, 8)
    assert not torch.equal(network.logits(images), network.logits(images))
    network.eval()
    assert torch.equal(network.logits(images), network.logits(images))


def test_every_stochastic_cell_pays_and_a_plain_one_does_not():
    images = torch.rand(4, 1, 8, 8)
    _, every = BottleneckNet(EVERY).logits_and_divergences(images)
    _, last = BottleneckNet(BottleneckConfig((4, 6, 8), frozenset({2}), 3)).logits_and_divergences(images)
    assert (every > 0).all() and last[:2].tolist() == [0, 0] and last[2] > 0


def test_variants_are_compared_at_about_equal_size():
    wanted = count_parameters(EVERY)
    plain = scale_to_size(BottleneckConfig((4, 6, 8), frozenset(), 3), wanted, (4, 6, 8))
    assert abs(count_parameters(plain) - wanted) < 0.1 * wanted


def test_it_learns_and_a_greater_beta_makes_the_divergence_smaller():
    images = torch.zeros(60, 1, 8, 8)
    labels = torch.arange(60) % 3
    for row, label in enumerate(labels):
        images[row, 0, int(label) * 2 : int(label) * 2 + 2] = 1
    images += 0.1 * torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    divergences = []
    for beta in (0.0, 0.2):
        torch.manual_seed(0)
        network = BottleneckNet(replace(EVERY, beta=beta))
        found = train(
            network, lambda epoch, step: (images, labels), 10, TrainingConfig(epochs=8, rate=1e-2, average=0.5)
        ).module
        assert (found.logits(images).argmax(1) == labels).float().mean() > 0.9
        divergences.append(found.logits_and_divergences(images)[1].sum())
    assert divergences[1] < 0.7 * divergences[0]


def test_noise_on_labels_and_images_is_of_the_size_asked_for():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(2000) % 10
    assert (flip_labels(labels, 0.4, 10, generator) != labels).float().mean().item() == pytest.approx(0.4, abs=0.04)
    images = torch.rand(3, 1, 8, 8)
    assert torch.equal(corrupt(images, "none", generator), images)
    for kind in ("noise", "blur", "contrast"):
        changed = corrupt(images, kind, generator)
        assert changed.shape == images.shape and not torch.equal(changed, images)
