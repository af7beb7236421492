"""What the tests of learning share; they skip where PyTorch is not installed."""

import pytest

__all__ = ["one_seed", "one_thread"]


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """Small tensors: more threads would only wait for each other, and sum in another order on each machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def one_seed():
    """What a test draws without a generator of its own is the same in any order of tests."""
    import torch

    torch.manual_seed(0)
