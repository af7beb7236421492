"""How finely neighbors are linked, looked for and rounded, in the embedded index and on servers.

Measured embedded, on made vectors with the spread of real ones, asked with made photos (benchmarks/results/scale.md).
What is linked with `build` candidates (Malkov & Yashunin 2018) is asked with `breadth`; a vector rounded to one byte a
number is read in place of four, and the best `spare` times the hits asked for are scored again with what was stored, so
scores are exact. A filter cuts the graph into pieces: behind one that keeps 30 % of 512 MB the walk missed one hit in
20, and one in 250 where it steps over what does not fit (ACORN), in 7.5 ms.

What is small is scanned whole. Measured by time and recall on one core (benchmarks/index_settings.py): at 102 MB a scan
takes 2.1 ms and the walk 3.2, at 512 MB 6.3 and 4.1; behind filters the scan wins up to 154 MB at least; it misses
less. So the limit may lie between 128 and 256 MB, and is at the lower end, with which a million was measured.
"""

from dataclasses import dataclass

__all__ = ["DEFAULT", "Graph"]


@dataclass(frozen=True, slots=True)
class Graph:
    """Settings of the neighbor graph; an index keeps `links`, `build`, `quantile` and `full_scan` of when it was made.

    links: neighbors of a point; build, breadth, filtered: candidates while linking, searching, and searching behind a
    filter; around: behind filters that keep at most this part of all, neighbors of neighbors are looked at too
    (ACORN, Patel et al. 2024), 0 never; quantile: share of the numbers that rounding covers, None stores no rounded
    vectors; spare: candidates scored again, times the hits asked for; full_scan: kilobytes of float32 vectors up to
    which all are scanned, or all that fit a filter.
    """

    links: int = 32
    build: int = 256
    breadth: int = 1024
    filtered: int = 256
    around: float = 1.0
    quantile: float | None = 0.99
    spare: float = 2.0
    full_scan: int = 128_000


DEFAULT = Graph()
