"""Batches from a Parquet file: every row once an epoch, the same as from memory, and enough to learn from."""

import duckdb
import numpy as np
import pytest

from snapfind.core.errors import BadInput
from snapfind.ranking.networks import Inputs, SingleDomain
from snapfind.ranking.parquet_stream import streamed_batches
from snapfind.ranking.rows import rows_of
from snapfind.search.rerank.features import Field
from snapfind.training.loop import TrainingConfig, train

FIELDS = (Field("item", "hashed", 64), Field("before", "sequence", 64, table="item", most=3), Field("price", "number"))


@pytest.fixture(scope="module")
def columns():
    rng = np.random.default_rng(0)
    items = rng.integers(20, size=1050)
    return {
        "item": [f"i{one}" for one in items],
        "before": [[f"i{one}" for one in rng.integers(20, size=rng.integers(5))] for _ in items],
        "price": [None if one % 7 == 0 else float(one) for one in items],
        "clicked": (rng.random(1050) < np.where(items % 2, 0.8, 0.1)).tolist(),
        "group": list(range(1050)),
    }


@pytest.fixture(scope="module")
def file(columns, tmp_path_factory):
    path = tmp_path_factory.mktemp("it's rows") / "rows.parquet"
    with duckdb.connect() as connection:
        connection.execute('create table t (item varchar, before varchar[], price double, clicked bool, "group" int)')
        connection.executemany("insert into t values (?, ?, ?, ?, ?)", list(zip(*columns.values())))
        connection.execute(f"copy t to '{str(path).replace(chr(39), chr(39) * 2)}' (format parquet)")
    return path


def test_every_row_comes_once_an_epoch_and_as_from_memory(file, columns):
    batch, steps = streamed_batches(file, FIELDS, size=32, seed=1, stretch=200)
    wanted = rows_of(columns, FIELDS)
    whole = sorted(zip(wanted.encoded.ids[:, 0].tolist(), wanted.encoded.lists[:, 0].tolist(), wanted.labels.tolist()))
    seen = []
    for epoch in range(2):
        parts = [batch(epoch, step) for step in range(steps)]
        rows = [
            (int(one), listed, float(label))
            for ids, _, lists, labels, _ in parts
            for one, listed, label in zip(ids[:, 0], lists[:, 0].tolist(), labels)
        ]
        assert sorted(rows) == whole and max(len(part[0]) for part in parts) == 32
        seen.append(rows)
    assert seen[0] != seen[1]
    again = streamed_batches(file, FIELDS, size=32, seed=1, stretch=200)[0](1, 3)
    assert bool((again[0] == batch(1, 3)[0]).all())


def test_a_network_learns_from_the_stream(file, columns):
    batch, steps = streamed_batches(file, FIELDS, size=64, seed=0, stretch=300)
    network = SingleDomain(Inputs(FIELDS, [rows_of(columns, FIELDS)]), FIELDS)
    history = train(network, batch, steps, TrainingConfig(epochs=5, rate=1e-2)).history
    assert history[-1].loss < 0.55 < history[0].loss


def test_what_cannot_be_learned_from_is_named(file, tmp_path):
    with pytest.raises(BadInput, match="lacks the columns color"):
        streamed_batches(file, [Field("color", "hashed", 8)], size=8, seed=0)
    (tmp_path / "rows.parquet").write_bytes(b"nothing")
    with pytest.raises(BadInput, match="not a readable Parquet file"):
        streamed_batches(tmp_path / "rows.parquet", FIELDS, size=8, seed=0)
