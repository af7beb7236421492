"""What is broken, foreign or hostile ends in one sentence, and nothing is left behind."""

import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from snapfind.convert.convert import convert
from snapfind.convert.hub import found
from snapfind.core.errors import BadInput, ExtraMissing, ModelBroken, NotFound, SnapfindError
from snapfind.encoders.image.onnx_tower import Tower
from tests.convert.conftest import changed


@pytest.fixture
def copy(clip, tmp_path):
    return shutil.copytree(clip, tmp_path / "copy")


def fails(folder, tmp_path, match, error=SnapfindError):
    with pytest.raises(error, match=match) as raised:
        convert(str(folder), tmp_path / "artifact", "fp32")
    assert "\n" not in raised.value.message and len(raised.value.message) < 500
    assert not (tmp_path / "artifact").exists() and not (tmp_path / "artifact.draft").exists()


@pytest.mark.parametrize(
    ("gone", "match"),
    [
        ("model.safetensors", "has no model.safetensors"),
        ("preprocessor_config.json", "has no preprocessor_config.json"),
        ("tokenizer.json", "has no tokenizer.json"),
        ("config.json", "is no folder of a model"),
    ],
)
def test_a_missing_part_is_named(copy, tmp_path, gone, match):
    (copy / gone).unlink()
    fails(copy, tmp_path, match, ModelBroken)


def test_a_config_that_is_torn_or_of_another_kind_is_named(copy, tmp_path):
    told = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text("{")
    fails(copy, tmp_path, "config.json cannot be read", ModelBroken)
    (copy / "config.json").write_text(json.dumps(told | {"model_type": "llama"}))
    fails(copy, tmp_path, "type 'llama'; those that can be converted", BadInput)
    (copy / "config.json").write_text(json.dumps(told | {"model_type": "siglip2"}))
    fails(copy, tmp_path, "NaFlex", BadInput)


def test_weights_that_lack_a_layer_or_have_another_shape_are_no_model(copy, tmp_path):
    weights = load_file(copy / "model.safetensors")
    lost = {name: value for name, value in weights.items() if "visual_projection" not in name}
    save_file(lost, copy / "model.safetensors", metadata={"format": "pt"})
    fails(copy, tmp_path, "lacks 1 weights .* visual_projection", ModelBroken)
    wide = weights | {"visual_projection.weight": torch.zeros(16, 99)}
    save_file(wide, copy / "model.safetensors", metadata={"format": "pt"})
    fails(copy, tmp_path, "holds no whole model|lacks", ModelBroken)
    (copy / "model.safetensors").write_bytes((copy / "model.safetensors").read_bytes()[:500])
    fails(copy, tmp_path, "holds no whole model", ModelBroken)


def test_a_foreign_tokenizer_is_refused(copy, tmp_path):
    told = json.loads((copy / "tokenizer.json").read_text())
    told["model"]["vocab"] |= {f"piece{number}": 1000 + number for number in range(5000)}
    (copy / "tokenizer.json").write_text(json.dumps(told))
    fails(copy, tmp_path, "tokenizer has .* another model's", ModelBroken)


def test_another_way_of_preparing_pictures_is_refused(copy, tmp_path):
    told = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").write_text(json.dumps(told | {"do_rescale": False}))
    fails(copy, tmp_path, "prepares pictures|scales pictures", BadInput)
    (copy / "preprocessor_config.json").write_text(json.dumps(told | {"size": {"height": 32, "width": 48}}))
    fails(copy, tmp_path, "makes no square", BadInput)


class Hostile:
    """Would write a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_with_code_is_not_run(open_clip, tmp_path):
    folder = shutil.copytree(open_clip, tmp_path / "hostile")
    (folder / "open_clip_model.safetensors").unlink()
    fails(folder, tmp_path, "has neither", ModelBroken)
    (folder / "open_clip_pytorch_model.bin").write_bytes(pickle.dumps(Hostile(tmp_path / "run")))
    fails(folder, tmp_path, "pickle with code in it, which is not run", ModelBroken)
    torch.save({"x": Hostile(tmp_path / "run")}, folder / "open_clip_pytorch_model.bin")
    fails(folder, tmp_path, "pickle with code in it, which is not run", ModelBroken)
    assert not (tmp_path / "run").exists()


def test_a_name_without_a_hub_ends_in_a_sentence():
    with pytest.raises(NotFound, match=r"cannot be fetched from the hub .* give the path"):
        found("some-org/some-clip")
    with pytest.raises(NotFound, match="cannot be fetched from the hub"):
        found("hf-hub:some-org/some-clip")
    with pytest.raises(NotFound, match=r"tags of ViT-B-32: .*laion2b_s34b_b79k"):
        found("ViT-B-32@nothing")
    with pytest.raises(NotFound, match=r"no folder .* no name of a hub"):
        found("nothing here")


@pytest.mark.parametrize(
    ("name", "spoil", "match"),
    [
        ("picture.onnx", lambda content: content[: len(content) // 2], "does not match its manifest"),
        ("text.onnx", lambda content: content[:-1] + b"\0", "does not match its manifest"),
        (
            "tokenizer.json",
            lambda content: content.replace(b"lowercase", b"Lowercase") + b" ",
            "does not match its manifest",
        ),
        ("golden.safetensors", lambda content: content[:-4] + b"\0\0\0\0", "does not match its manifest"),
        ("manifest.json", lambda content: content[:-9], "cannot be used"),
    ],
)
def test_an_artifact_that_was_touched_is_not_opened(clip, made, tmp_path, name, spoil, match):
    folder = shutil.copytree(made(clip)[0], tmp_path / "touched")
    (folder / name).write_bytes(spoil((folder / name).read_bytes()))
    with pytest.raises(ModelBroken, match=match):
        Tower.load(folder)


def test_a_manifest_that_prepares_pictures_otherwise_is_not_believed(clip, made, tmp_path):
    told = json.loads((made(clip)[0] / "manifest.json").read_text())
    other = changed(
        made(clip)[0], tmp_path / "other", preprocessing=told["preprocessing"] | {"interpolation": "nearest"}
    )
    with pytest.raises(ModelBroken, match="the preprocessing differs"):
        Tower.load(other)
    empty = changed(made(clip)[0], tmp_path / "empty", preprocessing={})
    with pytest.raises(ModelBroken, match="does not describe an encoder"):
        Tower.load(empty)


def test_files_that_go_with_another_manifest_answer_otherwise(clip, chinese, made, tmp_path):
    """Whole files with right sums, but golden vectors of another model."""
    import hashlib

    folder = shutil.copytree(made(clip)[0], tmp_path / "mixed")
    shutil.copyfile(made(chinese)[0] / "picture.onnx", folder / "picture.onnx")
    told = json.loads((folder / "manifest.json").read_text())
    told["sha256"]["picture.onnx"] = hashlib.sha256((folder / "picture.onnx").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(ModelBroken, match="outputs differ from those at conversion"):
        Tower.load(folder)


def test_without_tokenizers_a_text_tower_says_what_to_install(clip, made, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(ExtraMissing, match=r"\.\[towers\]"):
        Tower.load(made(clip)[0])
