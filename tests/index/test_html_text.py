"""HTML of shops as plain text: what is removed, what stays, and that it takes linear time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapfind.index.html_text import plain_line, plain_text


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ('<div style="color:red"><p>fine&nbsp;caf&eacute; cup</p></div>', "fine café cup"),
        ("<p>Red</p><p>mug</p>", "Red mug"),
        ("one<br>two<BR/>three", "one two three"),
        ("<ul><li>cotton<li>linen</ul>", "cotton linen"),
        ("H<sub>2</sub>O <b>b</b>old", "H2O bold"),
        ("<script>var a = '<p>';</script>shirt<style>p{color:red}</style>", "shirt"),
        ("<!-- note > -->shirt<!DOCTYPE html>", "shirt"),
        ("<![CDATA[<b>Red</b> mug]]>", "Red mug"),
        ("M&uuml;sli &#252;ber &#xfc;ber", "Müsli über über"),
        ("M&uuml;sli &nbsp Bowl", "Müsli Bowl"),
        ("&lt;p&gt;caf&amp;eacute;&lt;/p&gt;", "café"),
        ("<img alt='a > b' src=\"data:image/png;base64,AAAA\">mug", "mug"),
        ("don't <a href='x'>stop</a> it", "don't stop it"),
        ("<o:p></o:p>Word<my-tag x=1>web", "Word web"),
        ("<iframe src='x'></iframe>film", "film"),
    ],
)
def test_markup_becomes_the_text_that_a_browser_shows(given_text, expected):
    assert plain_text(given_text).split() == expected.split()
    assert plain_line(given_text) == expected


@pytest.mark.parametrize(
    "text",
    ["a < b and c > d", "<3", "AT&T", "R&D  lab", "Salt&Pepper", "<NEW> shirt", "x <b", "", "5 & 6", "&copyleft"],
)
def test_text_without_markup_is_left_as_it_is(text):
    assert plain_text(text) == plain_line(text) == text


@given(st.text(alphabet="<>&;/ab'\"=!-p \u00e9", max_size=80))
def test_any_text_is_read_and_a_second_reading_adds_nothing_long(text):
    assert len(plain_text(text)) <= len(text)


@pytest.mark.parametrize(
    "unit",
    ["<a ", "<!--", '<a x="', "<", "<a '", "</a ", "<script>", "<script></scrip", "&#", "&", "&amp;", "<p a='\"", "<!"],
)
def test_hostile_markup_takes_linear_time(unit):
    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        begin = time.process_time()
        plain_text(text)
        return time.process_time() - begin

    assert seconds(400_000) < 3  # a quadratic scan takes minutes
