"""The search request: query terms and options. `Query` is the only definition of the options.

The HTTP body and form (server/schemas/search.py), the options of `snapfind search` (cli/options.py), the client
(client/convert.py) and the keyword arguments of `Catalog.search` are derived from the fields of `Query`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal, TypedDict, get_args, get_origin, get_type_hints

from snapfind.core.errors import BadQuery
from snapfind.core.types import Box, check_characters

__all__ = ["OPTIONS", "Option", "Order", "Query", "QueryOptions", "QueryTerm", "Regions"]

Regions = Literal["auto", "whole", "subject", "all"]
Order = Literal["clicks", "similarity"]


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """A query term: exactly one of a photo, a text or a product id.

    Attributes:
        photo: Path, bytes, or PIL image.
        text: Text, not empty.
        product: Id of a product of the catalog.
        weight: Weight in the query. Below 0: "less like this".
        box: Region of the photo.

    Raises:
        BadQuery: The term has not exactly one of the three, or the weight is 0 or not finite.
    """

    photo: Any = None
    text: str | None = None
    product: str | None = None
    weight: float = 1.0
    box: Box | None = None

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.photo, self.text, self.product)) != 1:
            raise BadQuery("a query term needs exactly one of photo, text, product")
        if self.text is not None and not self.text.strip():
            raise BadQuery("the text of the query is empty", field="text")
        for name, text in (("text", self.text), ("product", self.product)):
            if text is not None:
                check_characters(text, name, BadQuery)
        if not math.isfinite(self.weight) or self.weight == 0:
            raise BadQuery(f"weight {self.weight}: must be finite and not 0 (negative: less like this)", field="weight")
        if self.box is not None and self.photo is None:
            raise BadQuery("a box needs a photo", field="box")


@dataclass(frozen=True, slots=True)
class Option:
    """Description of an option of a query, from which the interfaces are derived.

    Attributes:
        help: One sentence for the command line and the API.
        type: Annotation of the field.
        default: Default value.
        metavar: Placeholder on the command line.
        flag: Short flag on the command line.
        max_length: Most characters of a text over HTTP, or most items of a list.
        example: Example of a value.
    """

    help: str
    type: Any = None
    default: Any = None
    metavar: str = ""
    flag: str = ""
    max_length: int | None = None
    example: str = ""

    @property
    def is_list(self) -> bool:
        """Tell whether the option is a list of texts."""
        return get_origin(self.type) is tuple

    @property
    def choices(self) -> tuple[str, ...]:
        """Values of an option that has a fixed set of them."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()


def _option(help: str, **described: Any) -> dict[str, Option]:
    return {"option": Option(help, **described)}


@dataclass(frozen=True, slots=True)
class Query:
    """A search query: photos, texts and product ids with weights, and options.

    Attributes:
        terms: Query terms. At least one has a weight above 0.
        filter: Filter expression that products must match.
        regions: Region of a photo without a box to search. `auto` searches the whole photo, or the main object if the
            catalog matches it more clearly. `whole` searches the whole photo, `subject` the main object, and `all`
            each object as a query of its own.
        category: Products of this category are ranked first. Others stay in the answer.
        marked: Relevance feedback: photos or products that the shopper marked relevant (weight above 0) or not
            relevant (below 0) in an earlier answer. Products marked not relevant are removed from the answer.
        order: `clicks` ranks the products of one verdict by the click ranker, if there is one. `similarity` does not.
        recent: Products that the shopper opened before, oldest first, for the click ranker.

    Raises:
        BadQuery: There is no positive term, only negative terms of a modality, or an option has an unknown value.
    """

    terms: tuple[QueryTerm, ...]
    filter: str | None = field(
        default=None,
        metadata=_option(
            "Filter expression, such as: price < 50 and brand = 'Acme'.",
            metavar="EXPR",
            flag="-f",
            example="price < 50 and brand = 'Acme'",
        ),
    )
    regions: Regions = field(
        default="auto",
        metadata=_option(
            "Region to search in a photo without a box: whole photo, subject (main object), all objects, or auto "
            "(whole photo, or main object if the catalog matches it more clearly)."
        ),
    )
    category: str | None = field(
        default=None, metadata=_option("Rank products of this category first.", metavar="NAME", max_length=256)
    )
    marked: tuple[QueryTerm, ...] = ()
    order: Order = field(
        default="clicks",
        metadata=_option("Rank by the click ranker if there is one (clicks), or by similarity alone (similarity)."),
    )
    recent: tuple[str, ...] = field(
        default=(),
        metadata=_option("Product that the shopper opened before, for the click ranker.", metavar="ID", max_length=50),
    )

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            value = getattr(self, name)
            if option.choices and value not in option.choices:
                raise BadQuery(f"unknown {name} {value!r}; supported: {', '.join(option.choices)}", field=name)
            for text in value if option.is_list else (value or "",):
                check_characters(text, name, BadQuery)
        if any(term.text is not None for term in self.marked):
            raise BadQuery("only products and photos can be marked right or wrong, not texts", field="marked")
        if self.regions == "all" and sum(term.photo is not None for term in self.terms) != 1:
            raise BadQuery("regions 'all' needs exactly one photo", field="regions")
        if not any(term.weight > 0 for term in self.terms):
            raise BadQuery("the query is empty; give at least one photo, text or product with a weight above 0")
        self._check_negatives()

    def _check_negatives(self) -> None:
        """Raise BadQuery for a negative term that no positive one of its modality could be moved away from."""
        for modality, terms in (
            ("text", [term for term in self.terms if term.text is not None]),
            ("photo or product", [term for term in self.terms if term.text is None]),
        ):
            if terms and all(term.weight < 0 for term in terms):
                raise BadQuery(
                    f"a negative {modality} needs a positive {modality}, which it is taken from; add one, or mark"
                    " products of the answer as not relevant",
                    field="terms",
                )

    def with_options(self, options: Mapping[str, Any], marked: Sequence[QueryTerm] = ()) -> "Query":
        """Return the query with further options.

        Args:
            options: Values by name. None leaves an option as it is. A filter is combined with the present one by
                `and`. Lists are extended. Anything else replaces the present value.
            marked: Further relevance feedback.

        Raises:
            BadQuery: There is no such option, or its value is unknown.
        """
        changes: dict[str, Any] = {}
        for name, value in options.items():
            if name not in OPTIONS:
                raise BadQuery(f"unknown option {name!r}; supported: {', '.join(OPTIONS)}", field=name)
            if value is None or value == "":
                continue
            present = getattr(self, name)
            if name == "filter" and present:
                changes[name] = f"({present}) and ({value})"
            else:
                changes[name] = (*present, *value) if OPTIONS[name].is_list else value
        return replace(self, marked=(*self.marked, *marked), **changes)


def _read_options() -> Mapping[str, Option]:
    hints = get_type_hints(Query)
    described = [one for one in fields(Query) if "option" in one.metadata]
    return MappingProxyType(
        {one.name: replace(one.metadata["option"], type=hints[one.name], default=one.default) for one in described}
    )


OPTIONS = _read_options()


class QueryOptions(TypedDict, total=False):
    """Keyword arguments of `Catalog.search` and `Client.search`: the options of `Query` by name, for type checkers."""

    filter: str | None
    regions: Regions | None
    category: str | None
    order: Order | None
    recent: Sequence[str]
