"""Pre-training under torchrun's own launcher: two ranks are one with the same batch; an error ends all of them once."""

import json
import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")
pytest.importorskip("onnx", reason="learning needs the extra snapfind[train]")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from snapfind.core.errors import BadInput  # noqa: E402
from snapfind.training.distributed import Ranks, ranks  # noqa: E402
from tests.ports import held  # noqa: E402
from tests.training.test_verbs import run  # noqa: E402
from tests.training.test_webdataset import pairs, shard  # noqa: E402

LAUNCHER = [
    sys.executable,
    "-m",
    "torch.distributed.run",
    "--standalone",
    "--local-addr",
    "127.0.0.1",
    "--nproc-per-node",
    "2",
]


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RANK", "WORLD_SIZE", "LOCAL_"))}
    return {**kept, "OMP_NUM_THREADS": "1", **more}


def count_ranks(*words):
    """What torchrun ends with, on two ranks of one thread."""
    told = {"env": environment(), "capture_output": True, "text": True, "timeout": 300}
    return subprocess.run([*LAUNCHER, *map(str, words)], check=False, **told)


def started(*words):
    """Exit code, stdout and stderr of two ranks that a cluster's own scheduler started."""
    with held() as port:
        meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
        both = [
            subprocess.Popen(
                [sys.executable, *map(str, words)],
                env=environment(**meet, RANK=str(number)),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(2)
        ]
        said = [one.communicate(timeout=300) for one in both]
    return [(one.returncode, *told) for one, told in zip(both, said)]


def losses(folder):
    with safe_open(folder / "checkpoint.safetensors", "pt") as opened:
        return [told["loss"] for told in json.loads(opened.metadata()["metadata"])["history"]]


def test_two_ranks_learn_what_one_learns_and_the_first_alone_speaks(tmp_path):
    asked = ["pretrain", shard(tmp_path / "a.tar", pairs(range(12))), "--batch", 4, "--rounds", 1, "--steps", 2]
    asked += ["--part", 0, "--held", 0]
    run(*asked, "--into", tmp_path / "one")
    done = count_ranks("-m", "snapfind", "train", *asked, "--into", tmp_path / "two")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Both encoders were written to") == done.stderr.count("epoch 1/1") == 1, (
        done.stdout + done.stderr
    )
    assert "warn" not in done.stderr.lower() and "terminate" not in done.stderr
    assert losses(tmp_path / "two.work") == pytest.approx(losses(tmp_path / "one.work"), rel=1e-4)
    one, two = (load_file(tmp_path / name / "towers.safetensors") for name in ("one", "two"))
    assert torch.nn.functional.cosine_similarity(one["picture.matrix"], two["picture.matrix"]).min() > 0.9999
    told = json.loads((tmp_path / "two" / "manifest.json").read_text())
    assert "recall" not in done.stdout, "nothing was held out"
    assert told["ranks"] == 2 and told["config"]["batch"] == 4
    assert (tmp_path / "two" / "encoder" / "manifest.json").exists()


FAILING = """
import sys
from pathlib import Path
import torch
from snapfind.cli.output import fail
from snapfind.core.errors import BadInput, SnapfindError
from snapfind.training.distributed import ranks
from snapfind.training.loop import TrainingConfig, train
from torch import distributed

class Square(torch.nn.Linear):
    def forward(self, rows):
        return super().forward(rows).square().mean()

def learn(epochs):
    train(Square(2, 1), lambda epoch, step: (torch.ones(2, 2),), 1, TrainingConfig(epochs), checkpoint_folder=kept)

try:
    with ranks("cpu") as place:
        kept = Path(sys.argv[1]) / str(place.number)  # no folder that both see
        learn(1)
        try:
            learn(1)
        except BadInput as problem:
            print(problem.message)
        if place.number == 1:
            raise BadInput("the shards of rank 1 are gone")
        distributed.barrier()
except SnapfindError as error:
    fail(error.message)
    sys.exit(error.exit_code)
"""


@pytest.mark.enable_socket
def test_checkpoints_that_differ_are_refused_and_an_error_on_one_rank_ends_all_with_one_sentence(tmp_path):
    (tmp_path / "failing.py").write_text(FAILING)
    first, second = started(tmp_path / "failing.py", tmp_path)
    for code, told, _ in (first, second):
        assert code == 2 and told.startswith("Some ranks found a checkpoint of epoch 1, others of epoch 0")
    assert second[2].strip() == "error: the shards of rank 1 are gone" and first[2] == ""


def test_without_torchrun_there_is_one_rank_and_no_group():
    with ranks("cpu") as place:
        assert place == Ranks(0, 1, 1) and not torch.distributed.is_initialized()


def test_a_batch_goes_out_even_or_is_one_sentence():
    assert Ranks(1, 2).share(256) == 128
    with pytest.raises(BadInput, match="batch of 5 cannot be divided evenly among 2 ranks"):
        Ranks(0, 2).share(5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(BadInput, match="0 found"):
        run("pretrain", tmp_path / "a.tar", "--into", tmp_path / "a", "--device", "cuda")
    assert not (tmp_path / "a").exists()


UNEVEN = """
from types import SimpleNamespace
import torch
from snapfind.training import loop
from snapfind.training.distributed import ranks
from snapfind.training.loop import TrainingConfig, train

class Square(torch.nn.Linear):
    def forward(self, rows):
        return super().forward(rows).square().mean()

clock = [0.0]
loop.time = SimpleNamespace(monotonic=lambda: clock[0])

def batch(epoch, step):
    clock[0] += 1 + 4 * place.number
    return (torch.full((2, 2), 1.0 + place.number),)

with ranks("cpu") as place:
    scores = iter([0.5, 0.4, 0.9, 0.3, 0.2, 0.1] if place.number else [0.5, 0.6, 0.4, 0.3, 0.9, 0.9])
    timed = train(Square(2, 1), batch, 2, TrainingConfig(40, minutes=0.2)).history
    waited = train(Square(2, 1), batch, 1, TrainingConfig(6, patience=2), score=lambda module: next(scores))
    print(len(timed) < 40, len(timed), [one.loss for one in timed], waited.epoch, len(waited.history))
"""


@pytest.mark.enable_socket
def test_ranks_of_which_one_is_slower_or_judges_otherwise_end_after_the_same_epoch(tmp_path):
    (tmp_path / "uneven.py").write_text(UNEVEN)
    (code, first, said), (other, second, _) = started(tmp_path / "uneven.py")
    assert code == other == 0, said
    assert first == second and first.startswith("True 6 ") and first.split()[-2:] == ["2", "4"], first
