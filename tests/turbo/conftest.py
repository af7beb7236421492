"""Tests of token merging need PyTorch; where the extra is not installed they skip. One thread: tensors are small."""

import importlib.util

import pytest

if not importlib.util.find_spec("torch"):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """More threads would only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
