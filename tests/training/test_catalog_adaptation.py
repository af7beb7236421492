"""Learning from a small shop: the artifact finds what it learned, and a catalog adopts it without PyTorch."""

import csv
import functools
import json
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")
pytest.importorskip("onnx", reason="learning needs the extra snapfind[train]")

from dataclasses import replace  # noqa: E402

from typer.testing import CliRunner  # noqa: E402

import snapfind  # noqa: E402
from snapfind.cli.app import app  # noqa: E402
from snapfind.core.errors import BadInput, ModelBroken, NoRoom, NotFound  # noqa: E402
from snapfind.encoders.image.efficientnet import Builtin  # noqa: E402
from snapfind.media.image.photo_simulation import simulate_photo  # noqa: E402
from snapfind.training.data.augmentation import Sample, view_of  # noqa: E402
from snapfind.training.data.samples import gather  # noqa: E402
from snapfind.training.methods.catalog_adaptation import LADDER, adapt, within  # noqa: E402
from tests.pictures import picture, save  # noqa: E402

PRODUCTS = 6


@functools.cache
def photo(product, number):
    return simulate_photo(picture(product, 160), np.random.default_rng([product, number]))


def shown(photos=6):
    found = [Sample(lambda p=p, n=n: photo(p, n), p, "photo") for p in range(PRODUCTS) for n in range(photos)]
    return found + [Sample(lambda p=p: picture(p, 160), p, "studio") for p in range(PRODUCTS)]


def found_first(encoder):
    """Part of photos that nothing was learned from whose nearest studio picture is their own."""
    asked = encoder.images([photo(p, n) for p in range(PRODUCTS) for n in (7, 8, 9)], "query")
    studio = encoder.images([picture(p, 160) for p in range(PRODUCTS)], "document")
    return np.mean((asked @ studio.T).argmax(axis=1) == np.repeat(np.arange(PRODUCTS), 3))


def short(depth, epochs=2):
    step = LADDER[depth]
    return replace(step, views=2, batch=16, dim=16, training=replace(step.training, epochs=epochs))


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    return adapt(shown(), folder / "artifact", folder / "work", depth="blocks", step=short("blocks"), command="test")


@pytest.fixture
def shop(tmp_path):
    for number in range(PRODUCTS):
        save(number, tmp_path / "pictures" / f"p{number}.png", 160)
    with snapfind.open(tmp_path / "shop.snap") as opened:
        opened.add(tmp_path / "pictures")
        yield opened


def test_the_artifact_says_what_it_was_learned_from(learned):
    manifest = json.loads((learned.folder / "manifest.json").read_text())
    assert manifest["metrics"]["validation_photos"] == len(learned.held_out) == PRODUCTS
    assert manifest["metrics"]["recall_at_1_learned"] == learned.after and manifest["command"] == "test"
    assert len(manifest["data_sha256"]) == 64 and len(manifest["calibration"]) == 5
    assert learned.encoder.space.dim == 32  # 16 learned, 16 in closed form


def test_every_held_out_photo_is_a_photo_and_was_not_learned_from(learned):
    everything = shown()
    assert all(everything[place].how == "photo" for place in learned.held_out)


def test_a_catalog_adopts_the_artifact_switches_and_goes_back(learned, shop):
    old = shop.info()["model"]
    name = shop.models.adopt(learned.folder)
    assert shop.info()["model"] == old, "nothing changes before the switch"
    shop.models.switch(name)
    assert [hit.product.id for hit in shop.search(picture(3, 160), limit=1)] == ["p3"]
    assert shop.models.adopt(learned.folder) == name, "adopting twice is harmless"
    save(40, shop.folder.path.parent / "later" / "late.png", 160)
    shop.add(shop.folder.path.parent / "later")
    assert shop.search(picture(40, 160))[0].product.id == "late"
    assert shop.search("a thing"), "the bridge to texts still stands"
    assert shop.models.rollback() == old and shop.search(picture(40, 160))[0].product.id == "late"
    assert shop.models.fit() not in {old, name}


