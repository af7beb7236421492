"""Prompts and adapters on a tiny CLIP in the real format: nothing frozen moves, and what learns is counted."""

import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")
pytest.importorskip("transformers", reason="prompts need transformers, of the extra snapfind[train]")
pytest.importorskip("peft", reason="adapters need peft, of the extra snapfind[train]")

from safetensors.torch import load_file, save_file  # noqa: E402

from snapfind.core.errors import BadInput, ModelBroken  # noqa: E402
from snapfind.training.data.splits import split  # noqa: E402
from snapfind.training.loop import TrainingConfig, train  # noqa: E402
from snapfind.training.methods.prompt_tuning import ClassNames, PromptConfig, Prompted, TemporalEncoder, draw_window  # noqa: E402
from snapfind.training.models.clip import load_clip  # noqa: E402
from tests.pictures import picture  # noqa: E402
from tests.training.tiny_clip import tiny_clip  # noqa: E402

NAMES = ["green tea", "cup", "black shoe", "pan", "lamp", "sock"]
FORM = PromptConfig(prefix=3, postfix=2, frames=4, heads=4, candidates=4, rank=2)
LEARNED = {"prompts": 24 * 32 + 4 * 16 + 3280, "lora": 2 * 2 * 2 * (32 + 32), "linear": 2 * 2 * (32 + 16)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def clip(folder):
    return load_clip(folder)


def learner(clip, method, form=FORM):
    torch.manual_seed(0)
    return Prompted(clip, ClassNames.of(NAMES, clip, form, method), method, form)


def batches(rows, labels):
    """Batches of eight, drawn."""

    def batch(epoch, step):
        chosen = torch.randint(len(rows), (8,), generator=torch.Generator().manual_seed(100 * epoch + step))
        return rows[chosen], labels[chosen]

    return batch


def test_words_stand_between_the_learned_vectors(clip):
    words = ClassNames.of(NAMES, clip, FORM, "prompts")
    first, end = clip.tokenizer.bos_token_id, clip.tokenizer.eos_token_id
    name = clip.tokenizer("cup", add_special_tokens=False)["input_ids"]
    row, learned = words.ids[1].tolist(), words.learned[1].tolist()
    assert row[0] == first and row[4 : 4 + len(name)] == name and row[6 + len(name)] == end
    assert learned == [False, *[True] * 3, *[False] * len(name), *[True] * 2, *[False] * (len(row) - 6 - len(name))]
    assert not ClassNames.of(NAMES, clip, FORM, "names").learned.any()
    assert ClassNames.of(["x" * 500], clip, FORM, "prompts").ids.shape == (1, 24), "a long name is cut"


def test_without_vectors_the_texts_are_those_of_the_model(clip):
    inner = clip.tokenizer(NAMES, padding=True, return_tensors="pt")
    wanted = clip.model.text_projection(clip.model.text_model(**inner).pooler_output)
    ours = learner(clip, "names").texts(ClassNames.of(NAMES, clip, FORM, "names"))
    assert torch.allclose(ours, torch.nn.functional.normalize(wanted, dim=1), atol=1e-5)


@pytest.mark.parametrize("method", ["prompts", "lora", "linear"])
def test_no_frozen_weight_changes_and_what_learns_is_counted(clip, method):
    own = learner(clip, method)
    before = copy.deepcopy(clip.model.state_dict())
    start = {name: value.clone() for name, value in own.state_dict().items()}
    assert sum(value.numel() for value in own.trained_parameters().values()) == LEARNED[method]
    assert {name for name, value in own.named_parameters() if value.requires_grad} == set(own.trained_parameters())
    rows = torch.randn(24, 4, 32, generator=torch.Generator().manual_seed(1))
    outcome = train(own, batches(rows, torch.arange(24) % 6), 10, TrainingConfig(epochs=3, rate=1e-2, average=0.5))
    assert outcome.history[-1].loss < 0.9 * outcome.history[0].loss
    for name, value in clip.model.state_dict().items():
        assert torch.equal(before[name], value), name
    inner = {name: value for name, value in own.clip.state_dict().items() if "lora_" not in name}
    assert all(torch.equal(before[name.replace(".base_layer", "")], value) for name, value in inner.items())
    moved = [name for name, value in outcome.module.state_dict().items() if not torch.equal(start[name], value)]
    assert {name.split(".")[0] for name in moved} == {name.split(".")[0] for name in start}
    assert set(outcome.module.state_dict()) == set(own.trained_parameters()), "checkpoints hold only what learns"


def test_the_sizes_of_the_release_are_those_of_the_paper():
    temporal = TemporalEncoder(512, PromptConfig(frames=16, layers=1))
    assert sum(own.numel() for own in temporal.parameters()) == 16 * 512 + 3_152_384


def test_the_order_of_frames_is_seen_by_the_temporal_block_and_not_by_the_mean(clip):
    """Two classes, the same four frames, in one order and in the other."""
    generator = torch.Generator().manual_seed(2)
    frames = torch.randn(4, 32, generator=generator)

    def clips(count):
        labels = torch.randint(2, (count,), generator=generator)
        seen = torch.stack([frames if label == 0 else frames.flip(0) for label in labels])
        return seen + 0.1 * torch.randn(seen.shape, generator=generator), labels

    rows, labels = clips(64)
    asked, truth = clips(200)
    names = ClassNames.of(["up", "down"], clip, FORM, "prompts")
    right = {}
    for how in ("block", "mean"):
        torch.manual_seed(0)
        own = Prompted(clip, names, "prompts", FORM)
        if how == "mean":
            own.temporal = None
        found = train(own, batches(rows, labels), 25, TrainingConfig(epochs=4, rate=3e-3, average=0.9)).module
        right[how] = float((found.scores(asked[:, None], names).argmax(1) == truth).float().mean())
    assert right["block"] > 0.95 and 0.35 < right["mean"] < 0.65, right


def test_copies_share_the_frozen_model_and_not_what_learns(clip):
    for method in ("prompts", "lora"):
        own = learner(clip, method)
        other = copy.deepcopy(copy.deepcopy(own))
        for (name, mine), (_, theirs) in zip(own.named_parameters(), other.named_parameters()):
            assert (mine is theirs) == (name not in own.trained_parameters()), name


def test_a_frozen_model_with_dropout_does_not_drop_while_prompts_learn(tmp_path):
    clip = load_clip(tiny_clip(tmp_path, dropout=0.5))
    rows, labels = torch.randn(12, 4, 32, generator=torch.Generator().manual_seed(1)), torch.arange(12) % 4
    for method in ("prompts", "lora"):
        own = learner(clip, method, replace(FORM, candidates=len(NAMES))).train()
        assert own(rows, labels).item() == own(rows, labels).item() == own.eval()(rows, labels).item()
        train(own, lambda epoch, step: (rows, labels), 1, TrainingConfig(epochs=1))
        assert not clip.model.training


def test_a_run_that_was_stopped_goes_on_bit_by_bit(clip, tmp_path):
    rows, training = (
        torch.randn(24, 4, 32, generator=torch.Generator().manual_seed(1)),
        TrainingConfig(epochs=3, rate=1e-3),
    )

    def stop(told):
        raise KeyboardInterrupt

    batch = batches(rows, torch.arange(24) % 6)
    for method in ("prompts", "linear"):
        whole = train(learner(clip, method), batch, 3, training)
        with pytest.raises(KeyboardInterrupt):
            train(learner(clip, method), batch, 3, training, checkpoint_folder=tmp_path / method, on_epoch=stop)
        again = train(learner(clip, method), batch, 3, training, checkpoint_folder=tmp_path / method)
        for name, value in whole.module.state_dict().items():
            assert torch.equal(again.module.state_dict()[name], value), name
    assert load_file(tmp_path / "linear" / "checkpoint.safetensors"), "no pickle"
    with pytest.raises(BadInput, match="not of the method"):
        learner(clip, "prompts").load_state_dict(learner(clip, "linear").state_dict())


def test_pictures_go_through_the_real_tower(clip):
    seen = clip.pictures([picture(n, 80) for n in range(3)])
    assert seen.shape == (3, 32)
    wanted = clip.model.get_image_features(clip.preprocessing.tensor([picture(1, 80)]))
    wanted = getattr(wanted, "pooler_output", wanted)
    ours = learner(clip, "names").pictures(seen[1:2, None])
    assert torch.allclose(ours, torch.nn.functional.normalize(wanted, dim=1), atol=1e-5)


def test_windows_are_as_long_as_they_should_be_whatever_the_clip():
    rng = np.random.default_rng(0)
    for length in (1, 3, 16, 200):
        features = np.arange(length, dtype=np.float32)[:, None]
        for _ in range(20):
            steps = np.diff(draw_window(features, 8, rng)[:, 0])
            assert len(steps) == 7 and (steps >= 0).all() and set(steps[steps > 0]) <= {1, 2, 3, 4}


@pytest.mark.parametrize("how", ["closed", "few", "zero"])
def test_splits_keep_apart_what_must_be_apart(how):
    labels = np.repeat(np.arange(8), 12)
    found = split(labels, how, shots=3)
    assert not set(found.train) & set(found.test) and len(found.test)
    assert set(labels[found.train]) == set(found.train_classes) and set(labels[found.test]) == set(found.test_classes)
    if how == "few":
        assert np.bincount(labels[found.train]).tolist() == [3] * 8
    assert bool(set(found.train_classes) & set(found.test_classes)) == (how != "zero")


def test_what_cannot_be_split_is_one_sentence():
    for labels, how, sentence in (
        ([0, 0], "closed", "1 class"),
        ([0, 0, 1, 1], "zero", "needs at least 4"),
        ([0, 0, 1], "few", "only one picture"),
    ):
        with pytest.raises(BadInput, match=sentence):
            split(np.array(labels), how)


def without(file, name):
    save_file({own: value for own, value in load_file(file).items() if own != name}, file, {"format": "pt"})


def added(folder, word):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([word])
    tokenizer.save_pretrained(folder)


def test_a_model_saved_in_half_precision_learns_as_any(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "clip")
    file = tmp_path / "clip" / "model.safetensors"
    half = {name: value.half() if value.is_floating_point() else value for name, value in load_file(file).items()}
    save_file(half, file, {"format": "pt"})
    told = json.loads((tmp_path / "clip" / "config.json").read_text())
    (tmp_path / "clip" / "config.json").write_text(json.dumps(told | {"dtype": "float16"}))
    own = learner(load_clip(tmp_path / "clip"), "prompts")
    loss = own(torch.randn(4, 4, 32, generator=torch.Generator().manual_seed(0)), torch.arange(4))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(own.table.grad).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda at: (at / "config.json").unlink(), "config.json cannot be read"),
        (lambda at: (at / "config.json").write_text('{"model_type": "bert"}'), "type 'bert'"),
        (lambda at: (at / "model.safetensors").rename(at / "pytorch_model.bin"), "no model.safetensors"),
        (lambda at: (at / "model.safetensors").write_bytes(b"broken"), "no complete CLIP model"),
        (lambda at: (at / "tokenizer.json").unlink(), "Copy the tokenizer too"),
        (lambda at: (at / "tokenizer.json").write_text("{"), "no complete CLIP model"),
        (lambda at: without(at / "model.safetensors", "text_projection.weight"), "lacks 1 weights .*text_projection"),
        (lambda at: added(at, "another model's word"), "one of the two is another model's"),
    ],
)
def test_a_folder_in_a_wrong_format_is_one_sentence(folder, tmp_path, change, sentence):
    shutil.copytree(folder, tmp_path / "clip")
    change(tmp_path / "clip")
    with pytest.raises(ModelBroken, match=sentence):
        load_clip(tmp_path / "clip")
    assert json.loads((folder / "config.json").read_text())["model_type"] == "clip"


def test_vectors_that_leave_no_room_for_a_name_are_one_sentence(clip):
    with pytest.raises(BadInput, match="leave no room"):
        ClassNames.of(NAMES, clip, PromptConfig(prefix=16, postfix=16), "prompts")
