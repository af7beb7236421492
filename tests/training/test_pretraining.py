"""Two towers learn from shards: the gradient in parts, ranks, resuming, hard negatives, pairs that cannot be read."""

import io
import json
import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")
pytest.importorskip("onnx", reason="learning needs the extra snapfind[train]")

from safetensors.torch import load_file, save_file  # noqa: E402
from torch import distributed, multiprocessing, nn  # noqa: E402

from snapfind.core.errors import BadInput  # noqa: E402
from snapfind.encoders.image.preprocess import Preprocessing  # noqa: E402
from snapfind.training.data.webdataset import Shards  # noqa: E402
from snapfind.training.export import SHIPPED  # noqa: E402
from snapfind.training.loop import TrainingConfig  # noqa: E402
from snapfind.training.methods.pretraining import PairBatches, PretrainingConfig, estimate_cost, pretrain, save_towers  # noqa: E402
from snapfind.training.models.efficientnet import read_network  # noqa: E402
from snapfind.training.models.two_tower import ByteText, ImageTower, TwoTower, encode_bytes, title_ids  # noqa: E402
from tests.training.leaving import leave  # noqa: E402
from tests.training.test_webdataset import LIMITS, jpeg, pairs, shard  # noqa: E402

SIDE = 16
RECIPE = PretrainingConfig(
    TrainingConfig(epochs=2, rate=3e-3, warm=0.1), "info_nce", batch=16, part=4, steps=4, held_out=8, length=16
)


class Pixels(nn.Module):
    """The smallest tower of pictures."""

    def __init__(self, dim):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3 * SIDE * SIDE, 32), nn.Tanh(), nn.Linear(32, dim))

    def forward(self, pictures):
        return nn.functional.normalize(self.layers(pictures.flatten(1).float() / 128 - 1), dim=1)


class Letters(nn.Module):
    """The smallest tower of titles."""

    def __init__(self, dim):
        super().__init__()
        self.letters = nn.Embedding(257 * 16, dim)

    def forward(self, texts):
        return nn.functional.normalize(self.letters(texts + 257 * torch.arange(16)).sum(1), dim=1)


def towers(loss="info_nce", part=4, hard=0.0, text=Letters):
    torch.manual_seed(0)
    return TwoTower(Pixels(8), text(8), loss, part=part, hard=hard)


@pytest.fixture
def shards(tmp_path):
    return Shards([shard(tmp_path / f"{n}.tar", pairs(range(20 * n, 20 * n + 20))) for n in range(3)], LIMITS)


def feed(shards, config=RECIPE):
    return PairBatches(shards, Preprocessing(SIDE), config)


@pytest.mark.parametrize("loss", ["info_nce", "sigmoid"])
@pytest.mark.parametrize("hard", [0.0, 0.5])
def test_a_batch_in_parts_has_the_gradient_of_the_whole_batch(shards, loss, hard):
    batch = feed(shards).batch(0, 0)
    gradients, values, kept = [], [], []
    for part in (0, 1, 5):
        learner, size = towers(loss, part, hard, lambda dim: ByteText(dim, 64, 1, 16)), []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=size: s.append(t.numel()) or t, lambda t: t):
            value = learner(*batch)
        value.backward()
        values.append(value.item())
        kept.append(sum(size))
        gradients.append([own.grad for own in learner.parameters() if own.requires_grad])
    assert values[1:] == pytest.approx(values[:1] * 2, rel=1e-5)
    for parts in gradients[1:]:
        for own, whole in zip(parts, gradients[0]):
            assert torch.allclose(own, whole, rtol=1e-4, atol=1e-5 * float(whole.abs().max()))
    assert max(kept[1:]) < kept[0] / 4, "what lies between is not kept"


def test_pairs_with_one_title_do_not_stand_against_each_other():
    learner = towers("sigmoid")
    pictures = torch.randint(0, 255, (4, SIDE, SIDE, 3), dtype=torch.uint8)
    texts = encode_bytes(["tea", "tea", "tea", "cup"], 16)
    alike = title_ids(["tea", " Tea", "tea", "cup"])
    assert len(set(alike.tolist())) == 2
    other = learner(pictures, texts, torch.arange(4))
    assert learner(pictures, texts, alike).item() != pytest.approx(other.item())
    same = learner(pictures[:3], texts[:3], alike[:3])
    assert torch.isfinite(same), "a batch without a negative"


def test_hard_negatives_weigh_more_and_their_mean_weight_is_one():
    from snapfind.training.losses.contrastive import info_nce

    rows = nn.functional.normalize(torch.randn(3, 6, generator=torch.Generator().manual_seed(0)), dim=1)
    left = rows.clone().requires_grad_()
    right = nn.functional.normalize(torch.stack([rows[0], rows[0] + 0.3 * rows[1], -rows[0]]), dim=1)
    pull = []
    for hard in (0.0, 1.0):
        left.grad = None
        info_nce(left, right, scale=5.0, hard=hard).backward()
        pull.append(float(left.grad[0] @ right[1]))
    assert pull[1] > pull[0], "the near negative pushes harder"
    equal = torch.eye(4)[:, :4] * 0 + torch.tensor([1.0, 0, 0, 0])
    assert info_nce(equal, equal, hard=1.0) == pytest.approx(info_nce(equal, equal).item(), rel=1e-5)


