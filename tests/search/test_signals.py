"""A signal is one entry of a table: one from outside the package is ingested, searched, fused and explained."""

import numpy as np
import pytest
from PIL import Image

import snapfind
from snapfind.core.errors import BadInput, NotFound
from snapfind.encoders.base import Space
from snapfind.search.signals import SIGNALS, Signal, register_signal, unregister_signal


class MeanColor:
    """A toy encoder: the mean color of a picture, as a unit vector."""

    space = Space("mean-color-1", 3, "mean-color")

    def encode_query(self, items):
        return self.encode_document(items)

    def encode_document(self, items):
        rows = np.stack([np.asarray(image.convert("RGB"), np.float32).mean(axis=(0, 1)) + 1 for image in items])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class TitleLength:
    """A toy encoder of texts: short or long."""

    space = Space("title-length-1", 2, "title-length")

    def encode_query(self, items):
        return self.encode_document(items)

    def encode_document(self, items):
        long = np.array([len(text) > 12 for text in items])
        return np.stack([long, ~long], axis=1).astype(np.float32)


@pytest.fixture
def color():
    register_signal(Signal("color", "image", "image", 3.0, encoder=MeanColor()))
    yield "color"
    unregister_signal("color")


def flat(color, side=96):
    return Image.new("RGB", (side, side), color)


@pytest.fixture
def folder(tmp_path):
    for name in ("red", "green", "blue"):
        flat(name).save(tmp_path / f"{name}.png")
    (tmp_path / "shop.csv").write_text(
        "id,title,picture\nr,Cup,red.png\ng,Bowl,green.png\nb,A very long title of a plate,blue.png\n"
    )
    return tmp_path


def test_a_registered_signal_takes_part_in_search(folder, color):
    with snapfind.open(folder / "shop.snap") as catalog:
        catalog.add(folder / "shop.csv")
        assert catalog.index.spaces()["mean-color-1"] == 3
        for name, product in (("red", "r"), ("green", "g"), ("blue", "b")):
            best = catalog.search(flat(name))[0]
            assert best.product.id == product
            assert best.parts["color"] == pytest.approx(1, abs=1e-3) and "image" in best.parts
        similar = catalog.search(snapfind.QueryTerm(product="r"))
        assert "r" not in {hit.product.id for hit in similar} and all("color" in hit.parts for hit in similar)
        assert "color" not in catalog.search("cup")[0].parts, "the signal has no part in a text query"


def test_its_weight_decides_in_the_fusion(folder, color):
    with snapfind.open(folder / "shop.snap") as catalog:
        catalog.add(folder / "shop.csv")
        query = snapfind.Query(
            (snapfind.QueryTerm(photo=flat("green")), snapfind.QueryTerm(text="a mug of tea", weight=0.1))
        )
        assert catalog.search(query)[0].product.id == "g"


def test_a_signal_registered_later_is_built_for_stored_pictures(folder):
    with snapfind.open(folder / "shop.snap") as catalog:
        catalog.add(folder / "shop.csv")
    register_signal(Signal("color", "image", "image", 3.0, encoder=MeanColor()))
    try:
        with snapfind.open(folder / "shop.snap") as catalog:
            assert "color" not in catalog.search(flat("red"))[0].parts
            catalog.models.build_signal("color")
            hit = catalog.search(flat("red"))[0]
            assert hit.product.id == "r" and hit.parts["color"] == pytest.approx(1, abs=1e-2)
            with pytest.raises(NotFound, match="'colour'"):
                catalog.models.build_signal("colour")
    finally:
        unregister_signal("color")
    with snapfind.open(folder / "shop.snap") as catalog:
        assert "color" not in catalog.search(flat("red"))[0].parts


def test_a_signal_on_texts_is_encoded_with_the_titles(folder):
    register_signal(Signal("length", "text", "text", 5.0, encoder=TitleLength()))
    try:
        with snapfind.open(folder / "shop.snap") as catalog:
            catalog.add(folder / "shop.csv")
            hit = catalog.search("something that is long")[0]
            assert hit.product.id == "b" and hit.parts["length"] == pytest.approx(1, abs=1e-3)
    finally:
        unregister_signal("length")


def test_a_signal_without_encoder_or_with_a_taken_name_is_refused(color):
    with pytest.raises(BadInput, match="no encoder"):
        register_signal(Signal("empty", "image", "image", 1.0))
    with pytest.raises(BadInput, match="already a signal 'image'"):
        register_signal(Signal("image", "image", "image", 1.0, encoder=TitleLength()))
    with pytest.raises(BadInput, match="already a signal 'mean-color-1'"):
        register_signal(Signal("other", "image", "image", 1.0, encoder=MeanColor()))
    with pytest.raises(BadInput, match="No registered signal"):
        unregister_signal("bm25")
    assert [signal.name for signal in SIGNALS] == ["image", "text", "text_to_image", "bm25", "color"]
