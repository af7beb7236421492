"""What the events say of the search, read from their Parquet export by DuckDB: plain figures, no model.

Products that were shown are the `impression` events; a search whose page reports none counts its `results` as shown.
A click belongs to the search and the product that it names, wherever the product stood.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snapfind.core.database import connect
from snapfind.core.errors import BadInput

__all__ = [
    "SHOWN",
    "Coverage",
    "Exploration",
    "Place",
    "Switch",
    "Unmatched",
    "click_rates",
    "coverage",
    "exploration",
    "opened",
    "switches",
    "unmatched",
    "wilson",
]

SHOWN = """
create or replace view shown as
with told as (select distinct search from happened where kind = 'impression' and search <> ''),
listed as (
  select search, unnest(results) as product, coalesce(position, 1) - 1 + generate_subscripts(results, 1) as position,
    null::double as propensity, "at"
  from happened where kind = 'search' and len(results) > 0 and search not in (select search from told)
),
seen as (
  select search, product, position, propensity, "at" from happened where kind = 'impression'
  union all by name select * from listed
),
clicks as (select distinct search, product from happened where kind = 'click' and search <> '')
select seen.*, clicks.product is not null as clicked from seen left join clicks using (search, product)
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the answers, from 1: how often something was shown there and clicked; `rate` is their ratio, with
    its 95 % interval after Wilson (1927).
    """

    position: int
    shown: int
    clicked: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Unmatched:
    """What was searched for `times` times without a confident match; a search by photo alone has no text."""

    text: str
    filter: str
    photos: bool
    times: int


@dataclass(frozen=True, slots=True)
class Switch:
    """Shoppers who were given the category `before` chose `category`, `times` times."""

    before: str
    category: str
    times: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the catalogue shoppers get to see: products shown and clicked at least once, of `products`.

    `share` is shown / products; `half` is the smallest number of products that got half of all that was shown.
    """

    products: int
    shown: int
    clicked: int
    share: float
    half: int


@dataclass(frozen=True, slots=True)
class Exploration:
    """How much the ranker leaves to chance. `known` 0..1 is the part of what was shown with a propensity.

    `share` 0..1 is the mean of 1 - propensity over that part: the chance that a second draw would have shown another
    product there. A ranker that draws nothing has 0.
    """

    shown: int
    known: float
    share: float


@contextmanager
def opened(events: Path) -> Iterator[Any]:
    """A DuckDB connection with the views `happened` (the events) and `shown` (product by product, with `clicked`).

    Raises BadInput for what is no Parquet export of events.
    """
    import duckdb

    if not events.is_file():
        raise BadInput(f"there is no export of events {events}; write one with export_events")
    with connect() as connection:
        try:
            name = str(events).replace("'", "''")
            connection.execute(f"create view happened as select * from read_parquet('{name}')")  # noqa: S608
            connection.execute(SHOWN)
        except duckdb.Error as problem:
            raise BadInput(f"{events.name} is no export of events ({str(problem).splitlines()[0]})") from problem
        yield connection


def click_rates(events: Path, *, most: int = 50) -> tuple[Place, ...]:
    """Clicks by position, from the first place down. The rate mixes what stands there with who looks there."""
    asked = """select position, count(*), count(*) filter (clicked) from shown
        where position is not null group by position order by position limit ?"""
    with opened(events) as connection:
        return tuple(
            Place(place, shown, clicked, clicked / shown, *wilson(clicked, shown))
            for place, shown, clicked in connection.execute(asked, [most]).fetchall()
        )


def unmatched(events: Path, *, most: int = 20) -> tuple[Unmatched, ...]:
    """What was searched for most often with the verdict `none` or without any hit."""
    asked = """select text, filter, photos > 0, count(*) as times from happened
        where kind = 'search' and (verdict = 'none' or verdict = '' and len(results) = 0)
        group by all order by times desc, text, filter, 3 limit ?"""
    with opened(events) as connection:
        return tuple(Unmatched(*row) for row in connection.execute(asked, [most]).fetchall())


def switches(events: Path, *, most: int = 20) -> tuple[Switch, ...]:
    """The changes of category that shoppers made most often: where the guess of the category is wrong."""
    asked = """select coalesce("before", ''), category, count(*) as times from happened
        where kind = 'category_switch' group by all order by times desc, 1, 2 limit ?"""
    with opened(events) as connection:
        return tuple(Switch(*row) for row in connection.execute(asked, [most]).fetchall())


def coverage(events: Path, products: int) -> Coverage:
    """Of a catalogue with so many `products`. Raises BadInput for fewer than one."""
    if products < 1:
        raise BadInput(f"a catalogue of {products} products has nothing to show", field="products")
    asked = """with each as
        (select product, count(*) as times, bool_or(clicked) as clicked from shown group by product),
        ranked as (select *, sum(times) over (order by times desc, product) - times as above from each)
        select count(*), count(*) filter (clicked), count(*) filter (2 * above < (select sum(times) from each))
        from ranked"""
    with opened(events) as connection:
        shown, clicked, half = connection.execute(asked).fetchone()
    return Coverage(products, shown, clicked, min(1.0, shown / products), half)


def exploration(events: Path) -> Exploration:
    """Of everything that was shown."""
    asked = "select count(*), count(propensity), coalesce(avg(1 - propensity), 0) from shown"
    with opened(events) as connection:
        shown, known, share = connection.execute(asked).fetchone()
    return Exploration(shown, known / shown if shown else 0.0, share)


def wilson(found: int, tries: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a rate, sensible for few tries too."""
    rate, spread = found / tries, z * z / tries
    middle = (rate + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(rate * (1 - rate) / tries + spread / (4 * tries))
    return max(0.0, middle - half), min(1.0, middle + half)
