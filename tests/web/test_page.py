"""What a shopper and a shopkeeper do on the page, in a real browser against a real server."""

import base64
import io
import json
import urllib.request

import pytest
from PIL import Image

from tests.pictures import picture
from tests.server.conftest import photo

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser test").expect
pytestmark = pytest.mark.enable_socket  # loopback only

_DROP = """([encoded, name]) => {
    const bytes = Uint8Array.from(atob(encoded), (one) => one.charCodeAt(0));
    const dropped = new DataTransfer();
    dropped.items.add(new File([bytes], name, {type: "image/png"}));
    const event = new DragEvent("drop", {dataTransfer: dropped, bubbles: true, cancelable: true});
    document.getElementById("drop").dispatchEvent(event);
}"""


def drop(page, content):
    """Drops a photo and waits for its hits: cards of another view, or of an earlier search, are not them."""
    with page.expect_response("**/v1/search"):
        page.evaluate(_DROP, [base64.b64encode(content).decode(), "IMG_0001.png"])
    page.wait_for_selector("#hits .card")


def titles(page):
    return page.locator("#hits .card h3").all_inner_texts()


def two_products():
    """The red tea on the left, the blue mug on the right."""
    scene = Image.new("RGB", (208, 96), "white")
    scene.paste(picture(0), (0, 0))
    scene.paste(picture(3), (112, 0))
    file = io.BytesIO()
    scene.save(file, "PNG")
    return file.getvalue()


def drag(page, x0, y0, x1, y1):
    around = page.locator("#stage").bounding_box()
    page.mouse.move(around["x"] + x0 * around["width"], around["y"] + y0 * around["height"])
    page.mouse.down()
    page.mouse.move(around["x"] + x1 * around["width"], around["y"] + y1 * around["height"], steps=4)
    with page.expect_response("**/v1/search"):
        page.mouse.up()


def counts(server):
    with urllib.request.urlopen(f"{server}/v1/events/counts", timeout=10) as reply:
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
        with page.expect_response("**/v1/search"):
            page.evaluate(_DROP.replace("image/png", ""), [base64.b64encode(b"%PDF-1.7").decode(), "mug.pdf"])
        expect(page.locator("#status")).to_contain_text("give one of")
        expect(page.locator("#hits .card")).to_have_count(0)


def test_another_box_gives_other_hits_and_a_click_is_an_event(page, server):
    before = counts(server)
    drop(page, two_products())
    drag(page, 0.02, 0.02, 0.44, 0.98)
    expect(page.locator("#hits .card h3").first).to_have_text("Red tea")
    drag(page, 0.56, 0.02, 0.98, 0.98)
    expect(page.locator("#hits .card h3").first).to_have_text("Blue mug")
    with page.expect_response("**/v1/events"):
        page.locator("#hits .card .open").first.click()
    page.wait_for_selector("#product[open]")
    assert "Blue mug" in page.inner_text("#product")
    after = counts(server)
    assert after.get("click", 0) == before.get("click", 0) + 1
    assert after.get("box_change", 0) == before.get("box_change", 0) + 2
    assert after.get("impression", 0) > before.get("impression", 0)


def test_words_find_and_a_filter_narrows(page):
    page.fill("#text", "green tea")
    page.press("#text", "Enter")
    page.wait_for_selector("#hits .card")
    assert titles(page)[0] == "Green tea"
    page.click("summary")
    page.select_option("#facet", "category")
    with page.expect_response("**/v1/search"):
        page.click("#facets button:has-text('mugs')")
    expect(page.locator("#hits .card")).to_have_count(1)
    assert titles(page) == ["Blue mug"]
    page.fill("#filter", "price <")
    page.press("#filter", "Enter")
    expect(page.locator("#status")).to_contain_text("filter")


def test_more_like_this_leaves_the_product_itself_out(page):
    drop(page, photo(0))
    with page.expect_response("**/v1/search"):
        page.click("#hits .card:first-child button:has-text('More like this')")
    expect(page.locator("#hits")).not_to_contain_text("Red tea")
    assert "Green tea" in titles(page)


def test_a_box_moves_with_the_keyboard_alone(page):
    drop(page, two_products())
    drag(page, 0.05, 0.1, 0.4, 0.9)
    box = page.locator(".box[aria-pressed='true']")
    box.focus()
    left = box.bounding_box()["x"]
    with page.expect_response("**/v1/search"):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
    assert page.locator(".box[aria-pressed='true']").bounding_box()["x"] > left


def test_a_product_is_added_changed_found_and_deleted(page, tmp_path):
    picture(9).save(tmp_path / "ball.png")
    page.click("nav a[href='#products']")
    page.click("#new")
    page.fill("#edit-id", "ball-1")
    page.fill("#edit-name", "<b>Ball</b>")
    page.fill("#edit-price", "7.25")
    page.set_input_files("#edit-pictures", str(tmp_path / "ball.png"))
    page.click("#edit-form button[type=submit]")
    page.wait_for_selector("#products .card:has-text('<b>Ball</b>')")  # shown as text, not as HTML
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
    page.click("#products .card:has-text('Ball') button:has-text('Edit')")
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
    page.wait_for_selector(".job:has-text('2 added')", timeout=30_000)
    with page.expect_download() as download:
        page.click(".job button:has-text('What failed')")
    assert "x-22" in download.value.path().read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_has_no_serious_accessibility_fault_and_fits_a_phone(browser, server, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    page.goto(server)
    for place in ("search", "products", "import", "quality"):
        page.goto(f"{server}#{place}")
        if place == "search":
            drop(page, photo(0))
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        found = axe.Axe().run(page).response["violations"]
        grave = [
            (one["id"], [node["html"] for node in one["nodes"]])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert grave == []
    context.close()


def test_a_hit_that_was_marked_wrong_gives_way(page):
    drop(page, photo(0))
    first = titles(page)[0]
    with page.expect_response("**/v1/search"):
        page.click("#hits .card:first-child button:has-text('Not this')")
    expect(page.locator("#hits .card h3").first).not_to_have_text(first)


def test_why_shows_heat_over_photo_and_product(page):
    drop(page, photo(0))
    page.click("#hits .card:first-child button:has-text('Why')")
    expect(page.locator("#product canvas[role=img]")).to_have_count(2)
