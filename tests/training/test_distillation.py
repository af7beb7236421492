"""A pupil comes nearer to its teacher, and what it learned is an artifact like any other."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")
pytest.importorskip("onnx", reason="learning needs the extra snapfind[train]")

from snapfind.core.errors import BadInput  # noqa: E402
from snapfind.encoders.adapter import Adapter  # noqa: E402
from snapfind.encoders.image.efficientnet import Builtin  # noqa: E402
from snapfind.training.methods.distillation import LADDER, distill, relation_loss  # noqa: E402
from tests.pictures import picture  # noqa: E402
from tests.training.test_catalog_adaptation import photo, shown  # noqa: E402


def teacher(width=24):
    """The shipped network with heads of its own: another space, of which the pupil knows nothing."""
    rng = np.random.default_rng(0)
    weights = {f"{role}_matrix": rng.normal(size=(1280, width)).astype(np.float32) for role in ("query", "document")}
    weights |= {f"{role}_mean": np.zeros(1280, np.float32) for role in ("query", "document")}
    raw = Builtin.load()
    return raw.adapted(Adapter(raw.raw_id, weights))


def short(depth="heads", epochs=3):
    step = LADDER[depth]
    return replace(step, views=2, batch=16, dim=16, training=replace(step.training, epochs=epochs, average=0.5))


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    folder = tmp_path_factory.mktemp("taught")
    return distill(shown(), teacher(), folder / "artifact", folder / "work", step=short(), command="test")


def test_relations_are_nought_for_the_same_and_do_not_depend_on_the_axes():
    generator = torch.Generator().manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(10, 6, generator=generator), dim=1)
    turned = rows @ torch.linalg.qr(torch.randn(6, 6, generator=generator))[0]
    assert relation_loss(turned, rows, 0.1) == pytest.approx(0, abs=1e-5)
    assert relation_loss(rows.flip(0), rows, 0.1) > 0.1


def test_relations_agree_with_the_sum_written_out():
    rng = np.random.default_rng(1)
    mine, theirs = (row / np.linalg.norm(row, axis=1, keepdims=True) for row in rng.normal(size=(2, 5, 4)))
    total = 0.0
    for i in range(5):
        others = [j for j in range(5) if j != i]
        p, q = (np.exp(rows[i] @ rows[others].T / 0.2) for rows in (theirs, mine))
        p, q = p / p.sum(), q / q.sum()
        total += float((p * np.log(p / q)).sum())
    assert float(relation_loss(torch.tensor(mine), torch.tensor(theirs), 0.2)) == pytest.approx(total / 5, rel=1e-4)


def test_the_pupil_finds_near_what_the_teacher_finds_near(taught):
    images = [photo(product, number) for product in range(6) for number in range(2)]
    wanted = teacher().images(images, "query")
    before, after = Builtin.load().images(images, "query"), taught.encoder.images(images, "query")
    upper = np.triu_indices(12, 1)

    def agreement(rows):
        return np.corrcoef((rows @ rows.T)[upper], (wanted @ wanted.T)[upper])[0, 1]

    assert agreement(after) > agreement(before)


def test_the_artifact_says_who_taught_it_and_answers_without_pytorch(taught):
    told = json.loads((taught.folder / "manifest.json").read_text())
    assert told["teacher"]["space"] == teacher().space.id and 0 <= told["teacher"]["recall_at_1"] <= 1
    again = Builtin.load(adapter=taught.folder)
    assert again.images([picture(0, 160)], "document").shape == (1, 16)


def test_the_last_blocks_learn_from_a_teacher_too(tmp_path):
    few, step = [one for one in shown(5) if one.product < 3], short("blocks")
    step = replace(step, training=replace(step.training, rate=1e-4, rates={"body": 1e-4}))
    done = distill(few, teacher(), tmp_path / "artifact", tmp_path / "work", depth="blocks", step=step)
    assert done.outcome.history[-1].loss < done.outcome.history[0].loss
    assert not done.encoder.knows_classes


def test_a_run_that_was_stopped_goes_on_with_the_same_numbers(tmp_path, taught):
    def stop(told):
        if told.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distill(shown(), teacher(), tmp_path / "a", tmp_path / "work", step=short(), on_epoch=stop)
    again = distill(shown(), teacher(), tmp_path / "a", tmp_path / "work", step=short())
    assert [one.loss for one in again.outcome.history] == [one.loss for one in taught.outcome.history]


def test_the_pupil_cannot_be_its_own_teacher(tmp_path):
    with pytest.raises(BadInput, match="larger one"):
        distill(shown(), Builtin.load(), tmp_path / "artifact", tmp_path / "work")
    assert not (tmp_path / "artifact").exists()
