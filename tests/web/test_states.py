"""States of the page that a shopper must be able to leave again, and what a key may do on it."""

import base64
import json
import urllib.request

import pytest

from snapfind.server.keys import KeyStore
from tests.catalog.conftest import Shop
from tests.served import served
from tests.server.conftest import photo
from tests.web.conftest import fits_and_can_be_used, watched
from tests.web.deeds import DROP, drag, drop, settled, titles, two_products

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser test").expect
pytestmark = pytest.mark.enable_socket  # loopback only


def search_by(page, act):
    with page.expect_response("**/v1/search") as sent:
        act()
    settled(page)
    return sent.value


def test_words_are_found_after_each_object_and_the_removal_of_the_photo(page):
    drop(page, two_products())
    search_by(page, lambda: page.click("#every"))
    page.click("#clear")
    page.fill("#text", "green tea")
    reply = search_by(page, lambda: page.press("#text", "Enter"))
    assert reply.status == 200 and titles(page)[0] == "Green tea"


def test_the_main_object_is_searched_again_after_a_box_and_the_whole_photo(page):
    with page.expect_response("**/v1/search") as first:
        drop(page, two_products())
    expect(page.locator("#auto")).to_have_attribute("aria-pressed", "true")
    drag(page, 0.56, 0.02, 0.98, 0.98)
    expect(page.locator("#auto")).to_have_attribute("aria-pressed", "false")
    search_by(page, lambda: page.click("#whole"))
    reply = search_by(page, lambda: page.click("#auto"))
    assert reply.json()["box"] == first.value.json()["box"]
    expect(page.locator("#auto")).to_have_attribute("aria-pressed", "true")


def test_a_wrong_filter_leaves_the_hits(page):
    drop(page, photo(0))
    before = titles(page)
    page.click("summary")
    page.fill("#filter", "price <")
    reply = search_by(page, lambda: page.press("#filter", "Enter"))
    assert reply.status == 400
    expect(page.locator("#status")).to_contain_text("filter")
    assert before and titles(page) == before
    page.fill("#filter", "price > 10")
    search_by(page, lambda: page.press("#filter", "Enter"))
    assert titles(page) == ["Blue mug"]


@pytest.mark.parametrize(
    ("content", "name", "kind"), [(b"%PDF-1.7", "a.pdf", ""), (b"\xff\xd8\xff", "a.jpg", "image/jpeg")]
)
def test_a_file_that_is_no_picture_leaves_no_torn_image(page, content, name, kind):
    drop(page, content, name, kind)
    expect(page.locator("#drop")).to_be_visible()
    expect(page.locator("#photo")).to_be_hidden()
    page.fill("#text", "mug")
    search_by(page, lambda: page.press("#text", "Enter"))
    assert titles(page)[0] == "Blue mug"


def test_marks_are_shown_and_can_be_taken_back(page):
    drop(page, photo(0))
    search_by(page, lambda: page.click("#hits .card:has-text('Red tea') button:has-text('Not this')"))
    marked = page.locator("#marks button")
    expect(marked).to_have_text(["Not this: Red tea ×"])
    search_by(page, lambda: page.click("#hits .card:first-child button:text-is('This')"))
    expect(marked).to_have_count(2)
    expect(page.locator("#hits button[aria-pressed='true']")).to_have_count(1)
    search_by(page, lambda: page.click("#marks button:has-text('Not this')"))
    assert "Red tea" in titles(page)
    expect(marked).to_have_count(1)


@pytest.fixture
def own(browser, tmp_path):
    """A server over a shop that a test may change, and its shop."""
    shop = Shop(tmp_path)
    with shop.open() as catalog:
        catalog.add(shop.table)
    with served(shop.path, SNAPFIND_THREADS="1") as address:
        yield address, shop


