"""`snapfind serve` as a process of its own, on a port that it took itself."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import until

__all__ = ["Served", "served"]


class Served:
    """A server over a catalog's folder, ready when this is made; `options` go to the command line."""

    def __init__(self, shop: Path, *options: str, **environment: str) -> None:
        self._said = tempfile.TemporaryFile("w+b")  # noqa: SIM115 (`end` closes it; a pipe could fill and stop the server)
        words = ["serve", str(shop), "--port", "0", *options]
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from snapfind.cli import main; main()", *words],
            stderr=self._said,
            env=os.environ | environment,
        )
        try:
            self.url = until(self._address, "the server says where it listens")
            until(self._ready, "the server is ready")
        except BaseException:
            self.process.kill()
            raise

    @property
    def said(self) -> str:
        """What it wrote to stderr so far."""
        return os.pread(self._said.fileno(), 1 << 20, 0).decode()

    def _running(self) -> None:
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}: {self.said}"

    def _address(self) -> str:
        self._running()
        told = re.search(r" at (http://\S+)\n", self.said)
        return told[1] if told else ""

    def _ready(self) -> bool:
        self._running()
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=60):
                return True
        except urllib.error.HTTPError as fault:
            fault.close()
            return False
        except OSError:
            return False

    def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code after that signal."""
        self.process.send_signal(by)
        code = self.process.wait(120)
        self._said.close()
        return code


@contextmanager
def served(shop: Path, *options: str, **environment: str) -> Iterator[str]:
    """The address of such a server, which is stopped at the end."""
    server = Served(shop, *options, **environment)
    try:
        yield server.url
    finally:
        server.end()
