"""The contact sheet: whole in one file, escaped, readable without color."""

import re

from snapfind.core.types import Box
from snapfind.evaluation.contact_sheet import SheetCard, SheetRow, render_sheet
from snapfind.media.image.thumbnail import thumbnail
from tests.pictures import picture

JPEG = thumbnail(picture(1))


def test_titles_are_escaped_and_nothing_leads_outside():
    evil = '<script>alert("x")</script>'
    card = SheetCard(JPEG, evil, 3.5, evil, 0.42, "similar", right=False)
    page = render_sheet([SheetRow(None, evil, (card,), truth=evil), SheetRow(JPEG, evil, ())], evil)
    assert "<script" not in page and page.count("&lt;script&gt;") >= 6
    assert not re.search(r"""(src|href)=["'](?!data:)""", page) and "http" not in page
    assert "nothing found" in page


def test_right_and_wrong_are_words_and_pictures_have_texts():
    cards = (SheetCard(JPEG, "Tea", right=True), SheetCard(JPEG, "Mug", right=False, box=Box(0, 0, 0.5, 1)))
    page = render_sheet([SheetRow(JPEG, "", cards, (Box(0.1, 0.2, 0.5, 0.6),))], "t")
    assert "✓ right" in page and "✗ another" in page
    assert page.count("<img") == page.count("<img alt=") == 3
    assert 'style="left:10.00%;top:20.00%;width:40.00%;height:40.00%"' in page
    assert "the right product is first for 1 of the 1" in page
