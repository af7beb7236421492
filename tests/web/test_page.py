"""What a shopper and a shopkeeper do on the page, in a real browser against a real server."""

import json
import urllib.request

import pytest

from tests.pictures import picture
from tests.server.conftest import photo
from tests.waiting import until
from tests.web.conftest import fits_and_can_be_used, watched
from tests.web.deeds import drag, drop, settled, titles, two_products

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser test").expect
pytestmark = pytest.mark.enable_socket  # loopback only


def counts(server):
    with urllib.request.urlopen(f"{server}/v1/events/counts", timeout=60) as reply:
        return json.load(reply)["counts"]


def test_a_dropped_photo_finds_its_product_and_says_how_sure(page):
    drop(page, photo(0))
    assert titles(page)[0] == "Red tea"
    first = page.locator("#hits .card").first
    assert "4.5" in first.inner_text()
    assert first.locator("meter").get_attribute("value")
    assert "hits in" in page.inner_text("#status") or "No confident match" in page.inner_text("#status")


def test_a_file_that_is_no_picture_is_said_and_leaves_no_hits_of_another_photo(browser, server):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(server)
        drop(page, photo(0))
        drop(page, b"%PDF-1.7", "mug.pdf", "")
        expect(page.locator("#status")).to_contain_text("supported: AVIF")
        expect(page.locator("#hits .card")).to_have_count(0)


def test_another_box_gives_other_hits_and_a_click_is_an_event(page, server):
    before = counts(server)
    drop(page, two_products())
    drag(page, 0.02, 0.02, 0.44, 0.98)
    assert titles(page)[0] == "Red tea"
    drag(page, 0.56, 0.02, 0.98, 0.98)
    assert titles(page)[0] == "Blue mug"
    page.locator("#hits .card .open").first.click()
    page.wait_for_selector("#product[open]")
    assert "Blue mug" in page.inner_text("#product")
    wanted = {"click": 1, "box_change": 2, "impression": 9}  # three searches that show three products

    def more():
        now = counts(server)
        return {kind: now.get(kind, 0) - before.get(kind, 0) for kind in wanted}

    until(lambda: all(more()[kind] >= count for kind, count in wanted.items()), f"{wanted} events are told")
    assert more() == wanted


def test_words_find_and_a_filter_narrows(page):
    page.fill("#text", "green tea")
    with page.expect_response("**/v1/search"):
        page.press("#text", "Enter")
    settled(page)
    assert titles(page)[0] == "Green tea"
    page.click("summary")
    page.select_option("#facet", "category")
    with page.expect_response("**/v1/search"):
        page.click("#facets button:has-text('mugs')")
    settled(page)
    assert titles(page) == ["Blue mug"]
    page.fill("#filter", "price <")
    page.press("#filter", "Enter")
    expect(page.locator("#status")).to_contain_text("filter")


def test_more_like_this_leaves_the_product_itself_out(page):
    drop(page, photo(0))
    with page.expect_response("**/v1/search"):
        page.click("#hits .card:first-child button:has-text('More like this')")
    settled(page)
    assert "Green tea" in titles(page) and "Red tea" not in titles(page)


def test_a_product_is_added_changed_found_and_deleted(page, tmp_path):
    picture(9).save(tmp_path / "ball.png")
    page.click("nav a[href='#products']")
    page.click("#new")
    page.fill("#edit-id", "ball-1")
    page.fill("#edit-name", "<b>Ball</b> <3")
    page.fill("#edit-price", "7.25")
    page.set_input_files("#edit-pictures", str(tmp_path / "ball.png"))
    page.click("#edit-form button[type=submit]")
    page.wait_for_selector("#products .card:has-text('Ball <3')")  # tags are taken off, the rest is shown as text
    page.click("#products .card:has-text('Ball') button:has-text('Edit')")
    page.fill("#edit-name", "Ball")
    page.fill("#edit-price", "8")
    page.click("#edit-form button[type=submit]")
    page.wait_for_selector("#edit", state="hidden")
    page.click("nav a[href='#search']")
    drop(page, photo(9))
    assert titles(page)[0] == "Ball"
    assert "8.00" in page.locator("#hits .card").first.inner_text()
    page.click("nav a[href='#products']")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#products .card:has-text('8.00') button:has-text('Edit')")
    page.click("#edit-delete")
    expect(page.locator("#products")).not_to_contain_text("Ball")


def test_an_import_shows_how_far_it_is_and_what_failed(page, tmp_path):
    for number in (20, 21):
        picture(number).save(tmp_path / f"{number}.png")
    table = tmp_path / "more.csv"
    table.write_text("id,title,picture\nx-20,Twenty,20.png\nx-21,Twenty-one,21.png\nx-22,Missing,22.png\n")
    page.click("nav a[href='#import']")
    page.set_input_files("#table", str(table))
    page.set_input_files("#pictures", [str(tmp_path / "20.png"), str(tmp_path / "21.png")])
    page.click("#import button[type=submit]")
    page.wait_for_selector(".job:has-text('2 added')")
    with page.expect_download() as download:
        page.click(".job button:has-text('Failures')")
    assert "x-22" in download.value.path().read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_has_no_serious_accessibility_fault_and_fits_a_phone(browser, server, scheme):
    with watched(browser, server, viewport={"width": 360, "height": 740}, color_scheme=scheme) as page:
        drop(page, photo(0))
        fits_and_can_be_used(page)
        page.goto(f"{server}#products")
        page.wait_for_selector("#products .card")
        fits_and_can_be_used(page)
        with page.expect_response("**/v1/jobs"):
            page.goto(f"{server}#import")
        fits_and_can_be_used(page)
        page.goto(f"{server}#quality")
        expect(page.locator("#quality-status")).to_have_text("The catalog was not checked yet.")
        fits_and_can_be_used(page)


def test_a_hit_that_was_marked_wrong_gives_way(page):
    drop(page, photo(0))
    first = titles(page)[0]
    with page.expect_response("**/v1/search"):
        page.click("#hits .card:first-child button:has-text('Not this')")
    settled(page)
    assert titles(page)[0] != first


def test_why_shows_heat_over_photo_and_product(page):
    drop(page, photo(0))
    page.click("#hits .card:first-child button:has-text('Why')")
    expect(page.locator("#product canvas[role=img]")).to_have_count(2)
