"""A real server in a process of its own and a real browser: Debian's Chromium, driven by Playwright."""

import shutil
from contextlib import contextmanager

import pytest

from tests.catalog.conftest import Shop
from tests.served import served
from tests.waiting import PATIENCE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="package")
def shop(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    with shop.open() as catalog:
        catalog.add(shop.table)
    return shop


@pytest.fixture(scope="package")
def server(shop):
    with served(shop.path, SNAPFIND_THREADS="1") as address:
        yield address


@pytest.fixture(scope="package")
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
def watched(browser, server, **options):
    """A page at the server; a fault in its scripts, or of its content security policy, fails the test."""
    from playwright.sync_api import expect

    expect.set_options(timeout=1000 * PATIENCE)
    context = browser.new_context(**{"viewport": {"width": 1180, "height": 860}, **options})
    context.set_default_timeout(1000 * PATIENCE)
    faults = []
    page = context.new_page()
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.on("console", lambda told: faults.append(told.text) if "Content Security Policy" in told.text else None)
    page.goto(server)
    yield page
    context.close()
    assert faults == []


def fits_and_can_be_used(page):
    """No part of the page is wider than the screen, and axe finds nothing serious."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = axe.Axe().run(page).response["violations"]
    grave = [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert grave == []
