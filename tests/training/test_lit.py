"""Two maps on frozen features: titles find pictures, and the shop floor loads the space without PyTorch."""

import json
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")
pytest.importorskip("onnx", reason="learning needs the extra snapfind[train]")

from safetensors.torch import load_file  # noqa: E402

from snapfind.core.errors import BadInput, ModelBroken  # noqa: E402
from snapfind.encoders.arrays import softmax, unit  # noqa: E402
from snapfind.encoders.crossmodal.conse import Conse  # noqa: E402
from snapfind.encoders.crossmodal.lit import LitMaps, LitSpace  # noqa: E402
from snapfind.encoders.image.efficientnet import Builtin, Features  # noqa: E402
from snapfind.encoders.text.e5 import TextEncoder  # noqa: E402
from snapfind.training.data.webdataset import Shards  # noqa: E402
from snapfind.training.loop import TrainingConfig  # noqa: E402
from snapfind.training.methods.lit import LitConfig, Pairs, classes_of, encode_pairs, fit_maps, train_and_evaluate  # noqa: E402
from tests.training.test_webdataset import LIMITS, jpeg, pairs, shard  # noqa: E402

TITLES = ["red tea", "a green cup", "shoe", "frying pan", "bicycle", "winter coat"]


@pytest.fixture(scope="module")
def text():
    return TextEncoder()


@pytest.fixture(scope="module")
def seen(text):
    """Pictures that lie around six directions, whose titles nobody knows from ImageNet."""
    rng = np.random.default_rng(0)
    own = np.arange(120) % 6
    centers = rng.gamma(1.0, 1.0, (6, 1280))
    pictures = np.maximum(centers[own] + 0.5 * rng.normal(size=(120, 1280)), 0).astype(np.float32)
    return Pairs(pictures, text.texts(TITLES, role="query"), own)


@pytest.fixture(scope="module", params=["info_nce", "sigmoid"])
def maps(request, seen, text):
    tuning = LitConfig(TrainingConfig(epochs=3, rate=1e-3), request.param, batch=32, dim=5)
    return fit_maps(Pairs(seen.pictures[:90], seen.titles, seen.own[:90]), Builtin.load().raw_id, text.space.id, tuning)


def test_titles_find_pictures_that_were_not_learned_from(maps, seen, text):
    cosines = maps.pictures(seen.pictures[90:]) @ maps.texts(seen.titles).T
    assert (cosines.argmax(1) == seen.own[90:]).mean() > 0.9
    posterior = softmax(np.random.default_rng(1).normal(size=(30, 1000)))
    locked, look = LitSpace(maps, text), Features(seen.pictures[90:], posterior)
    rows, words = locked.encode_features(look), locked.texts(TITLES, role="query")
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5) and rows.shape[1] == locked.space.dim
    conse = Conse(text)
    known = conse.encode_features(posterior) @ conse.texts(TITLES, role="query").T
    assert np.allclose(rows @ words.T, 0.5 * cosines + 0.5 * known, atol=1e-4), "the sum that the docstring says"


def test_the_classifier_of_the_file_gives_a_pair_for_each_class(text):
    found = classes_of(text)
    assert found.pictures.shape == (1000, 1280) and found.titles.shape == (1000, 384)
    both = found.with_(Pairs(found.pictures[:2], found.titles[:2], np.arange(2)))
    assert both.own[-2:].tolist() == [1000, 1001] and len(both.titles) == 1002


