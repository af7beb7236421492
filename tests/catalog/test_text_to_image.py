"""A learned bridge from texts to pictures answers for products without a title, and is given up without a trace."""

import numpy as np
import pytest
from PIL import Image

from snapfind.catalog.ingest.sources import Item
from snapfind.core.errors import ModelBroken, NotFound
from snapfind.core.query import QueryTerm
from snapfind.core.types import Product
from snapfind.distributed.worker import EncodedPicture, Task, Worker, bundle_encoders
from snapfind.encoders.crossmodal.lit import LitMaps
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.encoders.text.e5 import TextEncoder
from tests.pictures import save
from tests.second_model import second_model

WORDS = ["a brass trumpet", "winter coat", "frying pan", "wooden chess board"]


def maps_of(folder, pictures):
    """The space in which each of these words meets one picture, solved and not learned."""
    encoder, text = Builtin.load(), TextEncoder()
    rows, titles = encoder.images(pictures, "document"), text.texts(WORDS, role="query")
    weights = {
        "picture_mean": np.zeros(1280, np.float32),
        "picture_matrix": np.linalg.pinv(rows),
        "text_mean": np.zeros(384, np.float32),
        "text_matrix": np.linalg.pinv(titles),
    }
    LitMaps(encoder.raw_id, text.space.id, 0.9, weights).save(folder)
    return folder


def table(folder, pictures):
    """A table of products that are a picture and nothing else."""
    for name, number in pictures.items():
        save(number, folder / f"{name}.png")
    (folder / "nameless.csv").write_text("\n".join(["id,picture", *(f"{name},{name}.png" for name in pictures)]))
    return folder / "nameless.csv"


@pytest.fixture
def nameless(shop):
    """Three products with titles, four that are pictures alone, and the bridge to these."""
    with shop.open() as catalog:
        catalog.add(shop.table)
        catalog.add(table(shop.folder, {f"m{number}": 10 + number for number in range(len(WORDS))}))
        points = {str(point.payload["_product"]): point.id for point in catalog.points()}
        copies = [catalog.folder.copy_of(points[f"m{number}"]) for number in range(len(WORDS))]
        yield catalog, maps_of(shop.folder / "artifact", [_opened(copy) for copy in copies])


def _opened(copy):
    return Image.open(copy).convert("RGB")


def reached(catalog, words, model=None):
    """Products in the order in which their pictures answer the words."""
    answer = catalog.search([QueryTerm(text=words)], limit=9, model=model)
    near = {hit.product.id: hit.parts["text_to_image"] for hit in answer if "text_to_image" in hit.parts}
    return sorted(near, key=near.__getitem__, reverse=True)


def firsts(catalog, model=None):
    return [reached(catalog, words, model)[0] for words in WORDS]


def test_texts_find_pictures_without_a_title_and_the_way_back_is_as_before(nameless):
    catalog, artifact = nameless
    conse, before = catalog.info()["text_to_image"], firsts(catalog)
    name = catalog.models.use_text_to_image(artifact)
    assert name.startswith("locked-") and catalog.info()["text_to_image"] == name
    assert firsts(catalog) == ["m0", "m1", "m2", "m3"] != before
    assert next(iter(catalog.search([QueryTerm(text="Blue mug")], limit=1))).product.id == "mug-1", (
        "titles are found as before"
    )
    assert catalog.models.use_text_to_image(None) == conse and firsts(catalog) == before
    assert name not in catalog.index.spaces() and not catalog.folder.space(name).exists()


def test_it_outlives_closing_reaches_what_is_added_later_and_every_model(nameless, shop):
    catalog, artifact = nameless
    name = catalog.models.use_text_to_image(artifact)
    first = catalog.info()["model"]
    catalog.close()
    with shop.open() as again:
        assert again.info()["text_to_image"] == name and firsts(again) == ["m0", "m1", "m2", "m3"]
        again.add(table(shop.folder, {"twin": 10}))
        assert set(reached(again, WORDS[0])[:2]) == {"m0", "twin"}
        one = Item(Product("new"), "m0.png", shop.folder / "m0.png")
        (seen,) = Worker(bundle_encoders(again.folder, again.model, again.settings)).encode([Task("", one, ())])
        assert isinstance(seen, EncodedPicture) and name in seen.vectors, "workers of a cluster make it too"
        again.models.switch(second_model(again, shop.folder / "fitted"))
        assert again.info()["model"] != first and firsts(again)[1:] == firsts(again, first)[1:] == ["m1", "m2", "m3"]
        assert all(name in point.vectors for point in again.points(vectors=True))


def test_a_second_artifact_takes_the_place_of_the_first(nameless, tmp_path):
    catalog, artifact = nameless
    old = catalog.models.use_text_to_image(artifact)
    other = LitMaps.load(artifact)
    LitMaps(other.encoder, other.text, 0.5, other.weights).save(tmp_path / "other")
    new = catalog.models.use_text_to_image(tmp_path / "other")
    assert new != old and old not in catalog.index.spaces()
    assert [own.name for own in (catalog.folder.path / "spaces").glob("locked-*")] == [new]
    assert catalog.models.use_text_to_image(catalog.folder.space(new)) == new, "the same once more changes nothing"
    assert reached(catalog, WORDS[0])[0] == "m0"


def test_what_is_damaged_of_others_or_nowhere_is_refused_and_changes_nothing(nameless, tmp_path):
    catalog, artifact = nameless
    before = catalog.info()["text_to_image"]
    with pytest.raises(NotFound, match=r"no manifest\.json"):
        catalog.models.use_text_to_image(tmp_path)
    maps = LitMaps.load(artifact)
    LitMaps("other-1", maps.text, 0.5, maps.weights).save(tmp_path / "encoder")
    LitMaps(maps.encoder, "other-2", 0.5, maps.weights).save(tmp_path / "text")
    (artifact / "weights.safetensors").write_bytes(b"broken")
    for folder, said in (("encoder", "trained on other-1"), ("text", "trained on other-2")):
        with pytest.raises(ModelBroken, match=said):
            catalog.models.use_text_to_image(tmp_path / folder)
    with pytest.raises(ModelBroken, match=r"cannot be used|cannot be read|does not match|not a valid"):
        catalog.models.use_text_to_image(artifact)
    assert catalog.info()["text_to_image"] == before
