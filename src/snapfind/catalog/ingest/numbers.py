"""Numbers as shops write them: `12.50`, `12,50 €`, `1.299,00`, `$1,299`, `1 299 kr`, `12,-`.

A column has one mark of decimals and one currency. A cell that shows its mark is read by it; one that could be either
(`1,299`) is read as its column is written, and refused where no cell of the column tells.
"""

import math
import re
import unicodedata
from dataclasses import dataclass, field

__all__ = ["PLAIN", "Numbers", "mark_of"]

PLAIN = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_PRICE = re.compile(r"(?P<before>[^\d+-]*)(?P<number>[+-]?\d(?:[\d.,'’\s]*\d)?)(?:[.,:]?[-–]+)?(?P<after>\D*)")
_LONGEST = 64  # characters of a number with its currency; _PRICE is quadratic in a run of dashes
_GAP = re.compile(r"(?<=\d)['’\s](?=\d{3}(?!\d))")
_MARKS = frozenset(".,")


@dataclass(slots=True)
class Numbers:
    """How one column writes its numbers: the marks of decimals and the currencies that its cells show."""

    marks: set[str] = field(default_factory=set)
    currencies: set[str] = field(default_factory=set)
    others: bool = False  # whether a filled cell is no number at all

    def look(self, text: str) -> None:
        """Take notice of one cell."""
        number, currency = _parted(text)
        self.others |= currency is None and bool(text.strip())
        self.marks |= {mark} if (mark := mark_of(number)) else set()
        self.currencies |= {currency} if currency else set()

    @property
    def have_commas(self) -> bool:
        """Whether these are numbers without a currency whose mark of decimals is the comma."""
        return self.marks == {","} and not (self.others or self.currencies)

    @property
    def are_mixed(self) -> bool:
        """Whether the column has more than one currency."""
        return len(self.currencies) > 1

    def read(self, text: str) -> float:
        """The number in a cell. Raises ValueError with the mend as its message."""
        number, currency = _parted(text)
        if currency is None:
            raise ValueError("write it like 12.5")
        if self.are_mixed:
            raise ValueError(f"the column has the currencies {' and '.join(sorted(self.currencies))}; give one")
        value = _value(number, mark_of(number) or self._usual(number))
        if not math.isfinite(value):
            raise ValueError("write it like 12.5")
        return value

    def _usual(self, number: str) -> str:
        if len(self.marks) == 1:
            return next(iter(self.marks))
        if "," in number or ("." in number and self.marks):
            raise ValueError("its mark may part thousands or decimals; write it like 1299 or 1.299")
        return "."


def mark_of(number: str) -> str | None:
    """The mark of decimals that a number shows by itself, None where it has none or could be read in two ways."""
    used = [sign for sign in number if sign in _MARKS]
    if not used:
        return None
    if len(set(used)) == 2:
        return used[-1]
    whole, _, rest = number.lstrip("+-").partition(used[0])
    if len(used) > 1:  # 1.299.000: they part thousands
        return next(iter(_MARKS - {used[0]}))
    return None if len(rest) == 3 and len(whole) < 4 and whole != "0" else used[0]


def _parted(text: str) -> tuple[str, str | None]:
    """Number and currency of a cell; the currency is "" without one, None where the cell holds something else."""
    text = text.strip()
    if len(text) > _LONGEST:
        return "", None
    if PLAIN.fullmatch(text):
        return text, ""
    found = _PRICE.fullmatch(text)
    before, after = (_currency(found["before"]), _currency(found["after"])) if found else (None, None)
    if found is None or before is None or after is None or (before and after):
        return "", None
    return _GAP.sub("", found["number"]), before or after


def _currency(text: str) -> str | None:
    """€, kr, US$, 元: at most three letters and a sign; "" for nothing, None for what is no currency (10k, 12 %)."""
    text = text.strip()
    letters = "".join(sign for sign in text.removesuffix(".") if unicodedata.category(sign) != "Sc")
    signs = len(text.removesuffix(".")) - len(letters)
    short = letters.isascii() and len(letters) == 1 and not signs
    odd = (letters and not letters.isalpha()) or (text.endswith(".") and not letters)  # $.99
    return None if signs > 1 or len(letters) > 3 or short or odd else text.removesuffix(".").casefold()


def _value(number: str, mark: str) -> float:
    """NaN where the number is not written with that mark."""
    if mark == "." and PLAIN.fullmatch(number):
        return float(number)
    other = re.escape(next(iter(_MARKS - {mark})))
    grouped = rf"\d{{1,3}}({other}\d{{2,3}})*{other}\d{{3}}"  # 1,25,000 in India
    if not re.fullmatch(rf"[+-]?(\d+|{grouped})({re.escape(mark)}\d+)?", number):
        return math.nan
    return float(re.sub(other, "", number).replace(mark, "."))
