"""Tests of ranking need PyTorch; where the extra is not installed they skip."""

import importlib.util

import pytest

if not importlib.util.find_spec("torch"):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors: more threads would only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