def colored(number):
    """A picture of one of eight colors, and the color's name."""
    color, content = tuple(255 * (number >> bit & 1) for bit in range(3)), io.BytesIO()
    Image.new("RGB", (20, 20), color).save(content, "PNG")
    return content.getvalue(), ["black", "blue", "green", "teal", "red", "plum", "gold", "white"][number % 8].encode()


@pytest.mark.parametrize("loss", ["info_nce", "sigmoid"])
def test_it_learns_which_picture_belongs_to_which_title(tmp_path, loss):
    members = [(f"{n}.{end}", part) for n in range(48) for end, part in zip(("png", "txt"), colored(n))]
    shards = Shards([shard(tmp_path / "a.tar", members)], LIMITS)
    config = replace(RECIPE, loss=loss, training=TrainingConfig(epochs=5, rate=3e-2, average=0.5), steps=8, batch=16)
    outcome = pretrain(towers(loss, part=0), feed(shards, config), config)
    assert outcome.history[-1].loss < outcome.history[0].loss
    assert outcome.history[-1].score == 1.0 and outcome.history[0].speed > 0


@pytest.mark.parametrize("loss", ["info_nce", "sigmoid"])
def test_a_run_that_was_stopped_goes_on_bit_by_bit(shards, tmp_path, loss):
    config = replace(RECIPE, loss=loss)
    whole = pretrain(towers(loss), feed(shards, config), config)

    def stop(told):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(towers(loss), feed(shards, config), config, checkpoint_folder=tmp_path / "kept", on_epoch=stop)
    with pytest.raises(BadInput, match="another configuration"):
        pretrain(towers(loss), feed(shards, config), replace(config, steps=5), checkpoint_folder=tmp_path / "kept")
    again = pretrain(towers(loss), feed(shards, config), config, checkpoint_folder=tmp_path / "kept")
    for name, value in whole.module.state_dict().items():
        assert torch.equal(again.module.state_dict()[name], value), name


def on_ranks(number, ranks, folder):
    """What rank `number` of `ranks` learns with either loss, each rank with its part of the batch."""
    if ranks > 1:
        torch.set_num_threads(1)
        distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=number, world_size=ranks)
    files = sorted(Path(folder).glob("*.tar"))
    for loss in ("info_nce", "sigmoid"):
        training = replace(RECIPE.training, average=0.0)
        config = replace(RECIPE, loss=loss, batch=RECIPE.batch // ranks, held_out=0, training=training)
        outcome = pretrain(towers(loss, part=3), feed(Shards(files, LIMITS), config), config)
        save_file(outcome.module.state_dict(), f"{folder}/{loss}-{ranks}-{number}")
    if ranks > 1:
        leave()


@pytest.mark.enable_socket
def test_two_ranks_learn_what_one_rank_with_twice_the_batch_learns(shards, tmp_path):
    on_ranks(0, 1, str(tmp_path))
    multiprocessing.spawn(on_ranks, (2, str(tmp_path)), nprocs=2)
    for loss in ("info_nce", "sigmoid"):
        one, first, second = (load_file(tmp_path / f"{loss}-{end}") for end in ("1-0", "2-0", "2-1"))
        start = towers(loss).state_dict()
        assert any(not torch.allclose(start[name], value, atol=1e-3) for name, value in one.items())
        for name, value in one.items():
            assert torch.equal(first[name], second[name])
            assert torch.allclose(first[name], value, atol=2e-4), (loss, name)


def test_pairs_that_cannot_be_read_are_replaced_and_counted(tmp_path):
    broken = [member if n != 4 else ("00002.jpg", jpeg(2)[:60]) for n, member in enumerate(pairs(range(24)))]
    own = feed(Shards([shard(tmp_path / "a.tar", broken)], LIMITS), replace(RECIPE, held_out=0, batch=24))
    pictures, texts, _ = own.batch(0, 0)
    assert len(pictures) == len(texts) == 24 and sum(own.unread.values()) == 1
    nothing = [(name, content if name.endswith("txt") else b"no") for name, content in pairs(range(24))]
    with pytest.raises(BadInput, match="64 pairs in a row"):
        feed(Shards([shard(tmp_path / "b.tar", nothing)], LIMITS), replace(RECIPE, held_out=0, batch=24)).batch(0, 0)


def test_no_pair_that_is_learned_from_judges_in_place_of_one_that_cannot_be_read(tmp_path):
    broken = [(name, content if name.endswith("txt") or n % 3 else content[:60]) for n, (name, content) in
              enumerate(pairs(range(24)))]  # fmt: skip
    own = feed(Shards([shard(tmp_path / "a.tar", broken)], LIMITS), replace(RECIPE, held_out=12, batch=4))
    titles = []
    for number in own.held_out.tolist():
        with suppress(BadInput):
            own.shards.read(number)
            titles.append(own.shards.title(number))
    pictures, _, numbers = own.held_out_pairs()
    assert 0 < len(pictures) == len(titles) < 12 and torch.equal(numbers, title_ids(titles))
    assert sum(own.unread.values()) == 12 - len(titles)


def test_a_scale_at_its_limit_comes_down_where_that_is_better():
    learner = TwoTower(nn.Identity(), nn.Identity(), "info_nce")
    with torch.no_grad():
        learner.scale.fill_(math.log(300))
    rows = nn.functional.normalize(torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(0)), dim=2)
    learner(*rows, torch.arange(16)).backward()
    assert learner.scale.exp().item() == pytest.approx(100, rel=1e-5) and learner.scale.grad > 0