def test_columns_of_the_shop_are_edited(browser, own):
    address, _ = own
    with watched(browser, address) as page:
        page.click("nav a[href='#products']")
        page.click("#products .card:has-text('Red tea') button:has-text('Edit')")
        page.get_by_label("stock").fill("12")
        page.get_by_label("tags").fill("hot|new")
        page.click("#edit-form button[type=submit]")
        page.wait_for_selector("#edit", state="hidden")
    with urllib.request.urlopen(f"{address}/v1/products/tea-1", timeout=60) as reply:
        attributes = json.load(reply)["product"]["attributes"]
    assert attributes["stock"] == 12 and "new" in str(attributes["tags"])


def give_key(page, key):
    page.fill("#key-value", key)
    page.click("#key-form button[type=submit]")


def test_a_key_is_asked_for_refused_changed_and_decides_what_is_shown(browser, own):
    address, shop = own
    store = KeyStore(shop.path)
    keys = {scope: store.create(scope, [scope])[1] for scope in ("search", "admin")}
    with watched(browser, address) as page:
        give_key(page, "sf_00000000_wrong")
        expect(page.locator("#key-status")).to_contain_text("Unknown API key")
        give_key(page, keys["search"])
        expect(page.locator("#status")).to_contain_text("3 products")
        for hidden in ("#import", "#quality"):
            expect(page.locator(f"nav a[href='{hidden}']")).to_be_hidden()
        page.click("nav a[href='#products']")
        page.wait_for_selector("#products .card")
        expect(page.locator("#products button:has-text('Edit')").first).to_be_hidden()
        expect(page.locator("#new")).to_be_hidden()
        page.click("#change-key")
        give_key(page, keys["admin"])
        expect(page.locator("nav a[href='#quality']")).to_be_visible()
        expect(page.locator("#products button:has-text('Edit')").first).to_be_visible()


def test_without_a_key_the_page_says_that_one_is_needed(browser, own):
    address, shop = own
    KeyStore(shop.path).create("search", ["search"])
    with watched(browser, address) as page:
        page.wait_for_selector("#key[open]")
        page.click("#key-cancel")
        expect(page.locator("#status")).to_contain_text("requires an API key")
        expect(page.locator("#change-key")).to_be_visible()


@pytest.mark.parametrize("storage", ["kept", "forbidden"])
def test_the_page_works_on_plain_http_and_without_storage(browser, own, storage):
    """As in the network of a shop: crypto.randomUUID is missing there, and some browsers forbid storage."""
    address, _ = own
    script = "delete Crypto.prototype.randomUUID;"
    if storage == "forbidden":
        script += """for (const kind of ["localStorage", "sessionStorage"])
            Object.defineProperty(window, kind, {get() { throw new DOMException("no", "SecurityError"); }});"""
    with browser.new_context() as context:
        faults = []
        page = context.new_page()
        page.add_init_script(script)
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.goto(address)
        expect(page.locator("#status")).to_contain_text("3 products")
        drop(page, photo(0))
        assert titles(page)[0] == "Red tea" and faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_the_api_lists_every_operation_and_asks_no_other_host(browser, server, scheme):
    with watched(browser, f"{server}/docs", color_scheme=scheme) as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.reload()
        page.wait_for_selector("#schemas section")
        with urllib.request.urlopen(f"{server}/openapi.json", timeout=60) as reply:
            paths = json.load(reply)["paths"]
        assert page.locator("#operations section").count() == sum(len(item) for item in paths.values())
        assert all(url.startswith(server) for url in asked)
        fits_and_can_be_used(page)


def test_a_photo_that_only_the_server_reads_has_a_note_in_place_of_a_torn_image(page):
    """PPM stands for HEIC and TIFF, which browsers do not show either."""
    content = b"P6 96 96 255\n" + bytes([200, 40, 30]) * 96 * 96
    with page.expect_response("**/v1/search"):
        page.evaluate(DROP, [base64.b64encode(content).decode(), "a.ppm", ""])
    settled(page)
    expect(page.locator("#no-preview")).to_be_visible()
    expect(page.locator("#shown")).to_be_hidden()
