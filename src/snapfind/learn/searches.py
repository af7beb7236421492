"""A search of the log as learning from clicks reads it."""

from dataclasses import dataclass

__all__ = ["Search"]


@dataclass(frozen=True, slots=True)
class Search:
    """The photo's number, the items shown in order, and which were clicked, in order.

    `tab` is the category that was shown at first and `switched` the one that the shopper changed it to by hand, by
    number; -1 where there was none.
    """

    photo: int
    shown: tuple[int, ...]
    clicked: tuple[int, ...]
    tab: int = -1
    switched: int = -1
