"""The loop: goes on bit by bit where it stopped, stops when nothing gets better, keeps to its minutes."""

import json
import pickle
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch import nn  # noqa: E402

from snapfind.core.errors import BadInput, NoRoom  # noqa: E402
from snapfind.training.loop import TrainingConfig, train  # noqa: E402


class Line(nn.Module):
    """Fits y = 2x + 1; draws dropout, so that the random state matters."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.line, self.rest = nn.Linear(1, 1), nn.Linear(1, 1)

    def forward(self, x, y):
        return ((self.line(nn.functional.dropout(x, 0.1)) - y) ** 2).mean() + self.rest(x).square().mean()


def batch(epoch, step):
    x = torch.rand(16, 1, generator=torch.Generator().manual_seed(100 * epoch + step))
    return x, 2 * x + 1


TRAINING = TrainingConfig(epochs=6, rate=0.05, rates={"rest": 0.01}, patience=0)


def error(module):
    return -float((module.line.weight - 2).abs() + (module.line.bias - 1).abs())


def test_it_learns_and_tells_every_epoch():
    told = []
    outcome = train(Line(), batch, 20, TRAINING, score=error, on_epoch=told.append)
    assert [one.epoch for one in told] == [1, 2, 3, 4, 5, 6] == [one.epoch for one in outcome.history]
    assert told[-1].loss < told[0].loss / 3 and told[-1].speed > 0
    assert outcome.epoch == max(outcome.history, key=lambda one: one.score).epoch


def test_a_run_that_was_interrupted_ends_with_the_same_numbers(tmp_path):
    whole = train(Line(), batch, 5, TRAINING)

    def stop(told):
        if told.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Line(), batch, 5, TRAINING, checkpoint_folder=tmp_path, on_epoch=stop)
    rest = []
    again = train(Line(), batch, 5, TRAINING, checkpoint_folder=tmp_path, on_epoch=rest.append)
    assert [one.epoch for one in rest] == [4, 5, 6]
    for name, value in whole.module.state_dict().items():
        assert torch.equal(again.module.state_dict()[name], value), name
    assert [one.loss for one in again.history] == [one.loss for one in whole.history]


def test_it_stops_when_the_score_no_longer_rises():
    training = TrainingConfig(epochs=50, rate=1e-3, patience=2)
    scores = iter([0.1, 0.5, 0.4, 0.3, 0.9])
    outcome = train(Line(), batch, 1, training, score=lambda module: next(scores))
    assert len(outcome.history) == 4 and outcome.epoch == 2


def test_the_latest_epoch_within_a_standard_error_of_the_best_is_kept():
    training = TrainingConfig(epochs=5, rate=1e-3)
    for judged, epoch in ((0, 2), (10_000, 2), (100, 4)):  # of 100 photos at .9 the standard error is .03
        scores = iter([0.5, 0.9, 0.86, 0.88, 0.85])
        assert (
            train(Line(), batch, 1, training, score=lambda _, found=scores: next(found), validation_count=judged).epoch
            == epoch
        )


@pytest.fixture
def slow(monkeypatch):
    """Batches that take 3 seconds each on a clock that only they move."""
    clock = [0.0]
    monkeypatch.setattr("snapfind.training.loop.time", SimpleNamespace(monotonic=lambda: clock[0]))

    def slow_batch(epoch, step):
        clock[0] += 3
        return batch(epoch, step)

    return slow_batch


def test_a_time_limit_reduces_the_epochs(slow):
    outcome = train(Line(), slow, 5, TrainingConfig(epochs=1000, minutes=1))
    assert len(outcome.history) == 4 and outcome.seconds == 60


def test_half_precision_runs_on_a_cpu_and_learns():
    outcome = train(Line(), batch, 20, TrainingConfig(epochs=6, rate=0.05, bfloat16=True))
    assert outcome.history[-1].loss < outcome.history[0].loss / 2
    assert all(value.dtype == torch.float32 for value in outcome.module.state_dict().values())


def stop(told):
    if told.epoch == 2:
        raise KeyboardInterrupt


@pytest.fixture
def interrupted(tmp_path):
    """The folder of a run that was stopped in its third epoch."""
    with pytest.raises(KeyboardInterrupt):
        train(Line(), batch, 2, TRAINING, checkpoint_folder=tmp_path, data_fingerprint="mugs", on_epoch=stop)
    return tmp_path


def test_an_unfinished_checkpoint_of_something_else_is_refused_and_left_alone(interrupted):
    before = (interrupted / "checkpoint.safetensors").read_bytes()

    class Other(Line):
        """The same weights, another loss."""

    class Wider(Line):
        def __init__(self):
            super().__init__()
            self.rest = nn.Linear(1, 2)

    for module, training, of in (
        (Line(), TrainingConfig(epochs=9), "mugs"),
        (Line(), TRAINING, "cups"),
        (Other(), TRAINING, "mugs"),
        (Wider(), TRAINING, "mugs"),
    ):
        with pytest.raises(BadInput, match="unfinished run with another configuration, other images or another method"):
            train(module, batch, 2, training, checkpoint_folder=interrupted, data_fingerprint=of)
    assert (interrupted / "checkpoint.safetensors").read_bytes() == before
    assert (
        train(Line(), batch, 2, TRAINING, checkpoint_folder=interrupted, data_fingerprint="mugs").history[-1].epoch == 6
    )


def test_a_finished_run_is_found_again_and_one_of_other_data_begins_anew(tmp_path):
    whole = train(Line(), batch, 2, TRAINING, checkpoint_folder=tmp_path, data_fingerprint="mugs")
    told = []
    assert (
        train(
            Line(), batch, 2, TRAINING, checkpoint_folder=tmp_path, data_fingerprint="mugs", on_epoch=told.append
        ).history
        == whole.history
    )
    assert not told, "nothing is learned twice"
    again = train(Line(), batch, 2, TRAINING, checkpoint_folder=tmp_path, data_fingerprint="cups", on_epoch=told.append)
    assert [one.epoch for one in told] == [1, 2, 3, 4, 5, 6] and again.history[0].loss == whole.history[0].loss


def test_a_checkpoint_of_another_version_damaged_or_with_a_pickle_in_it_is_one_sentence(interrupted):
    file = interrupted / "checkpoint.safetensors"
    whole = file.read_bytes()
    with safe_open(file, "pt") as opened:
        told = json.loads(opened.metadata()["metadata"])
    save_file(load_file(file), file, {"metadata": json.dumps(told | {"format": 99})})
    with pytest.raises(BadInput, match="format 99"):
        train(Line(), batch, 2, TRAINING, checkpoint_folder=interrupted, data_fingerprint="mugs")
    for damaged in (b"", b"broken", whole[:-1], whole[: len(whole) // 2], pickle.dumps({"done": 3})):
        file.write_bytes(damaged)
        with pytest.raises(BadInput, match=r"is not a checkpoint .*\. Remove it to start a new run"):
            train(Line(), batch, 2, TRAINING, checkpoint_folder=interrupted, data_fingerprint="mugs")
    torch.save(Line().state_dict(), file)
    with pytest.raises(BadInput, match="is not a checkpoint"):
        train(Line(), batch, 2, TRAINING, checkpoint_folder=interrupted, data_fingerprint="mugs")


def test_a_full_disk_is_one_sentence_and_keeps_the_checkpoint_before(interrupted):
    resource = pytest.importorskip("resource", reason="no limit on the size of files here")
    before = (interrupted / "checkpoint.safetensors").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(NoRoom, match="Free disk space"):
            train(Line(), batch, 2, TRAINING, checkpoint_folder=interrupted, data_fingerprint="mugs")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (interrupted / "checkpoint.safetensors").read_bytes() == before
    assert [file.name for file in interrupted.iterdir()] == ["checkpoint.safetensors"]


def test_a_larger_time_limit_resumes_where_a_smaller_one_ended(tmp_path, slow):
    first = train(Line(), slow, 1, TrainingConfig(epochs=40, minutes=0.5), checkpoint_folder=tmp_path)
    rest = train(Line(), slow, 1, TrainingConfig(epochs=40, minutes=2), checkpoint_folder=tmp_path)
    assert (len(first.history), len(rest.history)) == (10, 40) and rest.history[: len(first.history)] == first.history


def test_decay_pulls_at_matrices_and_leaves_biases_gains_and_scales():
    class Scaled(nn.Module):
        """A loss without a gradient: what moves is moved by decay."""

        def __init__(self):
            super().__init__()
            self.line, self.norm = nn.Linear(2, 2), nn.LayerNorm(2)
            self.scale = nn.Parameter(torch.tensor(3.0))

        def forward(self, x):
            return (self.norm(self.line(x)) * self.scale).sum() * 0.0

    module = Scaled()
    before = {name: value.clone() for name, value in module.named_parameters()}
    train(module, lambda epoch, step: (torch.ones(3, 2),), 2, TrainingConfig(epochs=2, rate=0.1, decay=0.5))
    moved = {name for name, value in module.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {"line.weight"}


def test_the_averaged_weights_come_with_the_statistics_of_batch_norms():
    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(1)

        def forward(self, x):
            return self.norm(x).square().mean()

    best = train(Normed(), lambda epoch, step: (torch.randn(64, 1) + 5,), 40, TrainingConfig(epochs=2)).module
    assert float(best.norm.running_mean) == pytest.approx(5, abs=0.3)


def test_a_loss_that_is_no_number_ends_in_one_sentence():
    class Bad(Line):
        def forward(self, x, y):
            return super().forward(x, y) * float("nan")

    with pytest.raises(BadInput, match="NaN or infinite"):
        train(Bad(), batch, 2, TRAINING)
