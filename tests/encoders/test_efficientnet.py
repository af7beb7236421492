"""The built-in encoder keeps the port's contract, answers alike alone and in a batch, and refuses a damaged model."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snapfind.core.errors import ModelBroken, NoText, NotFound
from snapfind.encoders.base import Encoder
from snapfind.encoders.golden import check_golden, golden_pictures
from snapfind.encoders.image import efficientnet
from snapfind.encoders.image.efficientnet import Builtin

SHIPPED = Path(efficientnet.__file__).parent.parent / "weights/lite0"


@pytest.mark.parametrize("role", ["query", "document"])
def test_rows_are_unit_float32_of_the_space(encoder, pictures, role):
    vectors = encoder.images(pictures, role)
    assert vectors.shape == (len(pictures), encoder.space.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_it_is_an_encoder_with_a_named_space(encoder):
    checked: Encoder = encoder
    assert checked.space.id.startswith("lite0-")
    assert checked.space.preprocessing["side"] == 224


def test_no_pictures_give_no_rows(encoder):
    assert encoder.images([], "query").shape == (0, encoder.space.dim)
    assert encoder.extract_features([]).posterior.shape == (0, 1000)


def test_single_equals_batch(encoder, pictures):
    many = [*pictures, *pictures, *pictures]  # more than one batch
    alone = np.vstack([encoder.images([picture], "query") for picture in many])
    np.testing.assert_allclose(encoder.images(many, "query"), alone, atol=1e-5)


def test_looks_can_be_projected_later(encoder, pictures):
    looks = encoder.extract_features(pictures)
    np.testing.assert_array_equal(encoder.project(looks, "document"), encoder.images(pictures, "document"))
    np.testing.assert_allclose(looks.posterior.sum(axis=1), 1, atol=1e-5)


def test_threads_share_one_encoder(encoder, pictures):
    expected = encoder.images(pictures, "query")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: encoder.images(pictures, "query"), range(8)))
    for answer in answers:
        np.testing.assert_allclose(answer, expected, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1), (3, 2)])
def test_hostile_sizes_give_a_vector(encoder, size):
    vectors = encoder.images([Image.new("RGB", size, (200, 30, 30))], "query")
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_other_modes_are_turned_to_rgb(encoder, mode):
    assert np.isfinite(encoder.images([Image.new(mode, (40, 30))], "query")).all()


def test_texts_are_refused(encoder):
    with pytest.raises(NoText, match="no text side"):
        encoder.texts(["apple"], "query")


def test_classes_are_in_the_standard_order(encoder, real_data):
    folder = real_data / "grocery/catalogue/Fruit"
    studio = [
        Image.open(next(folder.glob(f"**/{name}_Iconic.jpg"))) for name in ("Granny-Smith", "Banana", "Pineapple")
    ]
    assert encoder.extract_features(studio).posterior.argmax(axis=1).tolist() == [948, 954, 953]


def test_golden_vectors_hold(encoder):
    vectors = encoder.images(golden_pictures(), "document")
    check_golden(vectors, vectors, "itself")
    with pytest.raises(ModelBroken, match="golden"):
        check_golden(vectors[::-1], vectors, "another order")


@pytest.fixture
def copied(tmp_path):
    return Path(shutil.copytree(SHIPPED, tmp_path / "lite0"))


def test_a_copy_is_the_same_space(encoder, copied):
    assert Builtin.load(str(copied), threads=1).space == encoder.space


def test_a_flipped_byte_in_the_model_is_found(copied):
    content = bytearray((copied / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (copied / "model.onnx").write_bytes(content)
    with pytest.raises(ModelBroken, match="does not match its manifest"):
        Builtin.load(str(copied))


def test_another_preprocessing_is_found_by_the_golden_vector(copied):
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["preprocessing"]["pad"] = [0, 0, 0]
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelBroken, match="golden"):
        Builtin.load(str(copied))


@pytest.mark.parametrize("name", ["model.onnx", "golden.safetensors"])
def test_a_missing_file_is_named(copied, name):
    (copied / name).unlink()
    with pytest.raises(ModelBroken, match=name):
        Builtin.load(str(copied))


def test_an_unknown_encoder_says_how_to_make_one():
    with pytest.raises(NotFound, match=r"export_encoder\.py"):
        Builtin.load("lite9")