def test_the_shop_floor_loads_it_without_pytorch(maps, tmp_path, text):
    maps.save(tmp_path / "space")
    code = (
        "import sys; sys.modules['torch'] = sys.modules['onnx'] = None\n"
        "from pathlib import Path\nfrom snapfind.encoders.crossmodal.lit import LitSpace\n"
        "from snapfind.encoders.text.e5 import TextEncoder\n"
        f"print(LitSpace.load(Path({str(tmp_path / 'space')!r}), TextEncoder(), {maps.encoder!r}).space.id)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == LitSpace(maps, text).space.id


def test_what_is_damaged_or_of_another_encoder_is_refused(maps, tmp_path, text):
    folder = tmp_path / "space"
    maps.save(folder)
    assert LitMaps.load(folder).identity == maps.identity
    with pytest.raises(ModelBroken, match="not on other-1"):
        LitSpace.load(folder, text, "other-1")
    told = json.loads((folder / "manifest.json").read_text())
    for change in ({"share": 0.9}, {"kind": "encoder"}):
        (folder / "manifest.json").write_text(json.dumps(told | change))
        with pytest.raises(ModelBroken):
            LitMaps.load(folder)
    (folder / "weights.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelBroken, match=r"cannot be used|cannot be read|does not match|not a valid"):
        LitMaps.load(folder)


def test_pairs_of_shards_are_seen_once_and_what_cannot_be_read_is_left_out(tmp_path, text):
    members = [*pairs(range(5)), ("bad.jpg", jpeg(1)[:50]), ("bad.txt", b"thing bad")]
    shards, encoder = Shards([shard(tmp_path / "a.tar", members)], LIMITS), Builtin.load()
    told = []
    found, look = encode_pairs(shards, encoder, text, tmp_path / "work", progress=lambda *seen: told.append(seen))
    assert len(found.own) == 5 and told == [(6, 6)]
    wanted = encoder.extract_features([shards.read(3)[0]])
    assert np.allclose(look.pooled[3], wanted.pooled[0], atol=1e-5)
    assert np.allclose(look.posterior[3], wanted.posterior[0], atol=1e-5)
    assert np.allclose(unit(found.titles[found.own[3:4]]), text.texts(["thing 3"], role="query"), atol=1e-5)
    again, _ = encode_pairs(shards, encoder, text, tmp_path / "work", progress=lambda *seen: told.append(seen))
    assert len(told) == 1 and np.array_equal(again.pictures, found.pictures)


def test_it_is_judged_on_pairs_that_were_held_out(seen, text, tmp_path):
    look = Features(seen.pictures, softmax(np.random.default_rng(1).normal(size=(120, 1000))))
    found = train_and_evaluate(seen, look, Builtin.load(), text, tmp_path / "space", held_out=24)
    told = json.loads((tmp_path / "space" / "manifest.json").read_text())
    assert found.pairs == 24 and told["metrics"]["recall_at_1"] == list(found.after)
    assert min(found.after) > max(found.before), "titles that ImageNet does not know"


def test_titles_that_only_judge_do_not_shape_the_space(seen, text, tmp_path):
    own = np.arange(120) % 6
    own[np.random.default_rng([0, 5]).permutation(120)[:24]] = 5  # nearly all that judges carries the last title
    own[np.random.default_rng([0, 5]).permutation(120)[24:]] %= 5
    look = Features(seen.pictures, softmax(np.random.default_rng(1).normal(size=(120, 1000))))
    train_and_evaluate(
        Pairs(seen.pictures, seen.titles, own), look, Builtin.load(), text, tmp_path / "space", held_out=24
    )
    mean = load_file(tmp_path / "space" / "weights.safetensors")["text_mean"].numpy()
    wanted, other = (unit(rows).mean(0) for rows in (seen.titles[:5], seen.titles))
    assert np.linalg.norm(mean - wanted) < np.linalg.norm(mean - other) / 3


def test_one_title_is_one_sentence(seen):
    with pytest.raises(BadInput, match="needs at least two"):
        fit_maps(Pairs(seen.pictures[:1], seen.titles[:1], np.zeros(1, np.int64)), "a", "b")


def test_vectors_that_are_no_numbers_are_one_sentence_also_in_closed_form(seen):
    pictures = seen.pictures.copy()
    pictures[2, 5] = np.nan
    for epochs in (0, 2):
        with pytest.raises(BadInput, match="1 of 120 pictures have NaN or infinite values, the first at row 2"):
            fit_maps(Pairs(pictures, seen.titles, seen.own), "a", "b", LitConfig(TrainingConfig(epochs=epochs)))
