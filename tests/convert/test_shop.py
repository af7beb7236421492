"""A shop's own model in a real small catalog: photo and text find, switched to, added to, fitted, rolled back."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import snapfind
from snapfind.core.errors import BadInput
from snapfind.encoders.image.onnx_tower import Tower
from tests.pictures import picture, save


def bridged(answer):
    return {hit.product.id: hit.parts["text_to_image"] for hit in answer if "text_to_image" in hit.parts}


def test_photo_and_text_find_by_the_shops_own_model_and_the_way_back_is_whole(shop, clip, made, tmp_path):
    artifact, converted = made(clip)
    best = shop.search(picture(3))[0]
    before = best.product.id, best.score
    raw = shop.info()["model"]
    name = shop.models.use(artifact)
    assert shop.info()["model"] == name == converted.tower.space.id
    assert [shop.search(picture(number))[0].product.id for number in range(4)] == [f"p{n}" for n in range(4)]
    # a text is compared with the pictures themselves, of titled products too
    found = bridged(shop.search("a red mug"))
    rows = converted.tower.images([picture(number) for number in range(4)], "document")
    wanted = rows @ converted.tower.texts(["a red mug"], "query")[0]
    assert found == pytest.approx({f"p{number}": float(wanted[number]) for number in range(4)}, abs=1e-2)
    # what is added now stands in both spaces
    save(40, tmp_path / "more" / "late.png")
    shop.add(tmp_path / "more")
    assert shop.search(picture(40))[0].product.id == "late"
    assert shop.models.rollback() == raw
    assert shop.search(picture(40))[0].product.id == "late"
    again = shop.search(picture(3))[0]
    assert (again.product.id, again.score) == before
    shop.models.try_out(name, 0.5)
    shop.models.try_out(None)
    shop.models.delete(name)
    assert not list((shop.folder.path / "encoders").iterdir())


def test_a_model_of_pictures_alone_keeps_the_bridge_of_class_names(shop, dino, made):
    shop.models.use(made(dino)[0])
    assert shop.search(picture(2))[0].product.id == "p2"
    assert set(bridged(shop.search("a mug"))) == {"p3"}  # ConSE speaks for what has no title
    assert shop.search("Mug number 2")[0].product.id == "p2"


def test_fitting_keeps_the_texts_and_the_network_that_it_stands_on(shop, clip, made):
    raw = shop.models.use(made(clip)[0])
    before = bridged(shop.search("a red mug"))
    fitted = shop.models.fit()
    assert fitted != raw and shop.fitted
    found = [hit.product.id for hit in shop.search(picture(1))]
    assert bridged(shop.search("a red mug")) == pytest.approx(before, abs=1e-6)
    with pytest.raises(BadInput, match="is built on"):
        shop.models.delete(raw)
    path = shop.folder.path
    shop.close()
    with snapfind.open(path) as again:
        assert again.info()["model"] == fitted
        assert [hit.product.id for hit in again.search(picture(1))] == found


def test_an_interrupted_build_goes_on_and_nothing_is_converted_twice(shop, clip, made, run, monkeypatch):
    put, counts = shop.index.put_vectors, []

    def torn(space, vectors):
        put(space, vectors)
        counts.append(len(vectors))
        if len(counts) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("snapfind.catalog.models.build_space._BATCH", 3)
    monkeypatch.setattr(shop.index, "put_vectors", torn)
    before = shop.info()["model"]
    with pytest.raises(KeyboardInterrupt):
        shop.models.use(made(clip)[0])
    assert shop.info()["model"] == before
    shop.models.use(made(clip)[0])
    assert sum(counts) == 4
    path, name = shop.folder.path, shop.info()["model"]
    shop.models.switch(before)
    shop.close()
    monkeypatch.setattr("snapfind.convert.convert.write_tower", None)  # would fail: the weights are known again
    code, out, _ = run("model", "use", path, clip, "--precision", "fp32")
    assert code == 0 and f"{name} is active" in out


def test_a_new_catalog_may_begin_with_a_converted_model_and_keeps_its_own_copy(tmp_path, clip, made):
    artifact = shutil.copytree(made(clip)[0], tmp_path / "artifact")
    save(7, tmp_path / "pictures" / "seven.png")
    with snapfind.open(tmp_path / "new.snap", encoder=str(artifact)) as catalog:
        catalog.add(tmp_path / "pictures")
        name = catalog.info()["model"]
    shutil.rmtree(artifact)
    with snapfind.open(tmp_path / "new.snap") as catalog:
        assert catalog.info()["model"] == name == made(clip)[1].tower.space.id
        assert catalog.search(picture(7))[0].product.id == "seven"


def test_what_needs_cells_says_that_there_are_none(shop, clip, made, run):
    shop.models.use(made(clip)[0])
    assert shop.regions(picture(1)) == ()
    assert shop.search(picture(1), regions="all")[0].product.id == "p1"
    with pytest.raises(BadInput, match="has no feature map"):
        shop.models.use_reranker("geometry")
    with pytest.raises(BadInput, match="has no feature map"):
        shop.explain(picture(1), "p1", "p1.png")
    path = shop.folder.path
    shop.close()
    code, _, err = run("train", "catalog", path)
    assert code == 2 and "snapfind model fit" in err
    code, _, err = run("model", "quantize", path)
    assert code == 2 and "model convert --precision int8" in err


def test_the_verbs_convert_verify_use_list(shop, dino, run, tmp_path):
    path, target = shop.folder.path, tmp_path / "artifact"
    shop.close()
    code, out, _ = run("model", "convert", dino, target, "--precision", "int8", "--report", path, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["cosine_pictures"] > 0.98 and told["cosine_texts"] is None
    assert told["pictures"] == 4 and told["recall_at_10"] == 1
    code, out, _ = run("model", "verify", target)
    assert code == 0 and "is valid" in out and "shortest to 32, 28 pixels a side" in out
    code, out, _ = run("model", "use", path, target)
    assert code == 0 and "is active" in out
    _, out, _ = run("model", "list", path)
    assert "my-dino-int8" in out
    code, _, err = run("model", "convert", dino, target)
    assert code == 2 and "is there already" in err


def test_a_chinese_text_finds_pictures_without_a_title(shop, chinese, made):
    shop.models.use(made(chinese)[0])
    answer = shop.search("红色陶瓷杯")
    tower = made(chinese)[1].tower
    wanted = tower.images([picture(3)], "document")[0] @ tower.texts(["红色陶瓷杯"], "query")[0]
    assert bridged(answer)["p3"] == pytest.approx(float(wanted), abs=1e-2)


def test_a_folder_of_a_model_is_converted_on_the_way_and_the_draft_goes(shop, dino, run):
    path = shop.folder.path
    shop.close()
    code, out, _ = run("model", "use", path, dino, "--precision", "fp32")
    assert code == 0 and "my-dino-fp32" in out
    assert [own.name[:12] for own in (path / "encoders").iterdir()] == ["my-dino-fp32"]


def test_searching_imports_no_torch(shop, clip, made):
    shop.models.use(made(clip)[0])
    path = shop.folder.path
    photo = save(2, path.parent / "photo.png")
    shop.close()
    absent = ["torch", "torchvision", "transformers", "open_clip", "timm", "onnx", "huggingface_hub"]
    script = (
        f"import sys\nsys.modules.update(dict.fromkeys({absent}))\n"
        f"import snapfind\nwith snapfind.open({str(path)!r}) as shop:\n"
        f"    print(shop.search({str(photo)!r})[0].product.id, 'text_to_image' in shop.search('a red mug')[0].parts)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert said.stdout.split() == ["p2", "True"], said.stderr


def test_threads_and_order_of_a_batch_do_not_matter(clip, made):
    many = [picture(number) for number in range(11)]
    tower = Tower.load(made(clip)[0], threads=1)
    together = tower.images(many, "query")
    alone = np.concatenate([tower.images([one], "query") for one in many])
    assert together == pytest.approx(alone, abs=1e-5)
