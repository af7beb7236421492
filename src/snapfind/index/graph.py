"""How finely neighbours are linked, looked for and rounded in the embedded index.

Measured on made vectors with the spread of real ones, asked with made photos (benchmarks/results/scale.md). What is
linked with `build` candidates (Malkov & Yashunin 2018) is asked with `breadth`; a vector rounded to one byte a number
is read in place of four, and the best `spare` times the hits asked for are scored again with what was stored, so scores
are exact.

What is small is scanned whole. Measured by time and recall on one core (benchmarks/index_settings.py): at 102 MB a scan
takes 2.2 ms and the walk 2.3, behind a filter that leaves 51 MB 1.9 and 3.3, and the scan misses less; where 154 MB are
left it is 4.8 and 4.3, at 512 MB 6.5 and 4.6. So the limit lies between, at 128 MB.
"""

from dataclasses import dataclass

__all__ = ["DEFAULT", "Graph"]


@dataclass(frozen=True, slots=True)
class Graph:
    """Settings of the neighbour graph; an index keeps `links`, `build`, `quantile` and `full_scan` of when it was made.

    links: neighbours of a point; build, breadth: candidates while linking and while searching; quantile: share of the
    numbers that rounding covers, None stores no rounded vectors; spare: candidates scored again, times the hits asked
    for; full_scan: kilobytes of float32 vectors up to which all are scanned, or all that fit a filter.
    """

    links: int = 32
    build: int = 256
    breadth: int = 512
    quantile: float | None = 0.99
    spare: float = 2.0
    full_scan: int = 128_000


DEFAULT = Graph()
