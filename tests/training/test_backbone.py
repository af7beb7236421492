"""Catalog adaptation of networks other than the bundled one: a timm ViT and a transformers CLIP, built here."""

import functools
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra snapfind[train]")
for package in ("onnx", "onnxscript", "timm", "torchvision", "transformers"):
    pytest.importorskip(package, reason="other backbones need the extra snapfind[convert]")

from safetensors.torch import save_file  # noqa: E402

import snapfind  # noqa: E402
from snapfind.convert.convert import convert  # noqa: E402
from snapfind.core.errors import BadInput, ModelBroken, NotFound  # noqa: E402
from snapfind.encoders.image.onnx_tower import Tower  # noqa: E402
from snapfind.media.image.photo_simulation import simulate_photo  # noqa: E402
from snapfind.training.data.augmentation import Sample  # noqa: E402
from snapfind.training.loop import TrainingConfig  # noqa: E402
from snapfind.training.methods.catalog_adaptation import LADDER, adapt  # noqa: E402
from snapfind.training.models.backbone import BACKBONES, BackboneKind, first_stage, open_backbone  # noqa: E402
from tests.convert import tiny  # noqa: E402
from tests.pictures import picture, save  # noqa: E402

PRODUCTS = 6
VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 3}


@functools.cache
def photo(product, number):
    return simulate_photo(picture(product, 96), np.random.default_rng([product, number]))


def samples(photos=12):
    labeled = [Sample(lambda p=p, n=n: photo(p, n), p, "photo") for p in range(PRODUCTS) for n in range(photos)]
    return labeled + [Sample(lambda p=p: picture(p, 96), p, "studio") for p in range(PRODUCTS)]


def recall(encoder):
    """Recall@1 of synthetic photos that are not among the samples."""
    photos = encoder.images([photo(p, n) for p in range(PRODUCTS) for n in range(20, 26)], "query")
    studio = encoder.images([picture(p, 96) for p in range(PRODUCTS)], "document")
    return np.mean((photos @ studio.T).argmax(axis=1) == np.repeat(np.arange(PRODUCTS), 6))


def cosines(encoder):
    """Cosine of photo 30 of product 3 with the studio image of each product."""
    query = encoder.images([photo(3, 30)], "query")[0]
    studio = encoder.images([picture(p, 96) for p in range(PRODUCTS)], "document")
    return {f"p{number}": float(value) for number, value in enumerate(studio @ query)}


def text_to_image(answer):
    return {hit.product.id: hit.parts["text_to_image"] for hit in answer if "text_to_image" in hit.parts}


def short(depth, epochs=60, views=6):
    step = LADDER[depth]
    training = TrainingConfig(epochs=epochs, rate=5e-3, rates={"body": 2e-3})
    return replace(step, views=views, batch=16, dim=16, training=training, alpha=1.0)


def vit_folder(folder):
    """A vision transformer of timm with 3 blocks, as timm saves it."""
    import timm

    folder.mkdir(parents=True)
    torch.manual_seed(3)
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0, **VIT)
    save_file(model.state_dict(), folder / "model.safetensors")
    data = {"input_size": [3, 32, 32], "crop_pct": 1.0, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    config = {"architecture": "vit_tiny_patch16_224", "model_args": VIT, "pretrained_cfg": data}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {"timm": vit_folder(root / "tiny-vit"), "transformers": tiny.clip(root / "tiny-clip")}


@pytest.fixture(scope="module")
def trained(folders, tmp_path_factory):
    """Library -> its model, adapted with depth "blocks"."""
    root = tmp_path_factory.mktemp("trained")
    return {
        name: adapt(
            samples(), root / name, root / f"{name}-work", parent=folder, step=short("blocks"), command="the command"
        )
        for name, folder in folders.items()
    }


@pytest.fixture
def shop(tmp_path):
    for number in range(PRODUCTS):
        save(number, tmp_path / "pictures" / f"p{number}.png", 96)
    with snapfind.open(tmp_path / "shop.snap") as opened:
        opened.add(tmp_path / "pictures")
        yield opened


@pytest.mark.parametrize("name", ["timm", "transformers"])
def test_recall_of_new_synthetic_photos_rises(name, folders, trained, tmp_path):
    result = trained[name]
    assert result.after > result.before, "on held-out photos"
    convert(str(folders[name]), tmp_path / "converted", "fp32")
    assert recall(result.encoder) >= recall(Tower.load(tmp_path / "converted")) + 0.2


@pytest.mark.parametrize("name", ["timm", "transformers"])
def test_the_manifest_records_data_command_metrics_and_source(name, folders, trained):
    manifest = json.loads((trained[name].folder / "manifest.json").read_text())
    assert manifest["kind"] == "encoder" and manifest["parent"] == folders[name].name
    assert manifest["source"]["kind"].startswith(name) and len(manifest["source"]["sha256"]) == 64
    assert len(manifest["data_sha256"]) == 64 and manifest["command"] == "the command"
    assert manifest["metrics"]["recall_at_1_learned"] == trained[name].after
    assert len(manifest["calibration"]) == 5
    assert trained[name].encoder.space.dim == 32  # 16 trained, 16 in closed form


@pytest.mark.parametrize("name", ["timm", "transformers"])
def test_serving_loads_the_artifact_without_pytorch(name, trained):
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'onnx', 'timm', 'transformers']))\n"
        "from snapfind.encoders.image.efficientnet import Builtin\n"
        f"print(Builtin.load({str(trained[name].folder)!r}, checked=4).space.dim)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "32"