def test_an_adopted_model_is_there_after_opening_again(learned, shop, tmp_path):
    shop.models.switch(shop.models.adopt(learned.folder))
    scores = [hit.score for hit in shop.search(picture(2, 160))]
    shop.close()
    with snapfind.open(tmp_path / "shop.snap") as again:
        assert [hit.score for hit in again.search(picture(2, 160))] == pytest.approx(scores, abs=1e-5)


def test_an_adopted_model_is_calibrated_and_guesses_no_category(learned, shop):
    shop.models.switch(shop.models.adopt(learned.folder))
    assert shop.models.calibrate()["photos"] > 0
    answer = shop.search(picture(3, 160))
    assert answer[0].product.id == "p3"
    assert 0 <= answer[0].score <= 1


def test_the_shop_floor_loads_it_without_pytorch(learned):
    code = (
        "import sys; sys.modules['torch'] = sys.modules['onnx'] = None\n"
        "from snapfind.encoders.image.efficientnet import Builtin\n"
        f"print(Builtin.load({str(learned.folder)!r}).space.dim)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "32"


def test_what_is_no_artifact_is_refused_and_leaves_the_catalog_as_it_was(shop, tmp_path):
    before = shop.info()["models"]
    with pytest.raises(NotFound, match="manifest"):
        shop.models.adopt(tmp_path)
    (tmp_path / "manifest.json").write_text('{"kind": "reranker"}')
    with pytest.raises(ModelBroken, match="reranker"):
        shop.models.adopt(tmp_path)
    (tmp_path / "manifest.json").write_text('{"kind": "encoder", "parent": "lite0"}')
    with pytest.raises(ModelBroken, match="lists no checksums"):
        shop.models.adopt(tmp_path)
    assert shop.info()["models"] == before


def test_studio_pictures_alone_learn_from_rephotographs_and_find_others(shop, tmp_path):
    found, products, files = gather(shop, [])
    assert {one.how for one in found} == {"studio", "synthetic"} and len(products) == PRODUCTS and not files
    done = adapt(found, tmp_path / "artifact", tmp_path / "work", depth="heads", step=short("heads"))
    assert not done.held_out and done.encoder.knows_classes
    assert found_first(done.encoder) >= found_first(Builtin.load())
    shop.models.switch(shop.models.adopt(done.folder))
    assert shop.search(picture(1, 160))[0].product.id == "p1"


def test_one_photo_of_each_product_is_enough_to_learn_from_and_to_judge_by(tmp_path):
    done = adapt(shown(photos=1), tmp_path / "artifact", tmp_path / "work", depth="heads", step=short("heads"))
    assert len(done.held_out) == 1 and 0 <= done.after <= 1


def test_the_whole_network_learns_from_views_drawn_live(tmp_path):
    step = replace(short("network", epochs=1), batch=8)
    few = [one for one in shown(photos=5) if one.product < 2]
    done = adapt(few, tmp_path / "artifact", tmp_path / "work", depth="network", step=step)
    assert done.outcome.history[0].speed > 0 and not done.encoder.knows_classes


def test_photos_of_unknown_products_and_broken_ones_are_left_out(shop, tmp_path):
    photo(2, 0).save(tmp_path / "good.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    found, _, files = gather(
        shop, [(tmp_path / "good.jpg", "p2"), (tmp_path / "bad.jpg", "p1"), (tmp_path / "good.jpg", "x")]
    )
    assert files == [tmp_path / "good.jpg"]
    assert sum(one.how == "photo" for one in found) == 1
    assert {one.product for one in found if one.how == "synthetic"} == {0, 1, 3, 4, 5}


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        (lambda all_: [one for one in all_ if one.product == 0], "1 product"),
        (lambda all_: [one for one in all_ if one.how == "photo" or one.product], "no catalog image"),
        (lambda all_: [one for one in all_ if one.how == "studio"], "All samples are studio images"),
        (lambda all_: [one for one in all_ if one.how == "studio"] + all_[:4], "4 photo.* too few"),
    ],
)
def test_what_cannot_be_learned_from_is_one_sentence(chosen, sentence, tmp_path):
    with pytest.raises(BadInput, match=sentence):
        adapt(chosen(shown()), tmp_path / "artifact", tmp_path / "work")


