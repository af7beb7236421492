"""Tiny models of every format, converted once, and a small shop of pictures that can be told apart."""

import importlib.util
import io
import json
import shutil

import pytest

import snapfind
from tests.learning import one_seed, one_thread
from tests.pictures import save

__all__ = ["one_seed", "one_thread"]

if all(importlib.util.find_spec(name) for name in ("torch", "onnxscript", "open_clip")):
    from snapfind.convert.convert import convert
    from tests.convert import tiny
else:  # the extra is not installed: there is nothing to collect here
    collect_ignore_glob = ["test_*.py"]

WORDS = (
    "a red ceramic mug",
    "en röd kopp av keramik",
    "红色陶瓷杯",
    "två röda koppar",
    "手工制作",
    "very long description",
)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def clip(models):
    return tiny.clip(models / "my-clip")


@pytest.fixture(scope="session")
def siglip(models):
    trainer = pytest.importorskip("sentencepiece").SentencePieceTrainer
    written = io.BytesIO()
    trainer.train(
        sentence_iterator=iter(WORDS * 20),
        model_writer=written,
        vocab_size=90,
        **{"bos_id": -1, "pad_id": -1, "eos_id": 1, "unk_id": 0, "hard_vocab_limit": False, "minloglevel": 2},
    )
    (models / "spiece.model").write_bytes(written.getvalue())
    return tiny.siglip(models / "my-siglip", models / "spiece.model")


@pytest.fixture(scope="session")
def chinese(models):
    return tiny.chinese_clip(models / "my-chinese-clip")


@pytest.fixture(scope="session")
def dino(models):
    return tiny.dinov2(models / "my-dino")


@pytest.fixture(scope="session")
def dinov3(models):
    return tiny.dinov3(models / "my-dinov3")


@pytest.fixture(scope="session")
def vit(models):
    return tiny.vit(models / "my-vit")


@pytest.fixture(scope="session")
def open_clip(models):
    return tiny.open_clip(models / "my-open-clip", {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8})


@pytest.fixture(scope="session")
def made(models):
    """A model's folder -> its artifact and what was said of it, converted once."""
    done = {}

    def make(folder, precision="fp32"):
        if (folder, precision) not in done:
            target = models / f"{folder.name}-{precision}"
            done[folder, precision] = target, convert(str(folder), target, precision)
        return done[folder, precision]

    return make


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """The folder of a catalog of four products, the last one without a title."""
    folder = tmp_path_factory.mktemp("filled")
    rows = [("id", "title", "picture")]
    for number in range(4):
        save(number, folder / f"p{number}.png")
        rows.append((f"p{number}", f"Mug number {number}" if number < 3 else "", f"p{number}.png"))
    table = folder / "products.csv"
    table.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    with snapfind.open(folder / "shop.snap") as catalog:
        catalog.add(table)
    return folder / "shop.snap"


@pytest.fixture
def shop(filled, tmp_path):
    with snapfind.open(shutil.copytree(filled, tmp_path / "shop.snap")) as catalog:
        yield catalog


def changed(artifact, target, **changes):
    """A copy of an artifact with other values in its manifest."""
    shutil.copytree(artifact, target)
    told = json.loads((target / "manifest.json").read_text())
    (target / "manifest.json").write_text(json.dumps(told | changes))
    return target
