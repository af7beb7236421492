"""One search of the click log, as training on clicks uses it."""

from dataclasses import dataclass

from snapfind.core.errors import BadInput

__all__ = ["Search"]


@dataclass(frozen=True, slots=True)
class Search:
    """A search with its results and clicks.

    Attributes:
        photo: Number of the query photo.
        results: Items of the result list, in order.
        clicked: Clicked items, in order.
        tab: Number of the category that the results were limited to at first, -1 for none.
        switched: Number of the category that the shopper changed to, -1 for none.

    Raises:
        BadInput: A clicked item was not in the result list.
    """

    photo: int
    results: tuple[int, ...]
    clicked: tuple[int, ...]
    tab: int = -1
    switched: int = -1

    def __post_init__(self) -> None:
        if not set(self.clicked) <= set(self.results):
            raise BadInput(
                f"Photo {self.photo} has clicks on {set(self.clicked) - set(self.results)},"
                " which were not in its results."
            )
