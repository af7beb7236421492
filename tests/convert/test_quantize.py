"""The encoder of a real small catalog in 8 bits: the same first hits, everything that looks into it, the way back."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

import snapfind
from snapfind.catalog.models.calibrate import FittedCalibration
from snapfind.convert.comparison import same_answers, same_neighbors
from snapfind.convert.quantize import quantize
from snapfind.core.errors import BadInput, ModelBroken
from snapfind.distributed.worker import Worker, bundle_encoders
from snapfind.encoders.adapters.fit import fit
from snapfind.encoders.image.efficientnet import Builtin
from snapfind.search.calibration import Calibration
from snapfind.server import build
from snapfind.training.export import SHIPPED, write_artifact
from snapfind.training.models.efficientnet import read_network
from snapfind.training.models.heads import Heads
from tests.pictures import picture, save
from tests.server.conftest import BASE, Checked, over, photo64

COUNT = 16
WITHOUT = ["torch", "torchvision", "transformers", "open_clip", "timm", "huggingface_hub", "onnxscript", "sympy"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A catalog whose encoder was put into 8 bits where PyTorch is not installed, and what the verb said."""
    folder = tmp_path_factory.mktemp("eight")
    with snapfind.open(folder / "shop.snap") as catalog:
        catalog.add(pictures(COUNT, folder))
    script = f"import sys\nsys.modules.update(dict.fromkeys({WITHOUT}))\nfrom snapfind.cli import main\nmain()"
    words = ["model", "quantize", str(folder / "shop.snap"), "--json"]
    said = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=300, check=False
    )
    assert said.returncode == 0, said.stderr
    return folder / "shop.snap", json.loads(said.stdout)


@pytest.fixture
def shop(made, tmp_path):
    with snapfind.open(shutil.copytree(made[0], tmp_path / "shop.snap")) as catalog:
        yield catalog


def pictures(count, folder):
    for number in range(count):
        save(number, folder / "pictures" / f"p{number}.png")
    return folder / "pictures"


def found(catalog):
    return [catalog.search(picture(number))[0].product.id for number in range(COUNT)]


def test_the_first_hits_stay_and_the_way_back_is_whole(shop, made, tmp_path):
    name, raw = made[1]["model"], made[1]["made_of"]
    assert shop.info()["model"] == raw  # without an answer to the question nothing was switched
    before = [(hit.product.id, hit.score) for hit in shop.search(picture(3))]
    assert min(made[1]["cosine_pictures"] + made[1]["cosine_photos"]) > 0.9
    assert made[1]["bytes"][1] < 0.75 * made[1]["bytes"][0]
    shop.models.switch(name)
    assert found(shop) == [f"p{number}" for number in range(COUNT)]
    save(40, tmp_path / "later" / "late.png")
    shop.add(tmp_path / "later")  # stands in both spaces
    assert shop.search(picture(40))[0].product.id == "late"
    assert shop.models.rollback() == raw
    assert shop.search(picture(40))[0].product.id == "late"
    again = shop.search(picture(3))[0]
    assert (again.product.id, again.score) == before[0]
    shop.models.delete(name)
    assert not shop.folder.space(name).exists()


def test_what_looks_into_the_network_sees_the_same(shop, made):
    raw, small = Builtin.load(), Builtin.load(str(shop.folder.space(made[1]["model"])))
    for number in range(4):
        whole, rounded = raw.extract_feature_map(picture(number)), small.extract_feature_map(picture(number))
        for one, other in ((whole.cells, rounded.cells), (whole.activations, rounded.activations)):
            assert one.shape == other.shape and other.min() >= 0 and other.max() <= 6 + 0.1 * one.max()
            assert (one * other).sum() > 0.9 * np.linalg.norm(one) * np.linalg.norm(other)
        likely = set(np.argsort(-whole.features.posterior[0])[:5]) & set(np.argsort(-rounded.features.posterior[0])[:5])
        assert len(likely) >= 3
    before = shop.search("a ball")  # by class names: none has a title
    shop.models.switch(made[1]["model"])
    assert {hit.product.id for hit in shop.search("a ball")} == {hit.product.id for hit in before}
    shop.models.use_reranker("geometry")
    assert shop.search(picture(2))[0].parts["rerank"] > 0.5
    assert shop.explain(picture(2), "p2", "p2.png")
    assert shop.search(picture(2), regions="all")[0].product.id == "p2"


def test_it_is_opened_again_by_a_new_process_a_worker_and_a_server(shop, made, tmp_path):
    name = made[1]["model"]
    shop.models.switch(name)
    worker = Worker(bundle_encoders(shop.folder, shop.model, shop.settings))
    assert set(worker.spaces()) == set(shop.model.spaces())
    path, artifact = shop.folder.path, shop.folder.space(name)
    shop.close()
    with snapfind.open(path) as again:
        assert again.info()["model"] == name and found(again)[5] == "p5"
    shutil.copytree(artifact, tmp_path / "models" / "small")
    served = snapfind.open(tmp_path / "other.snap", models=str(tmp_path / "models"))
    served.add(pictures(1, tmp_path))
    with Checked(build(served), base_url=BASE) as client:
        told = over(client, client.post("/v1/models/use", json={"artifact": "small"}).json()["job"])
        assert told["report"] == {"model": name}
        asked = client.post("/v1/search", json={"photo": photo64(0)}).json()
        assert (asked["space"], asked["hits"][0]["product"]["id"]) == (name, "p0")


