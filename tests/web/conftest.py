"""A real server in a process of its own and a real browser: Debian's Chromium, driven by Playwright."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from tests.catalog.conftest import Shop

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_START = 60  # seconds


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    with shop.open() as catalogue:
        catalogue.add(shop.table)
    return shop


@pytest.fixture(scope="module")
def server(shop):
    with serving(shop.path) as address:
        yield address


@contextmanager
def serving(path, *options):
    """The address of a server over that catalogue."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "from snapfind.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", str(path), "--port", str(port), *options]
    running = subprocess.Popen(command, env={**os.environ, "SNAPFIND_THREADS": "1"})
    try:
        yield _ready(f"http://127.0.0.1:{port}", running)
    finally:
        running.terminate()
        running.wait(30)


def _ready(base, running):
    end = time.monotonic() + _START
    while time.monotonic() < end and running.poll() is None:
        try:
            with urllib.request.urlopen(f"{base}/readyz", timeout=5):
                return base
        except (urllib.error.URLError, OSError) as fault:
            if isinstance(fault, urllib.error.HTTPError):
                fault.close()
            time.sleep(0.2)
    raise AssertionError(f"the server is not ready after {_START} s (exit code {running.poll()})")


@pytest.fixture(scope="module")
def browser():
    from playwright import sync_api

    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium): no browser test")
    with sync_api.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, server):
    with watched(browser, server) as page:
        yield page


@contextmanager
def watched(browser, server):
    """A page at the server; a fault in its scripts, or of its content security policy, fails the test."""
    context = browser.new_context(viewport={"width": 1180, "height": 860})
    faults = []
    page = context.new_page()
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.on("console", lambda told: faults.append(told.text) if "Content Security Policy" in told.text else None)
    page.goto(server)
    yield page
    context.close()
    assert faults == []
