"""The Quality tab in a real browser: checking, fixing and undoing by keyboard, on a phone, in dark and light."""

import json
import shutil
import urllib.request

import pytest

from snapfind.flywheel.gates import GateResult
from snapfind.flywheel.records import FlywheelRun, write_run
from tests.curation.conftest import stocked  # noqa: F401
from tests.served import served
from tests.waiting import until
from tests.web.conftest import fits_and_can_be_used, watched

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser test").expect
pytestmark = pytest.mark.enable_socket  # loopback only


@pytest.fixture(scope="module")
def server(stocked, tmp_path_factory):  # noqa: F811
    """A server over a shop with faults."""
    path = tmp_path_factory.mktemp("quality") / "shop.snap"
    shutil.copytree(stocked, path)
    gate = GateResult("no slice falls on the frozen set", False, "worst slice: category red, -0.200")
    figures = {"frozen": {"before": {"precision@1": 0.5}, "after": {"precision@1": 0.25}}}
    times = ("2026-01-31T12:00:00+00:00", "2026-01-31T12:05:00+00:00")
    run = FlywheelRun(1, *times, "0", {}, {"photos": 60}, "lite0-00000000", "", figures, [gate], "stopped", gate.detail)
    write_run(path / "flywheel", run)
    with served(path, SNAPFIND_THREADS="1") as address:
        yield address


@pytest.fixture
def surveyed(server):
    """The same server after a survey."""
    if asked(f"{server}/v1/quality")["survey"] is None:
        job = asked(f"{server}/v1/quality/check", method="POST")["job"]["id"]
        until(lambda: asked(f"{server}/v1/jobs/{job}")["job"]["finished"], "the survey is over")
    return server


def asked(address, **options):
    with urllib.request.urlopen(urllib.request.Request(address, **options), timeout=60) as reply:
        return json.load(reply)


def test_a_survey_shows_findings_that_are_fixed_and_undone_by_keyboard(page):
    page.click("nav a[href='#quality']")
    expect(page.locator("#check")).to_be_visible()  # what is hidden takes no focus
    page.focus("#check")
    page.keyboard.press("Enter")  # it cannot be pressed again before the look is over
    expect(page.locator("#check")).to_be_enabled()
    expect(page.locator("#quality-status")).to_contain_text("25 products")
    wrong = page.locator("section[aria-label='Wrong category'] .card")
    expect(wrong).to_contain_text("blue thing 3")
    wrong.scroll_into_view_if_needed()  # pictures load when they come into view
    expect(wrong.locator("img").first).to_have_js_property("complete", True)
    wrong.locator("button").first.focus()
    page.keyboard.press("Enter")
    expect(wrong).to_contain_text("blue-3: category red -> blue")
    expect(wrong.locator("button").first).to_have_text("Undo")
    expect(wrong.locator("button").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(wrong.locator("button").first).to_have_text("Fix")
    page.locator("section[aria-label='Same file'] button.primary").click()
    expect(page.locator("section[aria-label='Same file'] .card")).to_contain_text("1 hidden")
    page.reload()
    expect(page.locator("section[aria-label='Applied'] .card")).to_have_count(1)
    expect(page.locator("section[aria-label='Same file']")).to_have_count(0)


def test_flywheel_runs_are_listed(page):
    page.click("nav a[href='#quality']")
    expect(page.locator("#runs-status")).to_have_text("No experiment is running.")
    row = page.locator("#runs tbody tr")
    expect(row).to_have_count(1)
    for text in ("60", "50 %", "25 %", "stopped", "category red, -0.200"):
        expect(row).to_contain_text(text)
    expect(page.locator("#conclude")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_has_no_serious_accessibility_fault(browser, surveyed, scheme):
    options = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme}
    with watched(browser, f"{surveyed}#quality", **options) as page:
        page.wait_for_selector("#findings .card")
        fits_and_can_be_used(page)