@pytest.mark.parametrize("loss", ["info_nce", "sigmoid"])
def test_the_loss_is_in_float32_where_towers_are_in_bfloat16(loss):
    learner = TwoTower(nn.Identity(), nn.Identity(), loss)
    rows = nn.functional.normalize(torch.randn(2, 32, 16, generator=torch.Generator().manual_seed(0)), dim=2)
    whole = learner(*rows, torch.arange(32))
    with torch.autocast("cpu", torch.bfloat16):
        half = learner(*rows, torch.arange(32))
    assert half.dtype == torch.float32 and half.item() == pytest.approx(whole.item(), rel=1e-6)


@pytest.mark.parametrize("hard", [0.0, 0.7])
def test_both_losses_are_the_papers_sums_written_out(hard):
    from snapfind.training.losses.contrastive import info_nce, sigmoid_loss

    rng = np.random.default_rng(0)
    left, right = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in rng.normal(size=(2, 5, 4)))
    same = np.eye(5, dtype=bool)
    same[0, 3] = same[3, 0] = True
    logits = 6.0 * left @ right.T

    def weight(row, column, logits):
        others = [logits[row, own] for own in range(5) if not same[row, own]]
        return np.exp(hard * logits[row, column]) / np.mean(np.exp(hard * np.array(others)))

    def one_way(logits):
        total = 0.0
        for row in range(5):
            terms = [np.exp(logits[row, c]) * (1 if same[row, c] else weight(row, c, logits)) for c in range(5)]
            mine = [-np.log(terms[c] / sum(terms)) for c in range(5) if same[row, c]]
            total += np.mean(mine) / 5
        return total

    pairs = [
        np.log1p(np.exp(-(1 if same[r, c] else -1) * (logits[r, c] - 2.0)))
        * (1 if same[r, c] else weight(r, c, logits))
        for r in range(5)
        for c in range(5)
    ]
    given = [torch.from_numpy(own) for own in (left, right, same)]
    how = {"scale": 6.0, "same": given[2], "hard": hard}
    assert info_nce(*given[:2], **how).item() == pytest.approx((one_way(logits) + one_way(logits.T)) / 2)
    assert sigmoid_loss(*given[:2], bias=-2.0, **how).item() == pytest.approx(sum(pairs) / 5)


def test_too_few_pairs_for_a_batch_are_one_sentence(shards):
    with pytest.raises(BadInput, match="60 pairs, 8 of them held out, do not fill a batch of 64"):
        feed(shards, replace(RECIPE, batch=64))


def test_the_shipped_network_is_a_tower_too(shards):
    torch.manual_seed(0)
    learner = TwoTower(ImageTower(read_network(SHIPPED), 8, "_blocks.15"), ByteText(8, 64, 1, 16), "sigmoid", part=2)
    config = replace(RECIPE, loss="sigmoid", batch=4, steps=2, held_out=4, training=TrainingConfig(epochs=1, rate=1e-3))
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    pretrain(learner, PairBatches(shards, Preprocessing(64), config), config)
    moved = {name for name, value in learner.state_dict().items() if not torch.equal(before[name], value)}
    assert "picture.matrix" in moved and "text.letters.weight" in moved
    assert not any(name.startswith("picture.network.blocks.3.") for name in moved)


def test_both_towers_are_kept_without_a_pickle(tmp_path):
    learner = towers()
    save_towers(tmp_path / "towers", learner, RECIPE, {"seed": 0})
    told = json.loads((tmp_path / "towers" / "manifest.json").read_text())
    assert told["kind"] == "towers" and told["config"]["loss"] == "info_nce"
    again = towers("sigmoid")
    again.load_state_dict(load_file(tmp_path / "towers" / "towers.safetensors"))
    assert torch.equal(again.scale, learner.scale)


def test_the_cost_is_arithmetic():
    assert estimate_cost(3.6e6, 100, 2.0) == "3,600,000 pairs at 100.0 pairs/s: 10.0 machine-hours, 20.00 at 2 an hour"
