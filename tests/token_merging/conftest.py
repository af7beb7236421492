"""Tests of token merging need PyTorch; where the extra is not installed they skip."""

import importlib.util

from tests.learning import one_seed, one_thread

__all__ = ["one_seed", "one_thread"]

if not importlib.util.find_spec("torch"):
    collect_ignore_glob = ["test_*.py"]
