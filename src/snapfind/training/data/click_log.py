"""A search of the log as learning from clicks reads it."""

from dataclasses import dataclass

from snapfind.core.errors import BadInput

__all__ = ["Search"]


@dataclass(frozen=True, slots=True)
class Search:
    """The photo's number, the items shown in order, and which were clicked, in order.

    `tab` is the category that was shown at first and `switched` the one that the shopper changed it to by hand, by
    number; -1 where there was none. Raises BadInput for a click on what was not shown.
    """

    photo: int
    shown: tuple[int, ...]
    clicked: tuple[int, ...]
    tab: int = -1
    switched: int = -1

    def __post_init__(self) -> None:
        if not set(self.clicked) <= set(self.shown):
            raise BadInput(
                f"photo {self.photo} clicked {set(self.clicked) - set(self.shown)}, which was not shown to it"
            )
