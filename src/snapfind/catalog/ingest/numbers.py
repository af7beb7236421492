"""Number formats of shops: `12.50`, `12,50 €`, `1.299,00`, `$1,299`, `1 299 kr`, `12,-`.

A column has one decimal mark and one currency. An ambiguous cell (`1,299`) is read with the decimal mark of other cells
of its column, and rejected if there is none.
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
    """Number format of one column.

    Attributes:
        marks: Decimal marks of its unambiguous cells.
        currencies: Currencies of its cells.
        others: Whether a filled cell is not a number.
    """

    marks: set[str] = field(default_factory=set)
    currencies: set[str] = field(default_factory=set)
    others: bool = False

    def look(self, text: str) -> None:
        """Update the format with one cell.

        Args:
            text: Text of the cell.
        """
        number, currency = _split_currency(text)
        self.others |= currency is None and bool(text.strip())
        self.marks |= {mark} if (mark := mark_of(number)) else set()
        self.currencies |= {currency} if currency else set()

    @property
    def have_commas(self) -> bool:
        """Whether all are numbers without a currency, with a decimal comma."""
        return self.marks == {","} and not (self.others or self.currencies)

    @property
    def are_mixed(self) -> bool:
        """Whether the column has more than one currency."""
        return len(self.currencies) > 1

    def read(self, text: str) -> float:
        """Parse a cell.

        Args:
            text: Text of the cell.

        Returns:
            The number.

        Raises:
            ValueError: It is not a number or ambiguous. The message says what to write.
        """
        number, currency = _split_currency(text)
        if currency is None:
            raise ValueError("write it like 12.5")
        if self.are_mixed:
            raise ValueError(f"the column has several currencies ({', '.join(sorted(self.currencies))}); use one")
        value = _value(number, mark_of(number) or self._usual(number))
        if not math.isfinite(value):
            raise ValueError("write it like 12.5")
        return value

    def _usual(self, number: str) -> str:
        if len(self.marks) == 1:
            return next(iter(self.marks))
        if "," in number or ("." in number and self.marks):
            raise ValueError("its mark can separate thousands or decimals; write it like 1299 or 1.299")
        return "."


def mark_of(number: str) -> str | None:
    """Return the decimal mark of a number.

    Args:
        number: Digits with marks, without currency.

    Returns:
        `.` or `,`, or None if it has no mark or is ambiguous.
    """
    used = [sign for sign in number if sign in _MARKS]
    if not used:
        return None
    if len(set(used)) == 2:
        return used[-1]
    whole, _, rest = number.lstrip("+-").partition(used[0])
    if len(used) > 1:  # 1.299.000: they separate thousands
        return next(iter(_MARKS - {used[0]}))
    return None if len(rest) == 3 and len(whole) < 4 and whole != "0" else used[0]


def _split_currency(text: str) -> tuple[str, str | None]:
    """Return number and currency of a cell. The currency is "" if there is none, None if it is not a number."""
    text = text.strip()
    if len(text) > _LONGEST:
        return "", None
    if PLAIN.fullmatch(text):
        return text, ""
    match = _PRICE.fullmatch(text)
    before, after = (_currency(match["before"]), _currency(match["after"])) if match else (None, None)
    if match is None or before is None or after is None or (before and after):
        return "", None
    return _GAP.sub("", match["number"]), before or after


def _currency(text: str) -> str | None:
    """Return a currency (€, kr, US$, 元: up to three letters and a sign), "" for none, None for others (10k, 12 %)."""
    text = text.strip()
    letters = "".join(sign for sign in text.removesuffix(".") if unicodedata.category(sign) != "Sc")
    signs = len(text.removesuffix(".")) - len(letters)
    short = letters.isascii() and len(letters) == 1 and not signs
    odd = (letters and not letters.isalpha()) or (text.endswith(".") and not letters)  # $.99
    return None if signs > 1 or len(letters) > 3 or short or odd else text.removesuffix(".").casefold()


def _value(number: str, mark: str) -> float:
    """Parse a number with a decimal mark. Return NaN if it has another format."""
    if mark == "." and PLAIN.fullmatch(number):
        return float(number)
    other = re.escape(next(iter(_MARKS - {mark})))
    grouped = rf"\d{{1,3}}({other}\d{{2,3}})*{other}\d{{3}}"  # 1,25,000 in India
    if not re.fullmatch(rf"[+-]?(\d+|{grouped})({re.escape(mark)}\d+)?", number):
        return math.nan
    return float(re.sub(other, "", number).replace(mark, "."))
