"""The events of a shop as rows that a click model learns from, read from their Parquet export a chunk at a time.

Two domains of one shop: `search` (what a photo or words found) and `similar` (what stands beside a product). A row is a
product that was shown; its group is the search. What a shopper clicked before comes from the same session. The encoded
rows are held in memory: about 100 bytes each.
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

__all__ = ["FIELDS", "Logged", "ShopDomain", "first_places", "read_log"]

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
_ASKED = """
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
class Logged:
    """`rows` of one domain in order of time, `at` (n,) when each was shown (datetime64, UTC), its `position` from 1 and
    `propensity`, both NaN where they are not known.
    """

    rows: Rows
    at: NDArray[np.datetime64]
    position: NDArray[np.float64]
    propensity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def between(self, since: datetime | None, until: datetime | None) -> "Logged":
        """What was shown from `since` on and before `until`, both without a zone, in UTC."""
        chosen = np.ones(len(self), bool)
        if since is not None:
            chosen &= self.at >= np.datetime64(since)
        if until is not None:
            chosen &= self.at < np.datetime64(until)
        places = np.flatnonzero(chosen)
        return Logged(self.rows.take(places), self.at[places], self.position[places], self.propensity[places])

    def cut(self, part: float) -> datetime:
        """The time before which that part 0..1 of the rows was shown."""
        moment: datetime = self.at[min(len(self) - 1, int(part * len(self)))].astype("datetime64[us]").item()
        return moment


def read_log(events: Path, products: Mapping[str, Mapping[str, Any]], domain: ShopDomain, *, source: bool) -> Logged:
    """Rows of a domain; `products` maps ids to payloads of the index, a product that is gone has its id alone.

    `source`: they help another domain. Raises BadInput for what is no export of events, and where nothing was shown.
    """
    encoded: list[Encoded] = []
    told: list[tuple[Any, ...]] = []
    searches: dict[str, int] = {}
    for rows, recents in _chunks(events, domain):
        payloads = [{**products.get(row[1], {}), "_product": row[1]} for row in rows]
        columns = columns_of(payloads, [row[7] for row in rows], ())
        columns |= {"hit.position": [min(row[2] or 0, 50) for row in rows], "shopper.recent": recents}
        encoded.append(encode(columns, FIELDS, len(rows)))
        told += [(searches.setdefault(row[0], len(searches)), *row[2:6]) for row in rows]
    if not told:
        raise BadInput(f"the events hold nothing that was shown in the domain {domain}; log impressions or searches")
    groups, position, propensity, at, clicked = zip(*told)
    whole = Encoded(*(np.concatenate([getattr(one, name) for one in encoded]) for name in ("ids", "numbers", "lists")))
    known = Rows(whole, np.array(clicked, np.float32), np.array(groups, np.int64), SOURCE if source else TARGET)
    sides = (np.array([np.nan if value is None else value for value in side], float) for side in (position, propensity))
    return Logged(known, np.array(at, "datetime64[us]"), *sides)


def _chunks(events: Path, domain: ShopDomain) -> Iterator[tuple[list[tuple[Any, ...]], list[tuple[str, ...]]]]:
    """Rows of the log, and what each shopper had clicked in earlier searches."""
    clicked: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_RECENT))
    search, found = "", list[tuple[str, str]]()
    before: tuple[str, ...] = ()
    with open_export(events) as connection:
        asked = connection.execute(_ASKED, [domain == "similar"])
        while rows := asked.fetchmany(_CHUNK):
            recents: list[tuple[str, ...]] = []
            for row in rows:
                if row[0] != search:  # the clicks of a search count from the next one on
                    for session, product in found:
                        clicked[session].append(product)
                    search, found, before = row[0], [], tuple(clicked[row[6]]) if row[6] else ()
                recents.append(before)
                if row[5] and row[6]:
                    found.append((row[6], row[1]))
            yield rows, recents


def first_places(logged: Logged, chances: NDArray[np.float64]) -> tuple[Log, NDArray[np.float64]]:
    """The first places that were drawn with a propensity, as decisions, and the (n, k) policy that would show there
    what has the greatest of the `chances`. Action j is what stood at place j + 1. Raises BadInput where there are none.
    """
    drawn = (logged.position == 1) & np.isfinite(logged.propensity) & (logged.propensity < 1)
    chosen = set(logged.rows.groups[drawn].tolist())
    if not chosen:
        raise BadInput(
            "no first place was drawn by chance; log impressions with a propensity below 1 to judge from logs"
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
    held = np.array(first)
    actions = np.zeros(len(held), np.int64)
    rewards = logged.rows.labels[held].astype(np.float64)
    return Log(np.zeros((len(held), 0)), actions, rewards, logged.propensity[held]), policy
