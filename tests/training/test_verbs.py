"""The verbs of learning as a user types them: tables, artifacts, the switch, one sentence for what is wrong."""

import csv
import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")
pytest.importorskip("onnx", reason="learning needs the extra snapfind[train]")

from safetensors.torch import load_file  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

import snapfind  # noqa: E402
from snapfind.cli.app import app  # noqa: E402
from snapfind.core.errors import BadInput, ExtraMissing, ModelBroken, NotFound, SnapfindError  # noqa: E402
from snapfind.encoders.adapter import Adapter  # noqa: E402
from snapfind.encoders.image.efficientnet import Builtin  # noqa: E402
from snapfind.encoders.image.preprocess import to_tensor  # noqa: E402
from snapfind.training.export import SHIPPED  # noqa: E402
from snapfind.training.models.efficientnet import read_network  # noqa: E402
from snapfind.training.models.two_tower import ImageTower  # noqa: E402
from tests.pictures import picture, save  # noqa: E402
from tests.training.test_catalog_adaptation import photo  # noqa: E402
from tests.training.test_clicks import log_of  # noqa: E402
from tests.training.test_webdataset import pairs, shard  # noqa: E402

PRODUCTS = 6


@pytest.fixture
def shop(tmp_path):
    """A catalog, a table of photos, clicks."""
    for number in range(PRODUCTS):
        save(number, tmp_path / "pictures" / f"p{number}.png", 96)
    with snapfind.open(tmp_path / "shop.snap") as opened:
        opened.add(tmp_path / "pictures")
        opened.events.write(list(log_of(30)))
    with (tmp_path / "photos.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "product"])
        for product in range(PRODUCTS):
            for number in range(5):
                photo(product, number).save(tmp_path / f"{product}-{number}.jpg")
                writer.writerow([f"{product}-{number}.jpg", f"p{product}"])
    return tmp_path / "shop.snap"


def run(*words):
    without_photos = words[0] == "clicks" and "--photos" not in words
    group = "lab" if words[0] == "categories" or without_photos else "train"
    done = CliRunner().invoke(app, [group, *map(str, words)])
    if isinstance(done.exception, SnapfindError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def larger(folder):
    """A teacher: the shipped network in a space of its own."""
    shutil.copytree(SHIPPED, folder)
    rng = np.random.default_rng(0)
    weights = {f"{role}_matrix": rng.normal(size=(1280, 64)).astype(np.float32) for role in ("query", "document")}
    weights |= {f"{role}_mean": np.zeros(1280, np.float32) for role in ("query", "document")}
    Adapter(Builtin.load().raw_id, weights).save(folder / "heads")
    return folder


def test_identity_clicks_and_a_teacher_end_in_a_table_and_a_switch(shop, tmp_path):
    teacher = larger(tmp_path / "teacher")
    for verb in (["identity"], ["clicks"], ["distill", "--teacher", teacher]):
        said = run(verb[0], shop, *verb[1:], "--photos", tmp_path / "photos.csv", "--yes")
        assert "6 held-out photos" in said and "is active" in said, said
        assert verb[0] != "clicks" or "30 searches with 60 clicks" in said
        with snapfind.open(shop) as opened:
            assert opened.fitted and opened.search(picture(2, 96))
            assert opened.models.rollback()
    learned = {path.parent.name for path in (shop / "train").glob("*/manifest.json")}
    assert learned == {"identity-heads", "clicks", "distill-heads"}


def test_titles_are_measured_beside_pictures_alone(shop, tmp_path):
    with snapfind.open(shop) as opened:
        before = opened.info()["models"]
        for number in range(PRODUCTS):
            opened.update(f"p{number}", {"title": f"the thing {number}"})
    said = run("categories", shop, "--photos", tmp_path / "photos.csv")
    assert "6 held-out photos" in said and "and titles" in said
    metrics = json.loads((shop / "train" / "categories" / "manifest.json").read_text())["metrics"]
    assert metrics["photos"] == 6 and 0 <= metrics["titles"] <= 1
    with snapfind.open(shop) as opened:
        assert opened.info()["models"] == before
        for number in range(PRODUCTS):
            opened.update(f"p{number}", {"title": None})
    with pytest.raises(BadInput, match="No product has a title"):
        run("categories", shop)


def test_pretraining_tells_recall_and_cost_and_keeps_both_towers(tmp_path):
    files = [shard(tmp_path / "a.tar", pairs(range(12))), shard(tmp_path / "b.tar", [("x.txt", b"alone")])]
    asked = ["--batch", 4, "--part", 2, "--rounds", 1, "--steps", 1, "--held", 4, "--target", 3600, "--price", 2]
    said = run("pretrain", *files, "--into", tmp_path / "towers", *asked)
    assert "12 pairs in 2 shards" in said and "skipped: 1 × title without a picture" in said
    assert "title -> picture" in said and "3,600 pairs at" in said and "at 2 an hour" in said
    assert json.loads((tmp_path / "towers" / "manifest.json").read_text())["kind"] == "towers"
    encoder = Builtin.load(str(tmp_path / "towers" / "encoder"))
    tower = ImageTower(read_network(tmp_path / "towers" / "encoder"), 256)
    held = load_file(tmp_path / "towers" / "towers.safetensors")
    tower.load_state_dict({name.removeprefix("picture."): own for name, own in held.items() if "picture." in name})
    rows = encoder.images([picture(3, 96)], "query")
    wanted = tower(torch.from_numpy(to_tensor([picture(3, 96)], encoder.preprocessing))).detach().numpy()
    assert float((rows * wanted).sum()) > 0.999, "the shop floor sees what the tower sees"


def test_another_loss_or_other_shards_in_the_same_folder_are_learned_anew(tmp_path):
    files = [shard(tmp_path / "a.tar", pairs(range(8))), shard(tmp_path / "b.tar", pairs(range(8, 16)))]
    asked = ["--into", tmp_path / "towers", "--batch", 4, "--part", 0, "--rounds", 1, "--steps", 1, "--held", 0]
    learned = []
    for words in (files[:1], files[:1], [*files[:1], "--loss", "sigmoid"], files):
        run("pretrain", *words, *asked)
        learned.append((tmp_path / "towers" / "towers.safetensors").read_bytes())
    assert learned[0] == learned[1] and len(set(learned)) == 3


def test_locked_pretraining_leaves_a_space(tmp_path):
    files = [shard(tmp_path / "a.tar", pairs(range(10)))]
    said = run("pretrain", *files, "--into", tmp_path / "space", "--locked", "--loss", "info_nce")
    assert "ConSE" in said and "2 held-out pairs" in said
    assert json.loads((tmp_path / "space" / "manifest.json").read_text())["kind"] == "text-picture"


@pytest.mark.parametrize("how", ["closed", "few", "zero"])
def test_prompts_are_measured_beside_names_alone(tmp_path, how):
    pytest.importorskip("transformers", reason="prompts need transformers, of the extra snapfind[train]")
    pytest.importorskip("peft", reason="adapters need peft, of the extra snapfind[train]")
    from tests.training.tiny_clip import tiny_clip

    model = tiny_clip(tmp_path / "clip")
    before = (model / "model.safetensors").read_bytes()
    with (tmp_path / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "product", "category"])
        for number in range(24):
            save(number % 4, tmp_path / f"{number}.png", 40)
            writer.writerow([f"{number}.png", f"p{number}", f"thing {number % 4}"])
        (tmp_path / "bad.png").write_bytes(b"no picture")
        writer.writerow(["bad.png", "p0", "thing 0"])
    asked = [model, tmp_path / "table.csv", "--into", tmp_path / "learned", "--split", how, "--epochs", 2]
    said = run("prompts", *asked, "--method", "lora" if how == "few" else "prompts")
    assert "zero-shot" in said and "top-1" in said and "bad.png" in said
    told = json.loads((tmp_path / "learned" / "manifest.json").read_text())
    assert told["classes"] == [f"thing {number}" for number in range(4)] and told["metrics"]["split"] == how
    assert (model / "model.safetensors").read_bytes() == before


def test_what_is_wrong_is_one_sentence_and_nothing_is_lost(shop, tmp_path, monkeypatch):
    with snapfind.open(shop) as opened:
        model = opened.info()["model"]
        opened.events.forget("anna")
    for words, error, sentence in (
        (["clicks", shop], BadInput, "0 search"),
        (["distill", shop, "--teacher", "lite0"], BadInput, "larger one"),
        (["distill", shop, "--teacher", tmp_path / "none"], NotFound, "none"),
        (["identity", tmp_path / "no.snap"], NotFound, "not a catalog"),
        (["identity", shop, "--photos", tmp_path / "no.csv"], BadInput, "no file"),
        (["pretrain", tmp_path / "no.tar", "--into", tmp_path / "a"], BadInput, "no pair"),
        (["prompts", tmp_path, tmp_path / "photos.csv", "--into", tmp_path / "a"], ModelBroken, "CLIP"),
    ):
        with pytest.raises(error, match=sentence) as caught:
            run(*words)
        assert "\n" not in caught.value.message
    with snapfind.open(shop) as opened:
        assert opened.info()["model"] == model and len(opened.info()["models"]) == 1
    assert not (tmp_path / "a").exists()
    monkeypatch.setattr("snapfind.training.requirements.find_spec", lambda name: None)
    with pytest.raises(ExtraMissing, match="pip install"):
        run("identity", shop)
