"""Rows for click models from a shop's events, read in chunks from their Parquet export.

There are two domains: `search` (results of a photo or a text) and `similar` (products shown beside a product). A row is
a product that was shown, its group is the search. Products clicked before come from the same session. Encoded rows are
held in memory with about 100 bytes each.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from snapfind.core.errors import BadInput
from snapfind.events.statistics import open_export
from snapfind.ranking.off_policy import Log
from snapfind.ranking.rows import SOURCE, TARGET, Rows
from snapfind.search.rerank.clicks import columns_of
from snapfind.search.rerank.features import Encoded, Field, encode

__all__ = ["FIELDS", "LoggedRows", "ShopDomain", "first_positions", "read_log"]

ShopDomain = Literal["search", "similar"]
_RECENT = 5
FIELDS = (
    Field("product.id", "hashed", 1 << 14),
    Field("product.category", "hashed", 1 << 10),
    Field("product.brand", "hashed", 1 << 12),
    Field("hit.position", "hashed", 64),
    Field("product.price", "number"),
    Field("hit.score", "number"),
    Field("shopper.recent", "sequence", 1 << 14, table="product.id", most=_RECENT),
)
_CHUNK = 20_000
_SHOWN_QUERY = """
with asked as (select search, any_value(session) as session, max(product) <> '' as beside from events
    where kind = 'search' and search <> '' group by search),
scored as (select search, product, max(score) as score, any_value(session) as session from events
    where kind = 'impression' group by all)
select shown.search, shown.product, shown.position, shown.propensity, shown."at", shown.clicked,
    coalesce(nullif(asked.session, ''), scored.session, ''), scored.score
from impressions as shown left join asked using (search) left join scored using (search, product)
where coalesce(asked.beside, false) = ? order by shown."at", shown.search, shown.position
"""


@dataclass(frozen=True, slots=True)
class LoggedRows:
    """Rows of one domain in order of time.

    Attributes:
        rows: The n rows.
        at: (n,) datetime64 in UTC when each was shown.
        position: (n,) position from 1, NaN if unknown.
        propensity: (n,) propensity, NaN if unknown.
    """

    rows: Rows
    at: NDArray[np.datetime64]
    position: NDArray[np.float64]
    propensity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def shown_between(self, since: datetime | None, until: datetime | None) -> "LoggedRows":
        """Return the rows shown from `since` on and before `until`, both in UTC without a time zone."""
        chosen = np.ones(len(self), bool)
        if since is not None:
            chosen &= self.at >= np.datetime64(since)
        if until is not None:
            chosen &= self.at < np.datetime64(until)
        places = np.flatnonzero(chosen)
        return LoggedRows(self.rows.take(places), self.at[places], self.position[places], self.propensity[places])

    def time_at(self, part: float) -> datetime:
        """Return the time before which the fraction `part` 0..1 of the rows was shown."""
        moment: datetime = self.at[min(len(self) - 1, int(part * len(self)))].astype("datetime64[us]").item()
        return moment


def read_log(
    events: Path, products: Mapping[str, Mapping[str, Any]], domain: ShopDomain, *, source: bool
) -> LoggedRows:
    """Read the rows of a domain.

    Args:
        events: Parquet export of the events.
        products: Payloads of the index by product id. A removed product has its id alone.
        domain: The domain.
        source: Whether the rows help another domain.

    Returns:
        The rows.

    Raises:
        BadInput: The file is no export of events, or contains no shown products.
    """
    encoded: list[Encoded] = []
    shown_rows: list[tuple[Any, ...]] = []
    searches: dict[str, int] = {}
    for rows, recents in _chunks(events, domain):
        payloads = [{**products.get(row[1], {}), "_product": row[1]} for row in rows]
        columns = columns_of(payloads, [row[7] for row in rows], ())
        columns |= {"hit.position": [min(row[2] or 0, 50) for row in rows], "shopper.recent": recents}
        encoded.append(encode(columns, FIELDS, len(rows)))
        shown_rows += [(searches.setdefault(row[0], len(searches)), *row[2:6]) for row in rows]
    if not shown_rows:
        raise BadInput(f"The events contain no shown products in the domain {domain}. Log impressions or searches.")
    groups, position, propensity, at, clicked = zip(*shown_rows)
    joined = Encoded(*(np.concatenate([getattr(one, name) for one in encoded]) for name in ("ids", "numbers", "lists")))
    known = Rows(joined, np.array(clicked, np.float32), np.array(groups, np.int64), SOURCE if source else TARGET)
    sides = (np.array([np.nan if value is None else value for value in side], float) for side in (position, propensity))
    return LoggedRows(known, np.array(at, "datetime64[us]"), *sides)


def _chunks(events: Path, domain: ShopDomain) -> Iterator[tuple[list[tuple[Any, ...]], list[tuple[str, ...]]]]:
    """Yield rows of the log, with the products that each shopper had clicked in earlier searches."""
    clicked: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_RECENT))
    search, new_clicks = "", list[tuple[str, str]]()
    before: tuple[str, ...] = ()
    with open_export(events) as connection:
        cursor = connection.execute(_SHOWN_QUERY, [domain == "similar"])
        while rows := cursor.fetchmany(_CHUNK):
            recents: list[tuple[str, ...]] = []
            for row in rows:
                if row[0] != search:  # the clicks of a search count from the next one on
                    for session, product in new_clicks:
                        clicked[session].append(product)
                    search, new_clicks, before = row[0], [], tuple(clicked[row[6]]) if row[6] else ()
                recents.append(before)
                if row[5] and row[6]:
                    new_clicks.append((row[6], row[1]))
            yield rows, recents


def first_positions(logged: LoggedRows, chances: NDArray[np.float64]) -> tuple[Log, NDArray[np.float64]]:
    """Collect the first positions that were randomized as decisions for off-policy evaluation.

    Action j is the product at position j + 1.

    Args:
        logged: The rows.
        chances: (n,) predicted click probabilities.

    Returns:
        The decisions, and the (m, k) policy that shows the product with the highest probability.

    Raises:
        BadInput: No first position was randomized.
    """
    drawn = (logged.position == 1) & np.isfinite(logged.propensity) & (logged.propensity < 1)
    chosen = set(logged.rows.groups[drawn].tolist())
    if not chosen:
        raise BadInput(
            "No first position was randomized. Log impressions with a propensity below 1 for off-policy evaluation."
        )
    lists: dict[int, list[int]] = {}
    for place in np.flatnonzero(np.isfinite(logged.position)):
        if (group := int(logged.rows.groups[place])) in chosen:
            lists.setdefault(group, []).append(int(place))
    most = max(map(len, lists.values()))
    first, policy = [], np.zeros((len(lists), most))
    for row, places in enumerate(lists.values()):
        ordered = sorted(places, key=lambda place: logged.position[place])
        first.append(ordered[0])
        policy[row, int(np.argmax(chances[ordered]))] = 1
    first_rows = np.array(first)
    actions = np.zeros(len(first_rows), np.int64)
    rewards = logged.rows.labels[first_rows].astype(np.float64)
    return Log(np.zeros((len(first_rows), 0)), actions, rewards, logged.propensity[first_rows]), policy
