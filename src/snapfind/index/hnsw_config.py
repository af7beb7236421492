"""Settings of the HNSW graph, of quantization and of exact scans, for the embedded index and for servers.

Measured on generated vectors with the spread of real ones (benchmarks/results/scale.md). Behind a filter that keeps
30 % of 512 MB, a plain graph search misses one hit in 20, and one in 250 with ACORN, in 7.5 ms.

Small sets are scanned exactly (benchmarks/index_settings.py, one core): at 102 MB a scan takes 2.1 ms and the graph
3.2, at 512 MB 6.3 and 4.1. Behind filters a scan is faster up to at least 154 MB, and it misses less. So the limit may
be between 128 and 256 MB. It is 128, with which a million vectors were measured.
"""

from dataclasses import dataclass

__all__ = ["DEFAULT", "HnswConfig"]


@dataclass(frozen=True, slots=True)
class HnswConfig:
    """Settings of HNSW (Malkov & Yashunin 2018) with scalar quantization and ACORN (Patel et al. 2024).

    An index keeps `m`, `ef_construct`, `quantile` and `full_scan` of when it was created.

    Attributes:
        m: Neighbors of a point in the graph.
        ef_construct: Candidates while building.
        ef: Candidates while searching.
        ef_filtered: Candidates while searching behind a filter.
        acorn_selectivity: Behind filters that keep at most this share of the points, 0..1, neighbors of neighbors are
            visited too. 0: never.
        quantile: Share of the values that the int8 range covers, 0..1. None: no quantized vectors are stored.
        oversampling: Candidates that are rescored with float32 vectors, as a multiple of the limit.
        full_scan: Kilobytes of float32 vectors up to which all are scanned, or all that match a filter.
    """

    m: int = 32
    ef_construct: int = 256
    ef: int = 1024
    ef_filtered: int = 256
    acorn_selectivity: float = 1.0
    quantile: float | None = 0.99
    oversampling: float = 2.0
    full_scan: int = 128_000


DEFAULT = HnswConfig()