def test_a_new_catalog_may_begin_in_8_bits_and_fit_there(made, tmp_path):
    artifact = made[0] / "spaces" / made[1]["model"]
    with snapfind.open(tmp_path / "new.snap", encoder=str(artifact)) as catalog:
        catalog.add(pictures(2, tmp_path))
        assert list(catalog.info()["models"]) == [made[1]["model"]]
        fitted = catalog.models.fit()
    with snapfind.open(tmp_path / "new.snap") as catalog:
        assert catalog.info()["model"] == fitted and catalog.fitted
        assert catalog.model.photo.precision == "int8"
        assert catalog.search(picture(1))[0].product.id == "p1"


def test_a_fitted_model_keeps_its_adapter_and_its_scores_and_interrupted_nothing_is_half_written(
    shop, made, run, tmp_path
):
    fit([picture(number) for number in range(3)], Builtin.load(), views=4).save(tmp_path / "fitted")
    fitted, told = shop.models.adopt(tmp_path / "fitted"), Calibration((9.0, 1.0, 1.0, 0.5, -4.0))
    FittedCalibration(told).save(shop.folder.space(fitted))
    shop.models.switch(fitted)
    before = shop.folder.manifest

    def torn(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize(shop, tmp_path / "small", torn)
    assert shop.folder.manifest == before
    assert not any(own.name.startswith("small") for own in tmp_path.iterdir())
    again = quantize(shop, tmp_path / "small")
    assert again.encoder.raw_id == made[1]["model"]  # the same pictures make the same network, to the last bit
    shop.models.switch(shop.models.adopt(again.folder))
    assert shop.fitted and shop.context.calibration == told
    assert found(shop) == [f"p{number}" for number in range(COUNT)]
    path = shop.folder.path
    shop.close()
    code, _, err = run("model", "quantize", path)
    assert code == 2 and "in 8 bits already" in err
    code, _, err = run("lab", "clicks", path)
    assert "Training starts from the pretrained network in full precision" in err


@pytest.mark.slow
def test_a_learned_network_keeps_its_heads_and_its_reranker(shop, run, tmp_path):
    network, rng = read_network(SHIPPED), np.random.default_rng(0)
    with torch.no_grad():
        list(network.parameters())[-2].mul_(1.01)
    matrix = rng.normal(size=(1280, 32)).astype(np.float32)
    heads = Heads(matrix, np.zeros(1280, np.float32), np.zeros(1280, np.float32))
    calibration = [8.0, 1.0, 1.0, 0.5, -4.0]
    write_artifact(tmp_path / "learned", network, heads, {"calibration": calibration, "metrics": {}})
    shop.models.switch(shop.models.adopt(tmp_path / "learned"))
    shop.models.use_reranker("geometry")
    path = shop.folder.path
    shop.close()
    code, out, _ = run("model", "quantize", path, "--yes")
    assert code == 0 and "is active" in out and "recall of 10 nearest neighbors" in out and "model drop" in out
    with snapfind.open(path) as catalog:
        small = catalog.model.photo
        assert (small.precision, small.space.dim, small.knows_classes) == ("int8", 32, False)
        assert catalog.context.calibration.photo == tuple(calibration)
        assert catalog.search(picture(7))[0].parts["rerank"] > 0.5
        assert found(catalog) == [f"p{number}" for number in range(COUNT)]


def test_verify_says_whether_an_artifact_is_whole(made, run, tmp_path):
    artifact = shutil.copytree(made[0] / "spaces" / made[1]["model"], tmp_path / "small")
    code, out, _ = run("model", "verify", artifact)
    assert code == 0 and "is valid: lite0-int8, pictures only, 1280 dimensions, from lite0" in out
    content = bytearray((artifact / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (artifact / "model.onnx").write_bytes(content)
    with pytest.raises(ModelBroken, match="does not match its manifest"):
        Builtin.load(str(artifact))
    code, _, err = run("model", "verify", made[0])
    assert code == 2 and "Not an encoder artifact" in err


def test_what_cannot_be_quantized_is_said_in_a_sentence(tmp_path, run):
    with snapfind.open(tmp_path / "few.snap") as catalog:
        catalog.add(pictures(1, tmp_path))
        with pytest.raises(BadInput, match=r"1 picture\(s\); ranges for 8 bits are found on 16"):
            quantize(catalog, tmp_path / "small")
    code, _, err = run("model", "quantize", "http://127.0.0.1:1")
    assert code == 2 and "needs the folder" in err


def test_without_onnx_the_extra_is_named(made):
    script = "import sys\nsys.modules['onnx'] = None\nfrom snapfind.cli import main\nmain()"
    words = ["model", "quantize", str(made[0])]
    said = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, env=os.environ, check=False
    )
    assert said.returncode == 2 and ".[quantize]" in said.stderr and "Traceback" not in said.stderr


def test_shared_neighbors_are_counted():
    one = np.eye(3, dtype=np.float32)
    other = one[[1, 0, 2]]
    assert same_neighbors(one, one) == 1
    assert same_answers((one, one), (one, other), 1) == pytest.approx(1 / 3)
    assert same_answers((one, one), (one, other)) == 1  # of three rows all are among the ten nearest
