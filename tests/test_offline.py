"""Nothing reaches the network, or leaves files in the user's home folder, unless the user asked for it by name."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.catalog.conftest import Shop
from tests.waiting import until

_LOCAL = re.compile(r"AF_UNIX|AF_NETLINK|AF_UNSPEC|inet_addr\(\"127\.|inet_pton\(AF_INET6, \"::1\"")


class Watched:
    """Runs snapfind with an empty home folder, and records where it connects to when strace is there."""

    def __init__(self, folder: Path) -> None:
        self.shop, self.home, self.trace = Shop(folder), folder / "home", folder / "trace"
        self.home.mkdir()
        self.trace.mkdir()
        kept = {name: value for name, value in os.environ.items() if not re.search("TELEMETRY|XDG|RAY_|HF_", name)}
        self.environment = {**kept, "HOME": str(self.home)}
        # -D: signals reach the program and not strace
        self.strace = ["strace", "-D", "-f", "-ff", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg"]

    def command(self, *words: object) -> list[str]:
        return self.recorded(words[0], sys.executable, "-m", "snapfind", *words)

    def recorded(self, name: object, *command: object) -> list[str]:
        before = [*self.strace, "-o", str(self.trace / str(name))] if shutil.which("strace") else []
        return [*before, *map(str, command)]

    def run(self, *words: object) -> str:
        command, place = self.command(*words), self.shop.folder
        done = subprocess.run(command, env=self.environment, cwd=place, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serve_a_search(self) -> None:
        log = self.shop.folder / "serve.log"
        with log.open("wb") as file:
            command = self.command("serve", self.shop.path, "--port", 0)
            process = subprocess.Popen(command, env=self.environment, cwd=self.shop.folder, stderr=file)
        try:
            address = until(lambda: re.search(r" at (http://\S+)\n", log.read_text()), "it says where it listens")[1]
            body, kind = json.dumps({"text": "tea"}).encode(), {"Content-Type": "application/json"}
            asked = urllib.request.Request(f"{address}/v1/search", body, kind)

            def answered() -> bool:
                try:
                    with urllib.request.urlopen(asked, timeout=60) as reply:
                        return bool(json.load(reply)["hits"])
                except OSError:
                    return False

            until(answered, "it answers")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def reached(self) -> list[str]:
        """Calls that leave the machine."""
        lines = (line for file in self.trace.iterdir() for line in file.read_text(errors="replace").splitlines())
        return [line for line in lines if "sa_family" in line and not _LOCAL.search(line)]


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_day_of_a_shop_reaches_nothing_and_leaves_nothing_in_the_home_folder(tmp_path):
    watched = Watched(tmp_path)
    path = watched.shop.path
    watched.run("add", path, watched.shop.table)
    assert "Red tea" in watched.run("search", path, "a.png")
    assert "Red tea" in watched.run("search", path, "red tea")
    watched.run("model", "fit", path)
    watched.run("export", path, "out.parquet")
    watched.run("curate", "check", path)
    watched.serve_a_search()
    assert [str(file) for file in watched.home.rglob("*") if file.is_file()] == []
    if not shutil.which("strace"):
        pytest.skip("strace is not installed: only the home folder was looked at")
    assert any(watched.trace.iterdir()), "nothing was recorded"
    assert watched.reached() == []


def test_the_record_would_show_a_name_being_looked_up(tmp_path):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    watched = Watched(tmp_path)
    code = "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 9), .1)\nexcept OSError:\n    pass"
    subprocess.run(watched.recorded("probe", sys.executable, "-c", code), env=watched.environment, check=True)
    until(lambda: any("192.0.2.1" in line for line in watched.reached()), "the call is recorded")
