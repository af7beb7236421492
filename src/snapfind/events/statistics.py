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
    "Coverage",
    "Exploration",
    "PositionRate",
    "click_rates",
    "coverage",
    "exploration",
    "open_export",
    "wilson",
]

_IMPRESSIONS = """
create or replace view impressions as
with reported as (select distinct search from events where kind = 'impression' and search <> ''),
listed as (
  select search, unnest(results) as product, coalesce(position, 1) - 1 + generate_subscripts(results, 1) as position,
    null::double as propensity, "at"
  from events where kind = 'search' and len(results) > 0 and search not in (select search from reported)
),
all_impressions as (
  select search, product, position, propensity, "at" from events where kind = 'impression'
  union all by name select * from listed
),
clicks as (select distinct search, product from events where kind = 'click' and search <> '')
select all_impressions.*, clicks.product is not null as clicked
from all_impressions left join clicks using (search, product)
"""


@dataclass(frozen=True, slots=True)
class PositionRate:
    """Click-through rate at a position.

    Attributes:
        position: Position in the answer, from 1.
        impressions: Number of impressions.
        clicks: Number of clicks.
        rate: Click-through rate.
        low: Lower bound of its 95 % interval (Wilson 1927).
        high: Upper bound.
    """

    position: int
    impressions: int
    clicks: int
    rate: float
    low: float
    high: float


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
        impressions: Number of impressions.
        known: Fraction of impressions with a propensity, 0..1.
        share: Mean of 1 - propensity over these, 0..1. It is 0 for a deterministic ranker.
    """

    impressions: int
    known: float
    share: float


@contextmanager
def open_export(events: Path) -> Iterator[Any]:
    """Open an export in DuckDB.

    Args:
        events: Parquet file of `export_events`.

    Yields:
        A connection with the views `events` and `impressions` (with a column `clicked`).

    Raises:
        BadInput: If the file is missing or is no export of events.
    """
    import duckdb

    if not events.is_file():
        raise BadInput(f"there is no export of events at {events}; write one with export_events")
    with connect() as connection:
        try:
            name = str(events).replace("'", "''")
            connection.execute(f"create view events as select * from read_parquet('{name}')")  # noqa: S608
            connection.execute(_IMPRESSIONS)
        except duckdb.Error as error:
            raise BadInput(f"{events.name} is not an export of events ({str(error).splitlines()[0]})") from error
        yield connection


def click_rates(events: Path, *, limit: int = 50) -> tuple[PositionRate, ...]:
    """Compute click-through rates by position. They mix relevance and position bias.

    Args:
        events: Parquet file of `export_events`.
        limit: Number of positions.

    Returns:
        Rates from position 1 on.
    """
    query = """select position, count(*), count(*) filter (clicked) from impressions
        where position is not null group by position order by position limit ?"""
    with open_export(events) as connection:
        return tuple(
            PositionRate(position, impressions, clicks, clicks / impressions, *wilson(clicks, impressions))
            for position, impressions, clicks in connection.execute(query, [limit]).fetchall()
        )


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
        raise BadInput(
            f"products is {products}; give the number of products of the catalog, at least 1", field="products"
        )
    query = """with each as
        (select product, count(*) as times, bool_or(clicked) as clicked from impressions group by product),
        ranked as (select *, sum(times) over (order by times desc, product) - times as above from each)
        select count(*), count(*) filter (clicked), count(*) filter (2 * above < (select sum(times) from each))
        from ranked"""
    with open_export(events) as connection:
        shown, clicked, half = connection.execute(query).fetchone()
    return Coverage(products, shown, clicked, min(1.0, shown / products), half)


def exploration(events: Path) -> Exploration:
    """Compute the exploration of the ranker over all impressions.

    Args:
        events: Parquet file of `export_events`.

    Returns:
        The exploration.
    """
    query = "select count(*), count(propensity), coalesce(avg(1 - propensity), 0) from impressions"
    with open_export(events) as connection:
        impressions, known, share = connection.execute(query).fetchone()
    return Exploration(impressions, known / impressions if impressions else 0.0, share)


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Compute the Wilson score interval of a rate.

    Args:
        successes: Number of successes.
        trials: Number of trials, at least 1.
        z: Quantile of the normal distribution. 1.96 gives a 95 % interval.

    Returns:
        Lower and upper bound.
    """
    rate, spread = successes / trials, z * z / trials
    middle = (rate + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(rate * (1 - rate) / trials + spread / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)
