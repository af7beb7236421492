"""What a shopper does on the page, each done when its answer is shown."""

import base64
import io

from PIL import Image

from tests.pictures import picture

__all__ = ["DROP", "drag", "drop", "settled", "titles", "two_products"]

DROP = """([encoded, name, type]) => {
    const bytes = Uint8Array.from(atob(encoded), (one) => one.charCodeAt(0));
    const dropped = new DataTransfer();
    dropped.items.add(new File([bytes], name, {type}));
    const event = new DragEvent("drop", {dataTransfer: dropped, bubbles: true, cancelable: true});
    document.getElementById("drop").dispatchEvent(event);
}"""


def settled(page):
    """Waits until the hits are those of the last search; call it once that search was sent."""
    page.wait_for_selector("#hits[aria-busy='false']", state="attached")  # without a hit it has no height


def drop(page, content, name="IMG_0001.png", type="image/png"):
    """Drops a file and waits for its hits, or until it is refused."""
    with page.expect_response("**/v1/search"):
        page.evaluate(DROP, [base64.b64encode(content).decode(), name, type])
    settled(page)


def drag(page, x0, y0, x1, y1):
    """Draws a box over the photo, in 0..1 of it, and waits for its hits."""
    from playwright.sync_api import expect

    expect(page.locator("#shown")).to_have_js_property("complete", True)  # before, the stage has no height
    around = page.locator("#stage").bounding_box()
    page.mouse.move(around["x"] + x0 * around["width"], around["y"] + y0 * around["height"])
    page.mouse.down()
    page.mouse.move(around["x"] + x1 * around["width"], around["y"] + y1 * around["height"], steps=4)
    with page.expect_response("**/v1/search"):
        page.mouse.up()
    settled(page)


def titles(page):
    """The hits as they are shown."""
    return page.locator("#hits .card h3").all_inner_texts()


def two_products():
    """The red tea on the left, the blue mug on the right."""
    scene = Image.new("RGB", (208, 96), "white")
    scene.paste(picture(0), (0, 0))
    scene.paste(picture(3), (112, 0))
    file = io.BytesIO()
    scene.save(file, "PNG")
    return file.getvalue()