def test_views_follow_from_their_numbers_alone():
    image = photo(0, 0)
    for how in ("photo", "studio", "synthetic"):
        first, again, other = (np.asarray(view_of(image, how, 3, view, 0)) for view in (1, 1, 2))
        assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert view_of(image, "photo", 3, 0, 0) is image


def test_fewer_minutes_look_at_fewer_views_and_few_pictures_are_seen_more_often():
    whole = LADDER["blocks"]
    many = 400 * shown()
    assert within("blocks", 0, many, 0) == whole
    assert 2 <= within("blocks", 5, many, 0).views < whole.views
    few = within("blocks", 0, shown(), 0)
    assert few.training.epochs > whole.training.epochs and few.views == whole.views
    made = [replace(one, how="synthetic") for one in shown(1)]
    assert within("blocks", 0, made, 0).views > whole.views


def test_the_verb_learns_shows_a_table_and_switches(shop, tmp_path):
    path = shop.folder.path
    shop.close()
    with (tmp_path / "photos.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "product"])
        for product in range(PRODUCTS):
            for number in range(6):
                photo(product, number).save(tmp_path / f"{product}-{number}.jpg")
                writer.writerow([f"{product}-{number}.jpg", f"p{product}"])
    asked = ["train", "catalog", str(path), "--photos", str(tmp_path / "photos.csv"), "--depth", "heads", "--yes"]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "6 held-out photos" in done.output and "is active" in done.output
    with snapfind.open(path) as opened:
        assert opened.fitted


def test_a_shop_that_has_changed_learns_anew_and_an_unchanged_one_does_not(tmp_path):
    def learned_of(pictures):
        told = []
        adapt(
            pictures, tmp_path / "artifact", tmp_path / "work", depth="heads", step=short("heads"), on_epoch=told.append
        )
        data = json.loads((tmp_path / "artifact" / "manifest.json").read_text())["data_sha256"]
        return len(told), data, (tmp_path / "work" / "maps-pooled.f16").read_bytes()

    pictures = shown(5)
    first = learned_of(pictures)
    assert first[0] == 2 and learned_of(pictures) == (0, *first[1:]), "the finished run is found again"
    swapped = [Sample(lambda: photo(0, 9), 0, "photo"), *pictures[1:]]  # another file under the same name
    second = learned_of(swapped)
    assert second[0] == 2 and second[1] != first[1] and second[2] != first[2], "its maps are another photo's"
    assert learned_of([*pictures, Sample(lambda: picture(9, 160), PRODUCTS, "studio")])[0] == 2, "one product more"


@pytest.mark.parametrize("most", [40_000, 5_000_000])  # bytes a file: maps do not fit, or the network does not
def test_a_full_disk_is_one_sentence_wherever_it_happens_and_nothing_is_lost(tmp_path, most):
    resource = pytest.importorskip("resource", reason="no limit on the size of files here")
    first = adapt(shown(5), tmp_path / "artifact", tmp_path / "work", depth="heads", step=short("heads"))
    before = {file: file.read_bytes() for file in first.folder.rglob("*") if file.is_file()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        with pytest.raises(NoRoom, match=r"(?i)free (some|disk) space"):
            adapt(shown(6), tmp_path / "artifact", tmp_path / "work", depth="layer", step=short("blocks"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert before == {file: file.read_bytes() for file in first.folder.rglob("*") if file.is_file()}
    assert not list(tmp_path.glob("*.draft"))
