"""The encoder in PyTorch is the shipped one, and what is written back is what was learned."""

import hashlib
import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")
pytest.importorskip("onnx", reason="learning needs the extra snapfind[train]")

import onnx  # noqa: E402

from snapfind.core.errors import ModelBroken  # noqa: E402
from snapfind.encoders.arrays import unit  # noqa: E402
from snapfind.encoders.golden import golden_pictures  # noqa: E402
from snapfind.encoders.image.efficientnet import Builtin  # noqa: E402
from snapfind.encoders.image.preprocess import to_tensor  # noqa: E402
from snapfind.training.data.feature_cache import load_frozen_front  # noqa: E402
from snapfind.training.export import SHIPPED, write_artifact, write_heads  # noqa: E402
from snapfind.training.models.adaptation import Tail  # noqa: E402
from snapfind.training.models.efficientnet import read_network  # noqa: E402
from snapfind.training.models.heads import Heads  # noqa: E402


@pytest.fixture(scope="module")
def shipped():
    return Builtin.load()


@pytest.fixture
def network():
    return read_network(SHIPPED)


@pytest.fixture
def pictures(shipped):
    return to_tensor(golden_pictures(2), shipped.preprocessing)


def heads(dim=16):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(1280, dim)).astype(np.float32)
    found = Heads(matrix, *rng.normal(size=(2, 1280)).astype(np.float32) / 1000)
    with torch.no_grad():
        found.document += torch.from_numpy(rng.normal(size=(1280, dim)).astype(np.float32))
    return found


def test_pytorch_and_onnx_runtime_agree_on_every_number(shipped, network, pictures):
    with torch.inference_mode():
        pooled = network(torch.from_numpy(pictures)).numpy()
    np.testing.assert_allclose(pooled, shipped.extract_features(golden_pictures(2)).pooled, atol=1e-4)


def test_front_and_tail_together_are_the_network(shipped, network, pictures):
    first = network.names.index(network.last_stage)
    cells = load_frozen_front(SHIPPED / "model.onnx", network.last_stage, 1)(pictures)
    assert cells.shape == (2, 112, 14, 14)
    with torch.inference_mode():
        pooled = Tail(network, first)(torch.from_numpy(cells)).numpy()
    np.testing.assert_allclose(pooled, shipped.extract_features(golden_pictures(2)).pooled, atol=1e-4)


def test_only_the_last_blocks_learn_and_depthwise_kernels_rest(network):
    tail = Tail(network, network.names.index("_blocks.11"))
    learning = [name for name, parameter in tail.named_parameters() if parameter.requires_grad]
    assert learning and all(int(name.split(".")[2]) >= 12 for name in learning)
    shapes = {name: own.shape for name, own in tail.named_parameters()}
    assert not [name for name in learning if len(shapes[name]) == 4 and shapes[name][-1] > 1]


def test_a_learned_network_comes_back_from_its_artifact(network, pictures, tmp_path):
    with torch.no_grad():
        for parameter in network.blocks[12:].parameters():
            parameter.mul_(1.02)
    own = heads()
    encoder = write_artifact(tmp_path / "learned", network, own, {"seed": 3, "command": "test"})
    with torch.inference_mode():
        features = network(torch.from_numpy(pictures))
        for role in ("query", "document"):
            expected = own(features, torch.full((2,), role == "query")).numpy()
            np.testing.assert_allclose(encoder.images(golden_pictures(2), role), expected, atol=2e-3)
    manifest = json.loads((tmp_path / "learned" / "manifest.json").read_text())
    assert (manifest["kind"], manifest["parent"], manifest["seed"]) == ("encoder", "lite0", 3)
    assert not encoder.knows_classes and encoder.extract_features(golden_pictures(1)).posterior.shape == (1, 0)
    assert not list(tmp_path.glob("*.draft"))


def test_the_two_roles_differ(network, tmp_path):
    encoder = write_artifact(tmp_path / "learned", network, heads(), {})
    query, catalog = (encoder.images(golden_pictures(1), role) for role in ("query", "document"))
    assert np.abs(query - catalog).max() > 0.01


def test_an_artifact_whose_weights_were_changed_is_refused(network, tmp_path):
    write_artifact(tmp_path / "learned", network, heads(), {})
    other = read_network(SHIPPED)
    with torch.no_grad():
        other.blocks[3].get_parameter("0.weight").mul_(1.5)
    write_artifact(tmp_path / "other", other, heads(), {})
    (tmp_path / "other" / "model.onnx").replace(tmp_path / "learned" / "model.onnx")
    with pytest.raises(ModelBroken, match="does not match its manifest"):
        Builtin.load(str(tmp_path / "learned"))


def test_new_heads_alone_are_an_adapter_of_the_shipped_encoder(shipped, tmp_path):
    own = heads()
    encoder = write_heads(tmp_path / "heads", own, {"seed": 0})
    features = torch.from_numpy(shipped.extract_features(golden_pictures(2)).pooled)
    with torch.inference_mode():
        expected = own(features, torch.tensor([True, True])).numpy()
    np.testing.assert_allclose(encoder.images(golden_pictures(2), "query"), expected, atol=1e-5)
    assert np.allclose(unit(expected), expected, atol=1e-6)


def relu():
    """A model that takes and gives three numbers."""
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3]) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
    return onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])


def outside(folder):
    """The shipped model with its largest weight in a file beside the folder."""
    model = onnx.load(SHIPPED / "model.onnx")
    weight = max(model.graph.initializer, key=lambda own: len(own.raw_data))
    (folder.parent / "secret.bin").write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    place = weight.external_data.add()
    place.key, place.value = "location", "../secret.bin"
    return model


@pytest.mark.parametrize(
    ("made", "sentence"),
    [(lambda folder: relu(), "has other inputs or outputs"), (outside, "cannot load the model")],
)
def test_a_model_of_another_signature_or_with_weights_elsewhere_is_one_sentence(tmp_path, made, sentence):
    folder = shutil.copytree(SHIPPED, tmp_path / "artifact")
    content = made(folder).SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["model.onnx"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelBroken, match=sentence):
        Builtin.load(str(folder))
    with pytest.raises(ModelBroken, match="not a network that can be trained"):
        read_network(folder)


def test_what_is_no_encoder_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelBroken, match="not a network that can be trained"):
        read_network(tmp_path)
