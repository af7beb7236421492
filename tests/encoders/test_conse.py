"""Class probabilities land near the texts that mean what the classifier saw."""

import numpy as np
import pytest

from snapfind.core.errors import BadInput
from snapfind.encoders.crossmodal.conse import Conse, class_names
from snapfind.encoders.text.e5 import TextEncoder


@pytest.fixture(scope="module")
def text():
    return TextEncoder()


def certain(*names):
    """(n, 1000) posteriors of pictures that are one class for sure, but for a little of everything."""
    posterior = np.full((len(names), 1000), 1e-5, np.float32)
    for row, name in zip(posterior, names):
        row[class_names().index(name)] = 0.99
    return posterior


def test_there_are_a_thousand_different_names_in_order():
    names = class_names()
    assert len(set(names)) == 1000
    assert (names[0], names[951], names[999]) == ("tench", "lemon", "toilet tissue")


def test_the_shipped_names_are_what_the_text_encoder_says_of_them(text):
    # Fails when the text encoder changed: run scripts/embed_class_names.py.
    few = [0, 499, 951]
    shipped = Conse(text).names[few]
    assert np.allclose(shipped, text.texts([class_names()[i] for i in few], role="document"), atol=2e-3)


def test_rows_are_unit_vectors_of_the_space(text):
    conse = Conse(text)
    for rows in (conse.encode_features(certain("lemon", "banana")), conse.texts(["lemon", ""], role="query")):
        assert (rows.shape, rows.dtype) == ((2, conse.space.dim), np.float32)
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert conse.encode_features(np.zeros((0, 1000), np.float32)).shape == (0, 384)
    assert conse.texts([], role="query").shape == (0, 384)


@pytest.mark.parametrize("query", ["a lemon", "citron", "柠檬"])
def test_a_text_finds_the_picture_of_what_it_names(text, query):
    conse = Conse(text)
    pictures = conse.encode_features(certain("running shoe", "banana", "lemon", "espresso", "umbrella"))
    assert (pictures @ conse.texts([query], role="query")[0]).argmax() == 2


def test_only_the_top_classes_count(text):
    posterior = certain("lemon")
    posterior[0, class_names().index("banana")] = 0.005
    assert not np.allclose(
        Conse(text, top=2).encode_features(posterior), Conse(text, top=1).encode_features(posterior), atol=1e-4
    )
    noisy = posterior.copy()
    noisy[noisy < 1e-4] *= 0.5
    assert np.allclose(
        Conse(text, top=2).encode_features(posterior), Conse(text, top=2).encode_features(noisy), atol=1e-6
    )


def test_the_scale_of_the_probabilities_does_not_matter(text):
    conse = Conse(text)
    assert np.allclose(conse.encode_features(certain("lemon") / 7), conse.encode_features(certain("lemon")), atol=1e-6)


def test_each_choice_is_another_space(text):
    assert len({Conse(text).space.id, Conse(text, top=3).space.id, text.space.id}) == 3
    assert Conse(text).space == Conse(TextEncoder()).space


@pytest.mark.parametrize("top", [0, 1001])
def test_a_top_out_of_range_says_what_to_give(text, top):
    with pytest.raises(BadInput, match="1 to 1000"):
        Conse(text, top=top)


@pytest.mark.parametrize("shape", [(1000,), (2, 999)])
def test_a_posterior_of_another_shape_is_refused(text, shape):
    with pytest.raises(BadInput, match="1000"):
        Conse(text).encode_features(np.ones(shape, np.float32))
