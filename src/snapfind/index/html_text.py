"""Conversion of HTML in product texts to plain text: tags, comments, scripts and styles are removed.

The standard library's parser is not used: before Python 3.11.14 its time is quadratic in the number of unclosed tags
(CVE-2025-6069: 24 kB of `<a <a <a` take 5 s and hold the interpreter's lock). This scanner reads each character a
bounded number of times and never fails.
"""

import re
from html import unescape
from html.entities import html5

__all__ = ["plain_line", "plain_text"]

_ROUNDS = 4  # `&amp;lt;b&amp;gt;` was escaped three times, more does not occur
_NAME = re.compile(r"/?([A-Za-z][A-Za-z0-9:-]{0,40})")
_STOP = re.compile(r"[<>\"']")
_ENTITY = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31})(;|(?![A-Za-z0-9=]))")
_SPACES = str.maketrans({"\xa0": " ", "\xad": "", "\u200b": "", "\ufeff": ""})
# Elements whose content is no text for a reader.
_HIDDEN = frozenset({"script", "style", "template", "svg", "math", "object", "iframe"})
# Elements inside a word or a sentence; every other element separates words, as in a browser.
_INLINE = frozenset(
    """
    a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q rp rt ruby s samp small span
    strike strong sub sup time tt u var wbr
    """.split()  # noqa: SIM905
)
_BLOCK = frozenset(
    """
    address applet area article aside audio base basefont blink blockquote body br button canvas caption center col
    colgroup datalist dd details dialog dir div dl dt embed fieldset figcaption figure footer form frame frameset h1 h2
    h3 h4 h5 h6 head header hgroup hr html img input legend li link main map marquee menu meta meter nav noscript ol
    optgroup option output p param picture pre progress search section select slot source summary table tbody td
    textarea tfoot th thead title tr track ul video
    """.split()  # noqa: SIM905
)
_ELEMENTS = _HIDDEN | _INLINE | _BLOCK


def plain_text(text: str) -> str:
    """Convert HTML to the text that a browser would show, without layout. Plain text is returned unchanged.

    Only names of HTML elements make a tag, so `a < b`, `<3` and `<NEW>` stay. Text that was escaped more than once is
    decoded until nothing changes. Time is linear in the length of the text.

    Args:
        text: HTML or plain text.

    Returns:
        Plain text. Elements that start a block or a line become a space.

    Example:
        >>> plain_text("<p>fine&nbsp;caf&eacute;</p><ul><li>H<sub>2</sub>O</li></ul>").split()
        ['fine', 'café', 'H2O']
    """
    for _ in range(_ROUNDS):
        if "<" not in text and "&" not in text:
            break
        decoded = _decoded(_without_tags(text))
        if decoded == text:
            break
        text = decoded
    return text


def plain_line(text: str) -> str:
    """Convert HTML to one line of text, for titles, brands and categories. Plain text is returned unchanged.

    Args:
        text: HTML or plain text.

    Returns:
        The text with single spaces.
    """
    plain = plain_text(text)
    return text if plain == text else " ".join(plain.split())


def _decoded(text: str) -> str:
    return _ENTITY.sub(_character, text).translate(_SPACES) if "&" in text else text


def _character(match: re.Match[str]) -> str:
    """Decode an entity. One without a semicolon counts only if HTML has that name (`&nbsp`)."""
    name, end = match[1], match[2]
    if name.startswith("#") or name + end in html5:
        return unescape(f"&{name};")
    return match[0]


def _without_tags(text: str) -> str:
    text = text.replace("<![CDATA[", " ").replace("]]>", " ") if "<![CDATA[" in text else text
    pieces: list[str] = []
    scan = _Scan(text)
    start = 0
    while (place := text.find("<", start)) >= 0:
        pieces.append(text[start:place])
        gap, start = scan.skip(place)
        pieces.append(gap)
    pieces.append(text[start:])
    return "".join(pieces)


class _Scan:
    """Finds where markup ends. It remembers which marks do not occur any more, so that none is searched twice."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._absent: set[str] = set()
        self._trust_quotes = True

    def skip(self, place: int) -> tuple[str, int]:
        """Return the replacement of the markup at `place`, and where the text continues."""
        text = self._text
        if text.startswith("<!--", place):
            end = self._find("-->", place + 4)
            return ("<", place + 1) if end < 0 else (" ", end + 3)
        if text.startswith(("<!", "<?"), place):
            end = self._find(">", place)
            is_doctype = text[place + 1 : place + 2] == "?" or text[place + 2 : place + 9].lower() == "doctype"
            return ("<", place + 1) if end < 0 or not is_doctype else (" ", end + 1)
        match = _NAME.match(text, place + 1)
        name = match[1].lower() if match else ""
        if match is None or not (name in _ELEMENTS or ":" in name or "-" in name):
            return "<", place + 1
        end = self._end(match.end())
        if end < 0:
            return "<", place + 1
        if name in _HIDDEN and text[place + 1] != "/" and text[end - 1] != "/":
            end = self._close(name, end)
        return ("" if name in _INLINE else " "), end + 1

    def _end(self, place: int) -> int:
        """Return where a tag ends, ignoring `>` in quotes, or -1."""
        if not self._trust_quotes:
            return self._find(">", place)
        at = place
        while match := _STOP.search(self._text, at):
            sign = match[0]
            if sign == ">":
                return match.start()
            if sign == "<":  # a tag that was cut off: the next one begins
                return -1
            close = self._find(sign, match.end())
            if close < 0:  # an apostrophe, no quote
                break
            at = close + 1
        self._trust_quotes = False
        return self._find(">", place)

    def _close(self, name: str, end: int) -> int:
        """Return the end of the closing tag of a hidden element, or its own end if it is never closed."""
        mark = f"</{name}"
        if mark in self._absent:
            return end
        match = re.compile(re.escape(mark), re.IGNORECASE).search(self._text, end)
        if match is None:
            self._absent.add(mark)
            return end
        close = self._find(">", match.end())
        return close if close >= 0 else match.end() - 1

    def _find(self, sign: str, start: int) -> int:
        if sign in self._absent:
            return -1
        position = self._text.find(sign, start)
        if position < 0:
            self._absent.add(sign)
        return position
