"""A kind of encoder is one loader and one line of the table; others can be registered from outside the package."""

from pathlib import Path

import pytest
from tests.catalog.conftest import Shop

from snapfind.catalog.models.registry import open_registered
from snapfind.core.errors import BadInput, CatalogBroken, ModelBroken, NotFound
from snapfind.encoders import registry
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.registry import EncoderKind, ModelEntry, open_model_entry, register_kind


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


class Counting(Builtin):
    """A toy encoder: the bundled network that counts the pictures it encodes."""

    encoded = 0

    def extract_features(self, images):
        Counting.encoded += len(images)
        return super().extract_features(images)


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(registry, "KINDS", dict(registry.KINDS))
    register_kind("toy", EncoderKind(lambda base, folders, threads: Counting.load(base, threads=threads)))


def test_a_kind_from_outside_answers_in_a_catalog(shop, toy):
    with shop.open(encoder="toy:lite0") as catalog:
        catalog.add(shop.table)
        name = catalog.info()["model"]
        assert catalog.folder.manifest.models[name].kind == "toy"
    with shop.open() as catalog:
        assert isinstance(catalog.model.photo, Counting)
        before = Counting.encoded
        catalog.add(shop.write())
        catalog.delete(["tea-2"])
        catalog.add(shop.table)
        assert Counting.encoded == before + 2
        assert catalog.search(shop.folder / "a.png")[0].product.id == "tea-1"
        assert isinstance(open_registered(catalog.folder, name, catalog.settings), Counting)


def test_a_kind_from_outside_is_built_beside_another(shop):
    from tests.test_examples import EXAMPLES

    source = (EXAMPLES / "own_encoder.py").read_text().partition("register_kind(")[0]
    own = {"__name__": "own_encoder"}
    exec(compile(source, "own_encoder.py", "exec"), own)
    register_kind("hues", EncoderKind(lambda base, folders, threads: own["Hues"](int(base))))
    try:
        with shop.open() as catalog:
            catalog.add(shop.table)
            name = catalog.models.build("hues:24")
            assert name == "hues-24" and catalog.index.spaces()["hues-24"] == 24
            catalog.models.switch(name)
            assert catalog.search(shop.folder / "a.png")[0].product.id == "tea-1"
            fitted = catalog.models.fit()
            assert fitted != name and catalog.search(shop.folder / "a.png")[0].product.id == "tea-1"
            with pytest.raises(NotFound, match="nothing"):
                catalog.models.build("nothing:24")
        with shop.open() as catalog:
            assert type(catalog.model.photo).__name__ == "Hues"
    finally:
        registry.KINDS.pop("hues")


def test_a_kind_that_is_not_known_is_one_sentence(shop):
    with pytest.raises(ModelBroken, match="'nothing' is not known"):
        open_model_entry("x", ModelEntry("nothing", "x", "x", 3), None, 1)


def test_a_name_is_registered_once(toy):
    with pytest.raises(BadInput, match="taken"):
        register_kind("toy", registry.KINDS["toy"])


def test_models_that_share_a_network_share_its_memory(shop):
    with shop.open() as catalog:
        catalog.add(shop.table)
        catalog.models.fit()
        assert catalog.model.photo._session is catalog.model.others[0]._session


@pytest.mark.parametrize("damage", [{"models": {"x": {"kind": "bundled"}}}, {"models": ["x"]}, {"format": 1}])
def test_a_manifest_of_another_form_is_one_sentence(shop, damage):
    import json

    with shop.open() as catalog:
        catalog.add(shop.table)
    manifest = Path(shop.path / "manifest.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **damage}))
    with pytest.raises(CatalogBroken, match=r"older snapfind|cannot be read"):
        shop.open()
