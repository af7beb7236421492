"""How finely neighbours are linked, looked for and rounded, in the embedded index and on servers.

Measured embedded, on made vectors with the spread of real ones, asked with made photos (benchmarks/results/scale.md).
What is linked with `BUILD` candidates (Malkov & Yashunin 2018) is asked with `BREADTH`; a vector rounded to one byte a
number is read in place of four, and the best `SPARE` times the hits asked for are scored again with what was stored, so
scores are exact. What is small is scanned whole: behind a filter that keeps a tenth of a million, the graph missed one
hit in eleven.
"""

__all__ = ["BREADTH", "BUILD", "FULL_SCAN", "LINKS", "QUANTILE", "SPARE"]

LINKS, BUILD, BREADTH = 32, 256, 512
QUANTILE, SPARE = 0.99, 2.0
FULL_SCAN = 128_000  # kilobytes of vectors that are scanned whole: all, or those that fit a filter
