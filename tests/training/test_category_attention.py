"""Titles point at patches, classes are made from clicks before anything is learned."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")

from snapfind.training.loop import TrainingConfig, train  # noqa: E402
from snapfind.training.methods.category_attention import Attention, Document, PhotoToProduct, make_classes  # noqa: E402


def document(n=5, words=3):
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(n, 4, 8, generator=generator)
    return Document(patches, torch.randn(n, words, 6, generator=generator), torch.ones(n, words, dtype=torch.bool))


def test_each_word_spreads_its_attention_over_the_patches():
    weights = Attention(8, 6, 10).weights(document())
    assert weights.shape == (5, 3, 4) and torch.allclose(weights.sum(2), torch.ones(5, 3), atol=1e-6)


def test_without_a_title_the_product_is_its_picture_and_absent_words_do_not_matter():
    attention, own = Attention(8, 6, 10), document()
    nothing = torch.zeros_like(own.present)
    assert torch.allclose(attention(Document(own.patches, own.concepts, nothing)), attention.own(own.patches.mean(1)))
    some = own.present.clone()
    some[:, 2] = False
    other = own.concepts.clone()
    other[:, 2] = 9.0
    first, second = (attention(Document(own.patches, words, some)) for words in (own.concepts, other))
    assert torch.allclose(first, second, atol=1e-6)


def test_photo_and_product_of_a_class_come_together():
    own = document(6)
    photos = own.patches + 0.1 * torch.randn(6, 4, 8, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    model = PhotoToProduct(8, 6, 16, 6)
    batch = photos, own.patches, own.concepts, own.present, torch.arange(6)
    found = train(model, lambda epoch, step: batch, 20, TrainingConfig(epochs=10, rate=2e-2, average=0.5)).module
    scores = found.photos(photos) @ found.products(own).T
    assert (scores.argmax(1) == torch.arange(6)).all()


def test_clicks_that_disagree_with_the_photo_are_dropped():
    photos, products = np.array([0, 0, 0, 1, 1, 1]), np.array([2, 2, 7, 3, 3, 3])
    kept, classes = make_classes(photos, products, 8)
    assert kept.tolist() == [0, 1, 3, 4, 5] and len(set(classes.tolist())) == 8


def test_products_that_share_photos_become_one_class_and_popular_ones_are_capped():
    photos = np.repeat(np.arange(10), 4)
    products = np.tile([0, 0, 1, 1], 10)
    kept, classes = make_classes(photos, products, 3, min_shared=2, max_pairs=5)
    assert classes[0] == classes[1] != classes[2]
    assert np.bincount(products[kept]).tolist() == [5, 5]
