"""A catalog is fitted to photos of shoppers, labeled or not: files, kept photos, and what cannot be used."""

import json

import pytest
from PIL import Image, ImageEnhance

from snapfind.core.errors import BadInput
from tests.catalog.conftest import COUNT
from tests.pictures import picture


def photographed(number):
    """As a dim shop shows it: darker, yellow, a little turned."""
    dim = ImageEnhance.Brightness(picture(number).rotate(8, fillcolor=(90, 80, 40))).enhance(0.5)
    return Image.blend(dim, Image.new("RGB", dim.size, (120, 100, 0)), 0.25)


def told(catalog, name):
    return json.loads((catalog.folder.space(name) / "manifest.json").read_text())


def test_photos_without_a_label_make_another_model_and_what_cannot_be_read_is_said(larger, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    sentences = []
    photos = [photographed(number) for number in range(COUNT)]
    fitted = larger.models.fit([*photos, broken], refused=sentences.append)
    assert larger.info()["model"] == fitted and told(larger, fitted)["unlabeled_photos"] == COUNT
    assert len(sentences) == 1 and "broken.jpg" in sentences[0]
    found = [larger.search(photographed(number))[0].product.id for number in range(COUNT)]
    assert found == [f"m{number}" for number in range(COUNT)]


def test_photos_with_a_label_are_told_from_those_without_and_of_products_that_are_not_here(larger):
    sentences = []
    confirmed = [(photographed(number), f"m{number}") for number in range(COUNT)]
    fitted = larger.models.fit([picture(0)], [*confirmed, (picture(1), "gone")], refused=sentences.append)
    facts = told(larger, fitted)
    assert (facts["labeled_photos"], facts["unlabeled_photos"]) == (COUNT, 1)
    assert len(sentences) == 1 and "'gone'" in sentences[0]
    assert larger.search(photographed(3))[0].product.id == "m3"


def test_photos_of_which_none_can_be_read_change_nothing(larger, tmp_path):
    before = larger.info()["model"]
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(BadInput, match="none of the 2 photos"):
        larger.models.fit([broken], [(photographed(1), "no such product")])
    assert larger.info()["model"] == before and len(larger.info()["models"]) == 1


def test_kept_photos_of_searches_are_taken_and_their_absence_is_said(larger):
    with pytest.raises(BadInput, match="keep_photos"):
        larger.models.fit(stored_photos=True)
    for number in range(4):
        larger.query_photos.keep(f"search{number}", photographed(number))
    assert told(larger, larger.models.fit(stored_photos=True))["unlabeled_photos"] == 4


def test_a_large_catalog_is_fitted_to_what_photos_are_of_or_near_to(larger, monkeypatch):
    monkeypatch.setattr("snapfind.catalog.models.fit.MOST", 3)
    assert larger.search(picture(1), limit=1)[0].product.id == "m1"
    seen = []
    real = larger.folder.copy_of
    monkeypatch.setattr(type(larger.folder), "copy_of", lambda self, point: seen.append(point) or real(point))
    monkeypatch.setattr("snapfind.catalog.models.fit._NEAREST", 1)
    name = larger.models.fit([picture(1)], [(picture(0), "m2")])
    assert told(larger, name)["pictures"] == 3
    first = {str(point.payload["_product"]) for point in larger.index.get(seen[:2])}
    assert first == {"m1", "m2"}
