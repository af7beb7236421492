"""Fixtures and flags for all tests: --slow, SNAPFIND_DATA, and small pictures made on the spot."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from snapfind.cli import main

# Reading the text in pictures takes .4 s for each. Its tests turn it on.
os.environ.setdefault("SNAPFIND_OCR", "off")

# The same examples each time, and no clock: a busy machine must not fail a test, nor luck. Others are drawn with
# `scripts/test --hypothesis-profile=drawn`.
_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, database=None, **_UNTIMED)
settings.register_profile("drawn", max_examples=300, **_UNTIMED)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the long tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="long run: give --slow"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; the test skips where there is none."""
    folder = os.environ.get("SNAPFIND_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SNAPFIND_DATA is not set: no real data on this machine")
    return Path(folder)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command line in this process: words -> exit code, stdout, stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["snapfind", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call
