"""Notes on cells that were left out and columns that were renamed, although every product was added."""

from dataclasses import dataclass, field

__all__ = ["Notes"]


@dataclass(slots=True)
class Notes:
    """Sentences for the report of `add`. Cells that are left out are counted by column."""

    sentences: list[str] = field(default_factory=list)
    _cells: dict[str, tuple[str, int]] = field(default_factory=dict)

    def say(self, sentence: str) -> None:
        """Add a sentence.

        Args:
            sentence: The sentence.
        """
        self.sentences.append(sentence)

    def leave_out(self, column: str, product: str, reason: str) -> None:
        """Count a cell that was left out.

        Args:
            column: Name of the column.
            product: Id of the product, which is added without the cell.
            reason: Why the cell was left out. The reason of the first cell of a column is shown.
        """
        first, count = self._cells.get(column, (f"{reason} (product {product[:80]})", 0))
        self._cells[column] = first, count + 1

    def all(self) -> tuple[str, ...]:
        """Return all notes.

        Returns:
            The sentences, then one for each column with cells that were left out.
        """
        counted = (
            f"{count:,} {'cell was' if count == 1 else 'cells were'} left out, the products are in: {first}"
            for first, count in self._cells.values()
        )
        return (*self.sentences, *counted)