@pytest.mark.parametrize("name", ["timm", "transformers"])
def test_a_catalog_adopts_the_artifact_and_searches_with_it(name, trained, shop, tmp_path):
    old = shop.info()["model"]
    shop.models.switch(shop.models.adopt(trained[name].folder))
    found = {hit.product.id: hit.parts["image"] for hit in shop.search(photo(3, 30))}
    assert found == pytest.approx(cosines(trained[name].encoder), abs=0.1), "the catalog stores JPEG copies"
    assert shop.regions(picture(1)) == (), "no feature map, so no region proposals"
    assert shop.search("a thing"), "text search still works"
    shop.close()
    with snapfind.open(tmp_path / "shop.snap") as again:
        hits = again.search(photo(3, 30))
        assert {hit.product.id: hit.parts["image"] for hit in hits} == pytest.approx(found, abs=1e-4)
        assert again.models.rollback() == old


@pytest.mark.parametrize("name", ["timm", "transformers"])
@pytest.mark.parametrize("depth", ["heads", "layer", "network"])
def test_every_depth_trains_its_own_layers_only(name, depth, folders, tmp_path):
    backbone = open_backbone(folders[name])
    first = first_stage(depth, backbone)
    if first is not None:
        body = backbone.body(first)
        trained = {own for own, parameter in body.named_parameters() if parameter.requires_grad}
        stem = [own for own in trained if "embed" in own]
        assert bool(stem) == (depth == "network"), "patch and position embeddings are trained only with the network"
        assert any(backbone.stages()[-1] in own for own in trained)
        assert not any("text_model" in own for own, _ in body.named_parameters())
    step = short(depth if depth in LADDER else "blocks", epochs=2, views=2)
    result = adapt(samples(5), tmp_path / "artifact", tmp_path / "work", depth=depth, parent=folders[name], step=step)
    assert result.folder.is_dir() and 0 <= result.after <= 1


@pytest.mark.parametrize("name", ["timm", "transformers"])
def test_frozen_blocks_stay_and_trained_blocks_change(name, folders, trained):
    backbone = open_backbone(folders[name])
    body = backbone.body(1)
    before = {own: parameter.clone() for own, parameter in body.named_parameters()}
    (body(torch.from_numpy(backbone.front(1, 1)(_images(backbone))))[:, 0].sum()).backward()
    for own, parameter in body.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, own
    assert before and all("blocks.0." not in own and "layers.0." not in own for own in before)


def _images(backbone):
    side = backbone.preprocessing.side
    return np.random.default_rng(0).integers(0, 255, (2, side, side, 3), np.uint8)


@pytest.mark.parametrize("name", ["timm", "transformers"])
def test_front_and_body_together_are_the_whole_network(name, folders):
    backbone = open_backbone(folders[name])
    images = _images(backbone)
    expected = backbone.front(None, 1)(images)
    assert expected.shape == (2, backbone.width)
    for first in range(len(backbone.stages())):
        inputs = torch.from_numpy(backbone.front(first, 1)(images) if first else images)
        features = backbone.body(first)(inputs).detach().numpy()
        assert features == pytest.approx(expected, abs=1e-5)


