"""Pictures of many threads: each gets its own, and what waited runs as one batch."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.pictures import picture

from snapfind.encoders.builtin import Builtin
from snapfind.encoders.together import Together


class Network:
    """Stands for an ONNX session: remembers its batches, and waits where it is told to."""

    def __init__(self):
        self.batches, self.go = [], threading.Event()
        self.go.set()

    def get_outputs(self):
        return []

    def run(self, names, feeds):
        self.go.wait(10)
        pictures = feeds["pictures"]
        self.batches.append((tuple(names), len(pictures)))
        if (pictures < 0).any():
            raise ValueError("below zero")
        return [pictures * (number + 1) for number, _ in enumerate(names)]


def rows(*values):
    return np.array(values, np.float32)[:, None]


def test_what_waits_runs_together_and_each_gets_its_own():
    network = Network()
    together = Together(network, most=4)
    network.go.clear()
    with ThreadPoolExecutor(12) as pool:
        first = pool.submit(together.run, ["a"], {"pictures": rows(100)})
        while together._waiting:
            pass
        others = [pool.submit(together.run, ["a", "b"], {"pictures": rows(value)}) for value in range(1, 7)]
        large = pool.submit(together.run, ["a"], {"pictures": rows(*range(9))})
        while len(together._waiting) < 7:
            pass
        network.go.set()
        assert first.result()[0].tolist() == [[100]]
        for value, asked in enumerate(others, 1):
            assert [output.tolist() for output in asked.result()] == [[[value]], [[2 * value]]]
        assert large.result()[0].tolist() == [[value] for value in range(9)]
    assert network.batches[0] == (("a",), 1) and sum(size for _, size in network.batches) == 16
    assert max(size for names, size in network.batches if len(names) == 2) > 1


def test_a_fault_reaches_its_callers_and_no_later_one():
    together = Together(Network(), most=4)
    with pytest.raises(ValueError, match="below zero"):
        together.run(["a"], {"pictures": rows(-1)})
    assert together.run(["a"], {"pictures": rows(1)})[0].tolist() == [[1]]


def test_the_encoder_gives_the_same_vectors_from_many_threads():
    encoder = Builtin.load()
    images = [picture(number) for number in range(12)]
    alone = encoder.images(images, "query")
    with ThreadPoolExecutor(6) as pool:
        many = list(pool.map(lambda image: encoder.images([image], "query")[0], images))
        closely = list(pool.map(lambda image: encoder.look_closely(image).look.pooled[0], images))
    assert np.allclose(alone, many, atol=1e-5)
    assert np.allclose(encoder.look(images).pooled, closely, atol=1e-4)
