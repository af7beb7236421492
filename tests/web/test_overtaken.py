"""Replies that come late, or in another order than they were asked for: the page shows what was asked for last."""

import base64
import re

import pytest

from tests.catalog.conftest import Shop
from tests.server.conftest import photo
from tests.web.deeds import DROP, drag, drop, settled, titles, two_products

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser test").expect
pytestmark = pytest.mark.enable_socket  # loopback only


class Held:
    """Keeps the first reply to an address back until it is let go; those after it come at once."""

    def __init__(self, page, address):
        self.page, self.address, self.kept = page, address, []
        page.route(address, self._take)

    def _take(self, route):
        if self.kept:
            route.continue_()
            return
        self.kept.append(route)
        self.reply = route.fetch()

    def let_go(self):
        """The reply arrives, and the page has done with it what it does."""
        with self.page.expect_response(self.address) as late:
            self.kept[0].fulfill(response=self.reply)
        late.value.finished()
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def test_an_answer_to_a_photo_that_was_removed_is_not_shown(page):
    Held(page, "**/v1/search")
    with page.expect_request("**/v1/search"):
        page.evaluate(DROP, [base64.b64encode(photo(0)).decode(), "a.png", "image/png"])
    with page.expect_event("requestfailed"):  # nobody waits for it any more
        page.click("#clear")
    expect(page.locator("#status")).to_have_text("Enter a photo or a text.")
    expect(page.locator("#hits .card")).to_have_count(0)


def test_of_two_photos_the_later_one_is_searched(page):
    page.evaluate("""() => {
        const real = window.createImageBitmap;
        let kept;
        window.createImageBitmap = async (...given) => {
            const image = await real(...given);
            if (kept === undefined) await new Promise((done) => { kept = done; });
            return image;
        };
        window.letGo = () => { kept(); return new Promise((done) => setTimeout(done, 0)); };
    }""")
    page.evaluate(DROP, [base64.b64encode(photo(0)).decode(), "first.png", "image/png"])
    drop(page, photo(3))
    searches = []
    page.on("request", lambda one: searches.append(one.url) if "/v1/search" in one.url else None)
    page.evaluate("window.letGo()")
    assert titles(page)[0] == "Blue mug" and not searches


def test_more_hits_of_an_earlier_search_are_not_added_to_a_later_one(page):
    whole = []

    def first_hit_alone(route):
        whole.append(route.fetch())
        told = whole[0].json()
        route.fulfill(response=whole[0], json={**told, "hits": told["hits"][:1], "next": "there is more"})

    page.route("**/v1/search", first_hit_alone)
    drop(page, photo(0))
    page.unroute("**/v1/search")
    held = Held(page, "**/v1/search")
    with page.expect_request("**/v1/search"):
        page.click("#more")
    drop(page, photo(3))
    shown = titles(page)
    held.reply = whole[0]  # as if that had been the next page
    held.let_go()
    assert titles(page) == shown


def test_a_list_that_comes_late_does_not_replace_a_later_one(page):
    held = Held(page, re.compile(r"/v1/products\?limit=48$"))
    with page.expect_request(held.address):
        page.click("nav a[href='#products']")
    page.fill("#list-filter", "category = 'mugs'")
    page.press("#list-filter", "Enter")
    expect(page.locator("#products .card")).to_have_count(1)
    held.let_go()
    expect(page.locator("#products .card h3")).to_have_text(["Blue mug"])


def test_an_import_is_shown_though_the_page_was_just_looking_at_the_jobs(page, tmp_path):
    other = Shop(tmp_path)
    held = Held(page, "**/v1/jobs")
    with page.expect_request("**/v1/jobs"):
        page.click("nav a[href='#import']")
    before = page.locator(".job").count()
    page.set_input_files("#table", str(other.table))
    page.set_input_files("#pictures", [str(path) for path in sorted(tmp_path.glob("*.png"))])
    page.click("#import button[type=submit]")
    expect(page.locator("#import-status")).to_contain_text("Accepted")
    held.let_go()
    expect(page.locator(".job:has-text('4 unchanged')")).to_have_count(before + 1)


def test_a_box_that_moved_keeps_the_focus_when_its_hits_are_there(page):
    drop(page, two_products())
    drag(page, 0.05, 0.1, 0.4, 0.9)
    chosen = page.locator(".box[aria-pressed='true']")
    chosen.focus()
    places = [chosen.bounding_box()["x"]]
    for _ in range(2):
        with page.expect_response("**/v1/search"):
            page.keyboard.press("ArrowRight")
        settled(page)
        expect(chosen).to_be_focused()
        places.append(chosen.bounding_box()["x"])
    assert places[0] < places[1] < places[2]


def test_a_click_counts_though_the_boxes_were_drawn_anew_while_one_was_dragged(page):
    drop(page, two_products())
    drag(page, 0.02, 0.02, 0.44, 0.98)
    around = page.locator(".box[aria-pressed='true']").bounding_box()
    held = Held(page, "**/v1/search")
    with page.expect_request("**/v1/search"):
        page.click("#whole")
    page.mouse.move(around["x"] + 5, around["y"] + 5)
    page.mouse.down()
    page.mouse.move(around["x"] + 60, around["y"] + 60, steps=4)
    held.let_go()
    with page.expect_response("**/v1/search"):
        page.mouse.up()
    settled(page)
    page.locator("#hits .card .open").first.click()
    expect(page.locator("#product")).to_be_visible()
