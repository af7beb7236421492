"""Long and hostile texts: every entry that takes text answers in time that grows with its length and no faster."""

import contextlib
import io
import time

import pytest

from snapfind import Product
from snapfind.core.errors import SnapfindError
from snapfind.curation.datasets.title_variants import title_variants
from snapfind.index.bm25_text import normalize_codes
from tests.pictures import picture

UNITS = ["-", "红色陶瓷咖啡杯", "<p>Cotton</p><br/>", "<a x='", "(", " ", "a-", "1.", "&amp;", "QUJD"]
LENGTH = 50_000


def content(number: int) -> bytes:
    written = io.BytesIO()
    picture(number).save(written, "PNG")
    return written.getvalue()


def long(unit: str, length: int) -> str:
    return (unit * length)[:length]


def put(catalog, text):
    catalog.put([(Product("long", title=text, description=text, attributes={"note": text}), {"a.png": content(8)})])


def update(catalog, text):
    catalog.update("mug-1", {"title": text, "description": text})


def search(catalog, text):
    catalog.search(text[:2048])


def filtered(catalog, text):
    catalog.search(picture(3), filter=f"title = '{text[:2000]}' and not {text[:2000]}")


def titles(_, text):
    title_variants(text, "Acme")


def words(_, text):
    normalize_codes(text)


def seconds(step, catalog, text) -> float:
    begin = time.process_time()
    with contextlib.suppress(SnapfindError):  # refused in a sentence: the time counts all the same
        step(catalog, text)
    return time.process_time() - begin


@pytest.mark.parametrize("step", [put, update, search, filtered, titles, words])
def test_twice_the_text_takes_no_more_than_about_twice_the_time(catalog, step):
    seconds(step, catalog, "warm up")
    for unit in UNITS:
        once, twice = (seconds(step, catalog, long(unit, length)) for length in (LENGTH, 2 * LENGTH))
        assert twice < 3 * once + 1.0, f"{unit!r}: {once:.2f} s, then {twice:.2f} s"


@pytest.mark.parametrize("gap", [" ", "   ", " ( ", "\t\n "])
def test_many_not_in_a_filter_are_read_at_once(catalog, gap):
    begin = time.process_time()
    with pytest.raises(SnapfindError):
        catalog.search(picture(3), filter=("not" + gap) * 40 + "x")
    assert time.process_time() - begin < 2


def test_html_is_not_searched_but_its_text_is_and_the_shop_reads_back_what_it_wrote(catalog):
    html = "<div style='color:red'><p>fine&nbsp;caf&eacute; cup</p><p>&lt;b&gt;stone&lt;/b&gt;ware</p></div>"
    changes = {
        "title": "M&uuml;sli <b>bowl</b>",
        "brand": "H&amp;M",
        "category": "Home &amp; Garden",
        "description": html,
    }
    assert catalog.update("mug-1", changes).description == html
    product = catalog.get("mug-1")
    assert (product.title, product.brand, product.category) == ("Müsli bowl", "H&M", "Home & Garden")
    for text in ("café", "Müsli", "stoneware", "caf&eacute;", "H&M"):
        hit = catalog.search(text)[0]
        assert hit.product.id == "mug-1" and "bm25" in hit.parts, text
    for text in ("nbsp", "eacute", "style color", "div"):
        assert all("bm25" not in hit.parts for hit in catalog.search(text)), text


def test_html_says_the_same_in_tables_values_and_changes(shop):
    shop.rows[0].append("description")
    for row, text in zip(shop.rows[1:], ("<p>caf&eacute;</p>", "", "")):
        row.append(text)
    shop.write()
    with shop.open() as opened:
        opened.add(shop.table)
        opened.put([(Product("new", title="Cup", description="<p>caf&eacute;</p>"), {"n.png": content(9)})])
        opened.update("mug-1", {"description": "<p>caf&eacute;</p>"})
        found = {hit.product.id for hit in opened.search("café") if "bm25" in hit.parts}
        assert found == {"tea-1", "new", "mug-1"}
        assert opened.add(shop.table).changed == 0


def test_a_description_of_any_length_costs_about_as_much_as_a_short_one(catalog):
    long_text = "soft cotton for cold evenings, washable at forty degrees. " * 80
    update(catalog, "warm up")
    short = seconds(update, catalog, long_text[:400])
    assert seconds(update, catalog, long_text) < 3 * short + 0.5
    assert catalog.search("soft cotton")[0].product.id == "mug-1"
