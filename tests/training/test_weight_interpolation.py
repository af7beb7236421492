"""Learned heads beside a closed form: the same ranking at either end, and products never seen stay findable."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")

from snapfind.encoders.arrays import unit  # noqa: E402
from snapfind.training.initialization import EncodedSamples  # noqa: E402
from snapfind.training.models.heads import Heads, discriminant_matrix  # noqa: E402
from snapfind.training.weight_interpolation import append_closed_form, interpolate_weights  # noqa: E402

WIDTH, KNOWN, NEW, PHOTOS = 48, 6, 6, 8


def shop(seed=0):
    """Unit features of photos and studio pictures; the first KNOWN products are learned from."""
    rng = np.random.default_rng(seed)
    things = rng.standard_normal((KNOWN + NEW, WIDTH))
    nuisance = rng.standard_normal((3, WIDTH)) * 2
    labels = np.repeat(np.arange(KNOWN + NEW), PHOTOS)
    noise = 0.5 * rng.standard_normal((len(labels), WIDTH)) + rng.standard_normal((len(labels), 3)) @ nuisance
    return unit((things[labels] + noise).astype(np.float32)), unit(things.astype(np.float32)), labels


def seen(photos, studio, labels):
    known = labels < KNOWN
    rows = np.concatenate([photos[known], studio[:KNOWN]])
    queries = np.arange(len(rows)) < known.sum()
    return EncodedSamples(np.arange(len(rows)), rows, np.concatenate([labels[known], np.arange(KNOWN)]), queries)


def narrow(own):
    """Heads that tell the known products apart and see nothing else: the means of the products as columns."""
    means = np.stack([own.features[own.products == product].mean(0) for product in range(KNOWN)])
    centered = (means - means.mean(0)).astype(np.float32)
    return Heads(centered.T.copy(), own.features[own.queries].mean(0), own.features[~own.queries].mean(0))


@torch.no_grad()
def cosines(heads, photos, studio):
    sides = [
        heads(torch.from_numpy(rows), torch.full((len(rows),), query))
        for rows, query in ((photos, True), (studio, False))
    ]
    return (sides[0] @ sides[1].T).numpy()


def test_without_a_share_the_ranking_is_that_of_the_heads():
    photos, studio, labels = shop()
    own = seen(photos, studio, labels)
    heads = narrow(own)
    np.testing.assert_allclose(
        cosines(append_closed_form(heads, own, 0.0), photos, studio), cosines(heads, photos, studio), atol=1e-5
    )


def test_with_the_whole_share_the_ranking_is_that_of_the_closed_form():
    photos, studio, labels = shop()
    own = seen(photos, studio, labels)
    heads = narrow(own)
    closed = Heads(
        discriminant_matrix(own.features, own.products, KNOWN),
        *(own.features[s].mean(0) for s in (own.queries, ~own.queries)),
    )
    np.testing.assert_allclose(
        cosines(append_closed_form(heads, own, 1.0), photos, studio), cosines(closed, photos, studio), atol=1e-5
    )


def test_products_never_seen_are_found_more_often_than_by_the_heads_alone():
    for seed in range(3):
        photos, studio, labels = shop(seed)
        own = seen(photos, studio, labels)
        heads, new = narrow(own), labels >= KNOWN
        alone = (cosines(heads, photos, studio).argmax(1) == labels)[new].mean()
        steady = (cosines(append_closed_form(heads, own), photos, studio).argmax(1) == labels)[new].mean()
        assert steady >= alone
    assert steady > alone


def test_the_catalog_side_keeps_its_own_matrix_and_mean():
    photos, studio, labels = shop()
    own = seen(photos, studio, labels)
    heads = narrow(own)
    with torch.no_grad():
        heads.document.mul_(2.0)
    joined = append_closed_form(heads, own)
    assert not torch.allclose(joined.query[:, :KNOWN], joined.document[:, :KNOWN])
    assert torch.equal(joined.document_mean, heads.document_mean)


@pytest.mark.parametrize(("part", "wanted"), [(0.0, 1.0), (0.25, 1.5), (1.0, 3.0)])
def test_weights_stop_a_part_of_the_way(part, wanted):
    layer = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(layer.weight, 1.0)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    torch.nn.init.constant_(layer.weight, 3.0)
    interpolate_weights(before, layer, part)
    assert torch.allclose(layer.weight, torch.full((2, 2), wanted))
    assert torch.equal(layer.bias, before["bias"])