def test_an_interrupted_run_resumes_with_the_same_result(folders, trained, tmp_path):
    epochs = []

    def interrupt(metrics):
        epochs.append(metrics.epoch)
        if metrics.epoch == 3:
            raise KeyboardInterrupt

    options = {"parent": folders["timm"], "step": short("blocks"), "command": "the command"}
    with pytest.raises(KeyboardInterrupt):
        adapt(samples(), tmp_path / "artifact", tmp_path / "work", on_epoch=interrupt, **options)
    resumed = adapt(samples(), tmp_path / "artifact", tmp_path / "work", on_epoch=interrupt, **options)
    assert epochs == list(range(1, 61)), "no epoch is repeated"
    expected = (trained["timm"].folder / "model.onnx").read_bytes()
    assert (resumed.folder / "model.onnx").read_bytes() == expected


def test_residual_and_windowed_networks_can_be_split(tmp_path):
    for architecture in ("test_resnet", "test_convnext"):
        folder = tiny.timm(tmp_path / architecture, architecture)
        backbone = open_backbone(folder)
        assert len(backbone.stages()) == 4 and backbone.last_stage == 3
        images = _images(backbone)
        body = backbone.body(3).train()
        assert not any(m.training for m in body.modules() if isinstance(m, torch.nn.BatchNorm2d))
        inputs = torch.from_numpy(backbone.front(3, 1)(images))
        expected = backbone.front(None, 1)(images)
        assert body(inputs).detach().numpy() == pytest.approx(expected, abs=1e-4)


def test_an_architecture_with_a_weights_file_is_a_backbone(tmp_path):
    import timm

    torch.manual_seed(0)
    save_file(timm.create_model("test_vit", num_classes=0).state_dict(), tmp_path / "Our ViT.safetensors")
    backbone = open_backbone(f"test_vit@{tmp_path / 'Our ViT.safetensors'}")
    assert backbone.name == "our-vit" and len(backbone.stages()) == 6 and backbone.last_stage == 4
    with pytest.raises(BadInput, match="no architecture 'no_such'"):
        open_backbone(f"no_such@{tmp_path / 'Our ViT.safetensors'}")
    with pytest.raises(NotFound, match="no file"):
        open_backbone(f"test_vit@{tmp_path / 'missing.safetensors'}")
    with pytest.raises(ModelBroken, match=r"lacks .* weights of test_convnext"):
        open_backbone(f"test_convnext@{tmp_path / 'Our ViT.safetensors'}")


def test_what_is_no_backbone_is_one_sentence(tmp_path):
    with pytest.raises(NotFound, match="no folder"):
        open_backbone(tmp_path / "missing")
    with pytest.raises(BadInput, match="holds no model that can be trained"):
        open_backbone(tmp_path)


def test_a_kind_added_from_outside_is_found_in_the_table(monkeypatch, tmp_path):
    own = object()
    monkeypatch.setitem(BACKBONES, "own", BackboneKind(lambda source: source == "our-network", lambda source: own))
    assert open_backbone("our-network") is own


def test_a_catalog_of_a_converted_model_is_adapted_with_its_original(shop, folders, run, tmp_path):
    folder = folders["transformers"]
    convert(str(folder), tmp_path / "converted", "fp32")
    shop.models.use(tmp_path / "converted")
    path = shop.folder.path
    before = text_to_image(shop.search("a red mug"))
    assert len(before) == PRODUCTS
    shop.close()
    code, _, err = run("train", "catalog", path)
    assert code == 2 and "--backbone FOLDER" in err
    code, out, err = run("train", "catalog", path, "--backbone", folder, "--depth", "heads", "--yes")
    assert code == 0 and "is active" in out, err
    with snapfind.open(path) as opened:
        assert opened.info()["model"].startswith("tiny-clip-learned")
        assert opened.search(picture(2, 96))
        assert text_to_image(opened.search("a red mug")) == pytest.approx(before), "texts still use the original CLIP"
    code, _, err = run("train", "catalog", path)
    assert code == 2 and "without PyTorch weights" in err
