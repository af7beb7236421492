"""Runs the blocks of a document: shell lines, Python in one namespace, and the output that they promise."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from snapfind.cli.app import app
from tests.served import Served

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_ADDRESS = "http://127.0.0.1:8000"


class Page:
    """A document whose blocks are run in the current folder, in their order."""

    def __init__(self, path: Path, monkeypatch) -> None:
        self.path, self.namespace = path, {"__name__": "page"}
        self.address, self.server, self.printed = _ADDRESS, None, ""
        monkeypatch.syspath_prepend(str(ROOT / "examples"))

    def run(self) -> set[str]:
        """Run every block. Returns the kinds of blocks."""
        blocks = _BLOCK.findall(self.path.read_text("utf-8"))
        try:
            for kind, block in blocks:
                {"python": self._python, "sh": self._shell, "text": self._compare}[kind](block)
        finally:
            if self.server:
                self.server.end()
        return {kind for kind, _ in blocks}

    def _python(self, block: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(block, self.path.name, "exec"), self.namespace)
        self.printed = printed.getvalue()

    def _shell(self, block: str) -> None:
        for line in block.replace(_ADDRESS, self.address).splitlines():
            program, *words = shlex.split(line)
            if program == "snapfind" and words[0] == "serve":
                self.server = Served(Path(words[1]))
                self.address = self.server.url
            elif program == "snapfind":
                done = CliRunner().invoke(app, words)
                if done.exit_code != 0:
                    pytest.fail(f"{line}: exit code {done.exit_code}\n{done.output}\n{done.exception!r}")
                self.printed = done.stdout
            elif program == "python":
                self._program([sys.executable, ROOT / words[0], *words[1:]])
            elif program == "curl":
                self._program(["curl", *words])
            else:
                assert line == "pip install .", f"{line}: only the installation is not run"

    def _program(self, words: list[object]) -> None:
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        self.printed = done.stdout

    def _compare(self, promised: str) -> None:
        printed, written = ([line.rstrip() for line in text.splitlines()] for text in (self.printed, promised))
        assert printed == written, f"{self.path.name} promises\n{promised}but it prints\n{self.printed}"
