"""Search statistics from the Parquet export of the events, computed by DuckDB.

Impressions are the `impression` events. If a search has none, its `results` count as impressions. A click belongs to
its search and product, at any position.
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
    """Click-through rate at a position.

    Attributes:
        position: Position in the answer, from 1.
        shown: Number of impressions.
        clicked: Number of clicks.
        rate: Click-through rate.
        low: Lower bound of its 95 % interval (Wilson 1927).
        high: Upper bound.
    """

    position: int
    shown: int
    clicked: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A query that was searched `times` times without a confident match. A query by photo alone has no text."""

    text: str
    filter: str
    photos: bool
    times: int


@dataclass(frozen=True, slots=True)
class Switch:
    """A category change: shoppers switched from `before` to `category`, `times` times."""

    before: str
    category: str
    times: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Catalog coverage.

    Attributes:
        products: Number of products in the catalog.
        shown: Number of products with at least one impression.
        clicked: Number of products with at least one click.
        share: shown / products.
        half: Smallest number of products that got half of the impressions.
    """

    products: int
    shown: int
    clicked: int
    share: float
    half: int


@dataclass(frozen=True, slots=True)
class Exploration:
    """Exploration of the ranker.

    Attributes:
        shown: Number of impressions.
        known: Fraction of impressions with a propensity, 0..1.
        share: Mean of 1 - propensity over these, 0..1. It is 0 for a deterministic ranker.
    """

    shown: int
    known: float
    share: float


@contextmanager
def opened(events: Path) -> Iterator[Any]:
    """Open an export in DuckDB.

    Args:
        events: Parquet file of `export_events`.

    Yields:
        A connection with the views `happened` (events) and `shown` (impressions, with `clicked`).

    Raises:
        BadInput: If the file is missing or is no export of events.
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
    """Compute click-through rates by position. They mix relevance and position bias.

    Args:
        events: Parquet file of `export_events`.
        most: Number of positions.

    Returns:
        Rates from position 1 on.
    """
    query = """select position, count(*), count(*) filter (clicked) from shown
        where position is not null group by position order by position limit ?"""
    with opened(events) as connection:
        return tuple(
            Place(place, shown, clicked, clicked / shown, *wilson(clicked, shown))
            for place, shown, clicked in connection.execute(query, [most]).fetchall()
        )


def unmatched(events: Path, *, most: int = 20) -> tuple[Unmatched, ...]:
    """List the most frequent queries with the verdict `none` or without hits.

    Args:
        events: Parquet file of `export_events`.
        most: Number of queries.

    Returns:
        Queries, most frequent first.
    """
    query = """select text, filter, photos > 0, count(*) as times from happened
        where kind = 'search' and (verdict = 'none' or verdict = '' and len(results) = 0)
        group by all order by times desc, text, filter, 3 limit ?"""
    with opened(events) as connection:
        return tuple(Unmatched(*row) for row in connection.execute(query, [most]).fetchall())


def switches(events: Path, *, most: int = 20) -> tuple[Switch, ...]:
    """List the most frequent category changes, which show wrong category predictions.

    Args:
        events: Parquet file of `export_events`.
        most: Number of category changes.

    Returns:
        Category changes, most frequent first.
    """
    query = """select coalesce("before", ''), category, count(*) as times from happened
        where kind = 'category_switch' group by all order by times desc, 1, 2 limit ?"""
    with opened(events) as connection:
        return tuple(Switch(*row) for row in connection.execute(query, [most]).fetchall())


def coverage(events: Path, products: int) -> Coverage:
    """Compute the catalog coverage.

    Args:
        events: Parquet file of `export_events`.
        products: Number of products in the catalog.

    Returns:
        The coverage.

    Raises:
        BadInput: If `products` is less than one.
    """
    if products < 1:
        raise BadInput(f"a catalog of {products} products has nothing to show", field="products")
    query = """with each as
        (select product, count(*) as times, bool_or(clicked) as clicked from shown group by product),
        ranked as (select *, sum(times) over (order by times desc, product) - times as above from each)
        select count(*), count(*) filter (clicked), count(*) filter (2 * above < (select sum(times) from each))
        from ranked"""
    with opened(events) as connection:
        shown, clicked, half = connection.execute(query).fetchone()
    return Coverage(products, shown, clicked, min(1.0, shown / products), half)


def exploration(events: Path) -> Exploration:
    """Compute the exploration of the ranker over all impressions.

    Args:
        events: Parquet file of `export_events`.

    Returns:
        The exploration.
    """
    query = "select count(*), count(propensity), coalesce(avg(1 - propensity), 0) from shown"
    with opened(events) as connection:
        shown, known, share = connection.execute(query).fetchone()
    return Exploration(shown, known / shown if shown else 0.0, share)


def wilson(found: int, tries: int, z: float = 1.96) -> tuple[float, float]:
    """Compute the Wilson score interval of a rate.

    Args:
        found: Number of successes.
        tries: Number of trials, at least 1.
        z: Quantile of the normal distribution. 1.96 gives a 95 % interval.

    Returns:
        Lower and upper bound.
    """
    rate, spread = found / tries, z * z / tries
    middle = (rate + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(rate * (1 - rate) / tries + spread / (4 * tries))
    return max(0.0, middle - half), min(1.0, middle + half)
