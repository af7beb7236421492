"""The tutorial is run as it is written: Python blocks in one namespace, shell lines through the command line."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from snapfind.cli.app import app

PAGE = Path(__file__).parent.parent / "docs" / "tutorial.md"


def test_every_block_of_the_tutorial_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(python|sh)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert {kind for kind, _ in blocks} == {"python", "sh"}
    namespace = {"__name__": "tutorial"}
    for kind, block in blocks:
        if kind == "python":
            exec(compile(block, PAGE.name, "exec"), namespace)
        else:
            for line in block.splitlines():
                run(line)


def run(line):
    command, *arguments = shlex.split(line)
    assert command == "snapfind"
    done = CliRunner().invoke(app, arguments)
    if done.exit_code != 0:
        pytest.fail(f"{line}: exit code {done.exit_code}\n{done.output}\n{done.exception!r}")
