"""The snippets of docs/methods run as they stand, on data of the shapes that they name."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="learning needs the extra snapfind[train]")

from benchmarks.simulation.bandit import Market, draw  # noqa: E402
from benchmarks.simulation.result_lists import simulate_lists  # noqa: E402
from benchmarks.simulation.two_domains import SOURCE_FIELDS, TARGET_FIELDS, World, simulate  # noqa: E402

from snapfind.encoders.arrays import unit  # noqa: E402
from snapfind.encoders.image.efficientnet import Builtin  # noqa: E402
from snapfind.encoders.text.e5 import TextEncoder  # noqa: E402

PAGES = Path(__file__).parents[2] / "docs" / "methods"
ALONE = {"turbo.md"}  # its snippet needs a model of another library: tests/turbo


def blobs():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 20)
    return unit(np.eye(4, 12)[labels] + 0.2 * rng.normal(size=(80, 12))), labels


def given(page):
    """Names that the page presumes."""
    vectors, labels = blobs()
    held = {"np": np, "torch": torch, "unit": unit, "vectors": vectors, "labels": labels}
    if page == "identity.md":
        held |= {"photos": vectors, "products": labels, "studio": np.eye(4, 12, dtype=np.float32)}
    if page == "pretraining.md":
        encoder = Builtin.load()
        held |= {"Path": Path, "TextEncoder": TextEncoder, "Builtin": Builtin}
        held |= {"features": encoder.extract_features([Image.new("RGB", (64, 64), "red")])}
    if page == "cell-bottleneck.md":
        held |= {"images": torch.rand(200, 1, 8, 8), "classes": torch.arange(200) % 10}
    if page == "counterfactual.md":
        log = draw(market := Market.of(0), 200, 0)
        held |= {name: getattr(log, name) for name in ("contexts", "actions", "rewards", "propensities")}
        held |= {"policy": market.policy(log.contexts, market.new)}
    if page == "compare-and-calibrate.md":
        held |= {"lists": simulate_lists(60, 0), "chosen_by": simulate_lists(20, 1)}
        held |= {"shuffled": simulate_lists(200, 2, shuffled=True)}
    if page == "cross-domain-ctr.md":
        source, *target = simulate(World(shoppers=40, source_rows=300, target_rows=300, judged_rows=200), 0)
        held |= {"source_columns": source.columns, "target_fields": TARGET_FIELDS, "source_fields": SOURCE_FIELDS}
        held |= {"target_columns": target[0].columns, "later_columns": target[1].columns}
    return held


def snippets(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize(
    "page", [one.name for one in sorted(PAGES.glob("*.md")) if snippets(one) and one.name not in ALONE]
)
def test_the_snippets_of_a_page_run(page, tmp_path, monkeypatch):
    shutil.copytree(PAGES.parents[1] / "examples" / "groceries-and-clothes", tmp_path / "space")
    monkeypatch.chdir(tmp_path)
    for code in snippets(PAGES / page):
        assert len(code.strip().splitlines()) <= 10, "ten lines with one's own data"
        exec(compile(code, page, "exec"), given(page))
