"""An adapter is fitted on pictures alone, is the same for the same seed, and belongs to one encoder."""

import json

import numpy as np
import pytest
from PIL import Image

from snapfind.core.errors import BadInput, ModelBroken
from snapfind.encoders.adapter import Adapter
from snapfind.encoders.adapters.fit import fit
from snapfind.encoders.image.efficientnet import Builtin


@pytest.fixture(scope="module")
def adapter(encoder, pictures) -> Adapter:
    return fit(pictures[:4], encoder, views=8, seed=3)


def test_the_adapted_encoder_keeps_the_contract(encoder, adapter, pictures):
    adapted = encoder.adapted(adapter)
    assert adapted.space.id != encoder.space.id
    for role in ("query", "document"):
        vectors = adapted.images(pictures, role)
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(pictures), adapted.space.dim)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert adapted.images([], "query").shape == (0, adapted.space.dim)


def test_roles_differ(encoder, adapter, pictures):
    adapted = encoder.adapted(adapter)
    assert not np.allclose(adapted.images(pictures, "query"), adapted.images(pictures, "document"), atol=1e-3)


def test_it_survives_the_folder(encoder, adapter, pictures, tmp_path):
    adapter.save(tmp_path / "adapter")
    loaded = Builtin.load(adapter=tmp_path / "adapter")
    assert loaded.space == encoder.adapted(adapter).space
    expected = encoder.adapted(adapter).images(pictures, "query")
    np.testing.assert_allclose(loaded.images(pictures, "query"), expected, atol=1e-5)
    manifest = json.loads((tmp_path / "adapter/manifest.json").read_text())
    assert manifest["pictures"] == 4
    assert "seed=3" in manifest["command"]


def test_the_seed_decides(encoder, adapter, pictures):
    assert fit(pictures[:4], encoder, views=8, seed=3).identity == adapter.identity
    assert fit(pictures[:4], encoder, views=8, seed=4).identity != adapter.identity


def test_progress_counts_pictures(encoder, pictures):
    seen = []
    fit(pictures[:2], encoder, views=4, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_two_products_suffice_and_one_does_not(encoder, pictures):
    assert np.isfinite(encoder.adapted(fit(pictures[:2], encoder, views=4)).images(pictures, "query")).all()
    with pytest.raises(BadInput, match="two pictures"):
        fit(pictures[:1], encoder)


def test_twice_the_same_picture_does_no_harm(encoder, pictures):
    adapted = encoder.adapted(fit([pictures[0], pictures[0]], encoder, views=4))
    assert np.isfinite(adapted.images(pictures, "document")).all()


def test_a_large_catalog_is_sampled(encoder, pictures, monkeypatch):
    monkeypatch.setattr("snapfind.encoders.adapters.fit._PICTURES", 3)

    asked = set()

    class Lazy(list[Image.Image]):
        def __getitem__(self, place):
            asked.add(place)
            return super().__getitem__(place)

    fit(Lazy(pictures), encoder, views=4)
    assert len(asked) == 3


def test_an_adapter_of_another_encoder_is_refused(encoder, adapter):
    with pytest.raises(ModelBroken, match="fitted on lite0-00000000"):
        encoder.adapted(Adapter("lite0-00000000", adapter.weights))


def test_changed_weights_are_refused(adapter, tmp_path):
    adapter.save(tmp_path)
    content = bytearray((tmp_path / "weights.safetensors").read_bytes())
    content[len(content) // 2] ^= 0x55
    (tmp_path / "weights.safetensors").write_bytes(content)
    with pytest.raises(ModelBroken, match="does not match its manifest"):
        Adapter.load(tmp_path)


@pytest.mark.parametrize("name", ["manifest.json", "weights.safetensors"])
def test_half_a_file_is_refused(adapter, tmp_path, name):
    adapter.save(tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelBroken, match=r"cannot be used|does not match its manifest"):
        Adapter.load(tmp_path)


@pytest.mark.slow
def test_photos_of_real_products_come_nearer(encoder, real_data):
    """Fitted on the studio pictures alone; asked with every tenth photo that shoppers took for `train`."""
    folder = real_data / "grocery"
    rows = [line.split(",") for line in (folder / "classes.csv").read_text().splitlines()[1:]]
    studio = [Image.open(folder / row[4]).convert("RGB") for row in rows]
    lines = [line.split(", ") for line in (folder / "train.txt").read_text().splitlines()][::10]
    photos = [Image.open(folder / path).convert("RGB") for path, _, _ in lines]
    wanted = [int(fine) for _, fine, _ in lines]

    def recall(asked: Builtin) -> float:
        return float(((asked.images(photos, "query") @ asked.images(studio, "document").T).argmax(1) == wanted).mean())

    assert recall(encoder.adapted(fit(studio, encoder))) > recall(encoder) + 0.03
